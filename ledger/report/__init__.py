"""Reports: what was signed in a part of a ledger, for whom and by which key, and what is wrong.

    from ledger.report.make import make

An auditor audits first; what is counted then comes out of the tree that was
audited, with labels that are derived from bodies here. Nothing that the service
says of its entries is counted; times are its word, and are said to be.
"""
