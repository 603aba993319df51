"""Keys in PKCS#11 tokens: HSMs, smart cards, SoftHSM.

uri        what a key's URI says
library    the one library of a module in this process, begun anew when it must be
pins       PINs that a token refused, so that none is tried twice
sessions   sessions on one token, logged in
objects    the key in a session: found, judged, and made
signing    one signature in a session
schemes    what a token signs, and what becomes of what it answers
key        the key that all this adds up to
"""
