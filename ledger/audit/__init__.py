"""An outsider's audit: what a ledger's operator cannot hide from somebody who looks.

    from ledger.audit.auditor import Auditor

Needs a source to read from, a trust root or a tlog-policy, and a file to
remember in; no database and no network library.

Trusted for nothing by anybody: whoever gets a finding can check it, and an
evidence file convinces strangers. Whoever owns the auditor's state file can
make it forget what it saw, and so hide a fork from this one auditor.
"""
