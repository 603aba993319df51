"""Revoking, and the status.json that carries what was revoked to whoever is offline.

The ledger is the truth: `in_force` reads what was revoked from its events, `keeping` makes
the file of that, and `revoking` adds to it. Whatever signs asks `in_force` first.
"""
