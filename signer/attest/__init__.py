"""Attestations: what else is said about an image, spliced into a statement as it was sent.

A predicate may be 16 MiB. It is read in pieces, checked against its type without
ever being built, and lies in a file until its statement is signed.
"""
