"""The main flow of this room: audit, find the part, count, and say what stands behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.audit.auditor import Auditor, tree_of
from ledger.audit.bounds import Sighting, sightings
from ledger.audit.finding import TREE, ContradictionError, Finding
from ledger.audit.judge import BODY_MISSING
from ledger.audit.scan import Asked
from ledger.audit.source import Source
from ledger.audit.trusted import Head, Trusted
from ledger.report.model import Account, Boundary, Counted, Tree, Witness
from ledger.report.period import Period
from ledger.report.survey import Survey


class Wanted(NamedTuple):
    """Which part, and what the report says of itself."""

    start: str = ""  # an index or a time; "" is the ledger's own
    stop: str = ""
    source: str = ""
    made_by: str = ""
    program: str = ""


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


def make(
    source: Source,
    trusted: Trusted,
    auditor: Auditor,
    wanted: Wanted,
    *,
    marks: Sequence[Sighting] = (),
    proofs: bool = False,
    clock: Callable[[], float] = time.time,
    progress: Callable[[int, int], None] = _ignore,
) -> Account:
    """Return the report on a part of the ledger, under its newest checkpoint.

    1. The ledger is audited: all of it, or what is new since the auditor's last time.
    2. The part is found.
    3. Its entries are read again, out of the tree that was audited, and counted.
    4. What was found on the way is in the report. A tree that contradicts itself,
       or a checkpoint that nobody should believe, leaves nothing to count.

    Raises:
        LedgerError: the source does not answer, or there is no such part.
    """
    # 1.
    now = int(clock())
    # Only who judged every body can say that a missing one was deleted.
    audited = auditor.audit(Asked(full=not auditor.whole()), progress=progress)
    findings = list(audited.findings)
    head = audited.head
    start, stop = Boundary(0, wanted.start, ""), Boundary(0, wanted.stop, "")
    counted: Counted | None = None
    if head is not None and not any(f.code in TREE or f.index is None for f in findings):
        # 2.
        tree_size = head.checkpoint.tree_size
        seen = [*sightings([(head, now)]), *auditor.seen(), *marks]
        start, stop = Period(source, tree_size, seen).part(wanted.start, wanted.stop)
        # 3.
        accused = {f.index for f in findings if f.code == BODY_MISSING and f.index is not None}
        try:
            tree = tree_of(source, head.checkpoint, proofs)
            survey = Survey(source, tree, trusted, start.index, stop.index, now)
            counted = survey.count(accused, progress)
            more = survey.findings
        except ContradictionError as e:
            more = [e.finding]
        # 4.
        findings = _joined(findings, more)
    return Account(
        trusted.origin,
        wanted.source,
        now,
        wanted.made_by,
        wanted.program,
        start,
        stop,
        _tree(head, trusted) if head else None,
        audited.old_size,
        audited.checked,
        tuple(findings),
        counted,
    )


def _joined(first: list[Finding], more: Sequence[Finding]) -> list[Finding]:
    known = {(f.code, f.index) for f in first}
    return first + [f for f in more if (f.code, f.index) not in known]


def _tree(head: Head, trusted: Trusted) -> Tree:
    quorum = trusted.quorum
    witnesses = tuple(
        Witness(name, quorum.urls.get(name, ""), head.witnesses.get(name))
        for name in quorum.witnesses
    )
    tree = head.checkpoint
    return Tree(tree.tree_size, tree.root.hex(), head.signed_at, quorum.name, witnesses)
