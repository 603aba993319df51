"""The ledger: remembers every signature, proves what it remembers, never forks.

`ledger.ledger.Ledger` is the main flow: append, publish, prove.
"""
