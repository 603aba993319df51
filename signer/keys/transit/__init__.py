"""Keys in the transit engine of OpenBao or HashiCorp Vault: the home `openbao:`.

place         where a key is and who we are there: the URI
login         how a token is had: from a file, as an AppRole, for a JWT
lease         the token's life: renewed at half time, had anew when it is refused
client        one request, one answer, in time and of bounded size
description   what the server says of a key, and which keys we refuse
session       the two requests that need the key: look at it, sign
key           a key, opened or made
"""
