"""Copies of a ledger, so that a dead disk loses nothing and forks nothing.

A copy believes nothing: every row is hashed, every label and key derived again.

    backup    the database at one moment, while it is written to
    mirror    the ledger followed, entry by entry, on another disk or host
    restore   a backup brought up to the anchor, from a mirror
"""
