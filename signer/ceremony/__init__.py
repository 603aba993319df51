"""Key ceremonies: one reviewed file in, new keys where the file says, a transcript out.

    [[present]]                       `reading`    what the file may say
    name = "Ada Okafor"         ──▶   `running`    make, look, sign, verify: the main flow
    …                                 `rehearsal`  the same in a scratch token
                                ──▶   `transcript` what was done and found, and its hash
                                      `checking`   what an auditor asks of it, offline
                                      `recording`  its hash in the ledger

The file is all that goes in: nobody answers a question in the room. What reads and checks
needs `cryptography` alone, so that an auditor needs no HSM and no service.
"""
