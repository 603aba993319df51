"""A key's life: announced in the ledger, put to use, replaced, retired.

The ledger says what became of every version of a key (`standing`), and the book where the
private half of one lives (`book`); what the two say is opened at start (`opening`). Trust
files say what verifiers take: `draft` writes the next one for the roots to sign, and
`installing` puts one in force while the service runs. `changing` is the main flow.
"""
