"""Dual control: what one alone may not have signed or changed, others have to agree to.

Who protects what is configured; whoever asks for it is refused with the id of a *request*, and
so many *persons* sign that request, none of them who asks, each with a key of their own that
the service does not have. Then the same call goes through.

    request      the exact bytes that are signed, and how long they count
    persons      who may approve, by which key, and who they are when they call
    protection   how many approvals a request needs
    logged       an approval as the ledger keeps it
    requests     what is open, and what the ledger says of it
    control      asked by every flow before it signs: may it?
    approving    the main flow: an approval arrives
    asked        what each flow has to say of a request
"""
