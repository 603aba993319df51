"""The alarm: a witness shows a tree that we signed and do not have. The evidence is kept.

It is against ourselves, and just for that reason for whoever has to find out what
happened: which of two copies was cloned from which, or what a backup brought back.
"""

from __future__ import annotations

from pathlib import Path

from ledger.audit.evidence import EvidenceFolder
from ledger.audit.tiles import Grown
from ledger.ledger import Ledger
from verifier.checkpoint import Checkpoint
from verifier.evidence import FORK, ROLLBACK, SPLIT_VIEW
from verifier.note import Note


def keep_evidence(ledger: Ledger, folder: Path, note: str) -> str:
    """Write that `note`, which a witness has of us, contradicts our newest tree.

    Returns the name of the file in `folder`; nothing when they do not contradict.
    """
    theirs, ours = Checkpoint.parse(Note.parse(note).text), ledger.signed
    tree_size, now = ours.checkpoint.tree_size, int(ledger.clock.now())
    first, second = (note, now), (ours.note, now)
    kept = EvidenceFolder(folder)
    if theirs.tree_size > tree_size:
        return kept.write(ROLLBACK, first, second)
    root = ledger.root_at(theirs.tree_size)
    if root == theirs.root:
        return ""
    if theirs.tree_size == tree_size:
        return kept.write(SPLIT_VIEW, first, second)
    path = ledger.path_between(theirs.tree_size, tree_size)
    return kept.write(FORK, first, second, Grown(root, path))
