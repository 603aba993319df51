"""The audit trail: who was refused, what was decided for whom, and what came of it.

Lines (`lines`) in files of a directory (`folder`), each chained to the one before. A decision is
written before anything is signed, and on the disk before the ledger commits what came of it
(`writing`); an outcome names the entries. A crash between is cleared up at start (`tail`). The
hash of each finished file is an entry of the ledger (`anchoring`), so that nobody takes a line
out unseen: `verifying` compares the two, one to one.

Not trusted for truth: whoever can write the directory can make up lines of the last minute, and
refusals alone; of everything older the ledger tells.
"""
