"""The audit itself: did this ledger only grow, and is nothing in it hidden?

`Auditor.audit` is the main flow of this room.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from ledger.audit.bounds import Floor, Sighting, sightings, utc
from ledger.audit.evidence import EvidenceFolder
from ledger.audit.finding import ContradictionError, Finding
from ledger.audit.judge import BODY_MISSING, Judge
from ledger.audit.pin import MOST_OPEN, Pin, PinError
from ledger.audit.proofs import ProofSource, ProofTree
from ledger.audit.scan import Asked, Match, Run, Scan, Tree
from ledger.audit.source import Source
from ledger.audit.tiles import TileTree
from ledger.audit.trusted import Head, Trusted
from ledger.tree import root
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, VerificationError


class Report(NamedTuple):
    """How an audit went. Without findings, the ledger only grew and nothing was hidden."""

    head: Head | None  # None when there was no checkpoint to believe
    old_size: int  # entries that an earlier audit had checked
    checked: int  # entries that are checked now
    opaque: int  # of them, how many are foreign ones without a body
    matches: int
    tiles: int
    findings: tuple[Finding, ...]


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


class Auditor:
    """Audits one ledger, again and again."""

    def __init__(
        self,
        source: Source,
        trusted: Trusted,
        state: Path | None,
        evidence: Path,
        *,
        proofs: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read `source`, believe `trusted`, remember in the file `state` or not at all.

        `proofs` says that `source` is a `ProofSource`, which has no tiles.
        """
        self._source = source
        self._trusted = trusted
        self._state = state
        self._evidence = EvidenceFolder(evidence)
        self._proofs = proofs
        self._clock = clock

    def audit(
        self,
        asked: Asked = Asked(),  # noqa: B008  immutable
        *,
        deliver: Callable[[Match], None] = _ignore,
        tell: Callable[[Finding], None] = _ignore,
        progress: Callable[[int, int], None] = _ignore,
    ) -> Report:
        """Audit what is published now.

        1. Load the pin.
        2. Fetch the checkpoint: a pinned log key and the quorum signed it.
        3. It is as fresh as it is to be.
        4. It is no smaller than the pinned one, and no other tree of its size.
        5. The tree contains the pinned tree; a tile is authenticated before it is used.
        6. What others were shown is contained as well.
        7. Remember the checkpoint, so that it cannot be denied any more.
        8. Each new entry is re-hashed, and is the tree's, by leaf and by root.
        9. Each new entry's body is judged; those looked for are delivered.
        10. Only then the pin moves.

        A finding of steps 2 to 8 ends the audit; the pin stays where it is.

        Raises:
            LedgerError: the source does not answer, a delivery failed, or the pin
                cannot be read or written. Nothing is skipped: audit again.
        """
        run = Run(tell)
        # 1.
        pin = Pin.load(self._state, self._trusted.origin) if self._state else self._empty()
        told = () if asked.full else pin.open  # a full audit looks at all of it anew
        for finding in told:
            if finding.code != BODY_MISSING:  # that may be explained by what comes
                run.find(finding)
        head: Head | None = None
        checked, opaque = pin.checked, pin.opaque
        tiles = 0
        try:
            # 2.
            seen = int(self._clock())
            head = self._head()
            # 3.
            if asked.max_age_s is not None:
                self._fresh(head, seen - asked.max_age_s)
            # 4.
            self._same(pin, head, seen)
            # 5.
            tree = tree_of(self._source, head.checkpoint, self._proofs)
            if old := pin.checkpoint:
                self._grown(old, (pin.note, pin.seen), tree, (head.note, seen), "fork")
            if pin.checked and root(pin.compact) != tree.root_at(pin.checked).root:
                raise PinError(f"{self._state}: not the entries of the pinned checkpoint")
            # 6.
            others = [self._against(note, tree, head, seen) for note in asked.against]
            # 7.
            floor = Floor(sightings([*self._kept(pin), *((other, None) for other in others)]))
            pin = pin.keep(head.note, seen)._replace(note=head.note, seen=seen)
            self._save(pin, None)
            # 8, 9, 10.
            began = pin._replace(
                checked=0, compact=(), committed_at=0, bodies=True, events={}, opaque=0, open=()
            )
            start = began if asked.full else pin
            scan = Scan(self._source, tree, start, self._judge(start, floor), asked, run)
            new_from = pin.checked
            for moved in scan.run(new_from, deliver, progress):
                checked, opaque = max(checked, moved.checked), moved.opaque
                if moved.checked >= new_from:  # a full audit does not move it backwards
                    self._save(moved, tree)
            tiles = tree.used
        except ContradictionError as e:
            run.find(e.finding)
            for finding in told:
                run.find(finding)
        old_size = 0 if asked.full else pin.checked
        return Report(head, old_size, checked, opaque, run.matches, tiles, run.findings)

    def whole(self) -> bool:
        """Whether earlier audits judged every body before the pin, and remember all they found."""
        pin = Pin.load(self._state, self._trusted.origin) if self._state else self._empty()
        return pin.bodies and len(pin.open) < MOST_OPEN

    def seen(self) -> list[Sighting]:
        """Return all that this auditor has verified checkpoints for, for `bounds`."""
        pin = Pin.load(self._state, self._trusted.origin) if self._state else self._empty()
        return sightings(self._kept(pin))

    def _judge(self, pin: Pin, floor: Floor) -> Judge:
        return Judge(
            self._trusted,
            events=pin.events,
            whole=pin.bodies,
            committed_at=pin.committed_at,
            floor=floor,
            now=int(self._clock()),
        )

    def _empty(self) -> Pin:
        return Pin(self._trusted.origin)

    def _save(self, pin: Pin, tree: Tree | None) -> None:
        if tree is not None and pin.checked == tree.checkpoint.tree_size:
            assert root(pin.compact) == tree.checkpoint.root
        if self._state is not None:
            pin.save(self._state)

    def _kept(self, pin: Pin) -> list[tuple[Head, int | None]]:
        """Verify the kept checkpoints again; what the trust root no longer bears out is left."""
        found: list[tuple[Head, int | None]] = []
        for note, seen in pin.kept:
            try:
                found.append((self._trusted.head(note), seen))
            except VerificationError:
                continue
        return found

    def _head(self) -> Head:
        expected = f"a checkpoint of {self._trusted.origin} that may be believed"
        try:
            text = self._source.checkpoint()
        except MalformedError as e:
            raise ContradictionError(Finding.of(e, expected)) from e
        if text is None:
            raise ContradictionError(Finding("missing-checkpoint", None, expected, "none"))
        try:
            return self._trusted.head(text)
        except VerificationError as e:
            raise ContradictionError(Finding.of(e, expected)) from e

    def _fresh(self, head: Head, since: int) -> None:
        if self._trusted.fresh(head, since):
            return
        times = [*head.witnesses.values()]
        if not self._trusted.quorum.witnesses and head.signed_at is not None:
            times = [head.signed_at]
        newest = f"the newest at {utc(max(times))}" if times else "no time at all"
        raise ContradictionError(
            Finding("stale-checkpoint", None, f"signatures made after {utc(since)}", newest)
        )

    def _same(self, pin: Pin, head: Head, seen: int) -> None:
        """Compare the new head with the pinned one, as far as sizes and roots tell."""
        old, new = pin.checkpoint, head.checkpoint
        if old is None:
            return
        first, second = (pin.note, pin.seen), (head.note, seen)
        if new.tree_size < old.tree_size:
            name = self._evidence.write("rollback", first, second)
            expected = f"at least the {old.tree_size} entries that were seen {utc(pin.seen)}"
            raise _contradiction("rollback", expected, f"{new.tree_size}", name)
        if new.tree_size == old.tree_size and new.root != old.root:
            name = self._evidence.write("split-view", first, second)
            expected = f"root {old.root.hex()} at size {old.tree_size}"
            raise _contradiction("split-view", expected, new.root.hex(), name)

    def _grown(
        self,
        old: Checkpoint,
        first: tuple[str, int],
        tree: Tree,
        second: tuple[str, int],
        code: str,
    ) -> None:
        """Check that an older tree is contained in the new one; notes come with their time."""
        grown = tree.root_at(old.tree_size)
        if grown.root != old.root:
            name = self._evidence.write("fork", first, second, grown)
            expected = f"the first {old.tree_size} entries to have root {old.root.hex()}"
            raise _contradiction(code, expected, grown.root.hex(), name)

    def _against(self, text: str, tree: Tree, head: Head, seen: int) -> Head:
        """Compare a note that somebody else was shown with the audited tree.

        Raises:
            VerificationError: it is not a note of this log: it proves nothing.
        """
        other = self._trusted.head(text)
        theirs, ours = other.checkpoint, head.checkpoint
        first, second = (other.note, seen), (head.note, seen)
        if theirs.tree_size > ours.tree_size:
            name = self._evidence.write("rollback", first, second)
            expected = f"at least the {theirs.tree_size} entries that others were shown"
            raise _contradiction("dropped-checkpoint", expected, f"{ours.tree_size}", name)
        if theirs.tree_size == ours.tree_size and theirs.root != ours.root:
            name = self._evidence.write("split-view", first, second)
            expected = f"root {theirs.root.hex()}, which others were shown"
            raise _contradiction("split-view", expected, ours.root.hex(), name)
        self._grown(theirs, first, tree, second, "split-view")
        return other


def tree_of(source: Source, checkpoint: Checkpoint, proofs: bool) -> Tree:
    """Return the tree of `checkpoint`: by `proofs`, which need a `ProofSource`, or by tiles."""
    if proofs:
        return ProofTree(cast("ProofSource", source), checkpoint)
    return TileTree(source, checkpoint)


def _contradiction(code: str, expected: str, found: str, evidence: str) -> ContradictionError:
    return ContradictionError(Finding(code, None, expected, f"{found} (evidence: {evidence})"))
