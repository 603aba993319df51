"""Checking a trail: its chain, its segments against the ledger, and one to one with the entries.

1. Each line is whole, says what its head commits to, and follows the one before.
2. Content is missing only where a purge took it away, which the ledger tells of, and which was
   not too early.
3. Each outcome is of one decision before it, and each decision has at most one.
4. Each entry that an outcome names is in the ledger, and named once.
5. Each finished segment is the one that the ledger tells of, and none of those is missing.
6. Each entry since the trail began is named by an outcome, or is an event that the service logs
   of itself.

What is not logged yet, the lines of the open segment, is proven by the entries that it names and
by nothing else: refusals at its end could be missing. It is finished within a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import NamedTuple

from signer.audit_trail.chain import Chain
from signer.audit_trail.evidence import Evidence
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import OF_ITSELF, Line
from signer.audit_trail.purge import Purge
from signer.audit_trail.tail import Closed
from signer.events import OWN_KINDS
from verifier._strict import b64
from verifier.errors import VerificationError


class Finding(NamedTuple):
    """Something that is wrong: a stable code, where, and what."""

    code: str
    where: str
    told: str

    def __str__(self) -> str:
        """Print for people."""
        return f"{self.where}: {self.told} ({self.code})"


class Report(NamedTuple):
    """What was seen. The line `unlogged_from`, and all after it, no entry covers yet.

    Entries before `begins_at` are from before the trail; `under_way` are decisions without an
    outcome yet; `purged` lines have no content any more.
    """

    segments: int
    lines: int
    decisions: int
    outcomes: int
    refusals: int
    entries: int
    begins_at: int
    tree_size: int
    purged: int
    under_way: tuple[int, ...]
    unlogged_from: int | None
    unlogged_since: str
    frozen: bool


class Checking:
    """One check of the trail in `folder` against `evidence`; `findings` does it, once."""

    def __init__(self, folder: Folder, evidence: Evidence) -> None:
        """Check the trail in `folder`; the evidence must be older than what is read of it."""
        self._folder = folder
        self._evidence = evidence
        self._named = bytearray(evidence.tree_size)
        self._newer: list[tuple[str, int]] = []
        self._chain = Chain()
        self._counts: Counter[str] = Counter()
        self._begins_at = 0
        self._open: dict[int, Line] = {}  # decisions without an outcome yet
        self._opened = self._settled = -1
        self._purges: list[Purge] = []
        self._without: list[tuple[str, Line]] = []  # lines without content, and where
        self._closed: dict[int, Closed] = {}
        self._begun: dict[int, str] = {}  # segments, and the times of their first lines
        self._unlogged: int | None = None
        self._since = ""
        self._frozen = False

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong; nothing, if nothing is."""
        segments = self._folder.segments()
        if not segments:
            yield Finding("trail-missing", str(self._folder.path), "there is no trail")
        for before, segment in zip([0, *segments], segments, strict=False):
            if segment != before + 1:
                told = f"segments {before + 1} to {segment - 1} are not there"
                yield Finding("segment-missing", f"segment {segment}", told)
            yield from self._segment(segment, is_last=segment == segments[-1])
        yield from self._missing()
        logged = yield from self._entries()
        yield from self._segments(logged)
        yield from self._contents()
        for seq in self._open:
            if seq < self._settled:
                told = "the decision has no outcome, though the service was started since"
                yield Finding("decision-unresolved", f"line {seq} of the trail", told)

    def report(self) -> Report:
        """Return what was seen, once `findings` has ended."""
        return Report(
            segments=len(self._folder.segments()),
            lines=self._counts["lines"],
            decisions=self._counts["decision"],
            outcomes=self._counts["outcome"],
            refusals=self._counts["denied"],
            entries=self._counts["entries"],
            begins_at=self._begins_at,
            tree_size=self._evidence.tree_size,
            purged=len(self._without),
            under_way=tuple(self._open),
            unlogged_from=self._unlogged,
            unlogged_since=self._since,
            frozen=self._frozen,
        )

    def _segment(self, segment: int, *, is_last: bool) -> Iterator[Finding]:
        """Do steps 1, 3 and 4 for the lines of a segment."""
        first: Line | None = None
        line: Line | None = None
        for n, raw in enumerate(self._folder.lines(segment), 1):
            where = f"segment {segment}, line {n}"
            if not raw.endswith(b"\n") and is_last:
                break  # being written; or torn, and the next start cuts it off
            self._counts["lines"] += 1
            if line is not None and line.head.kind == "closed":
                yield Finding("line-inserted", where, "the segment had ended")
            try:
                line = Line.parse(raw.removesuffix(b"\n"))
            except VerificationError as e:
                self._chain.lose()
                yield Finding("line-altered", where, e.message)
                continue
            if first is None:
                first, self._begun[segment] = line, line.head.time
            if (told := self._chain.follow(line.head)) is not None:
                yield Finding("chain-broken", where, told)
            yield from self._told(where, line)
        if first is not None and line is not None and line.head.kind == "closed":
            self._closed[segment] = Closed(segment, first.head.seq, line.head.seq, line.head.hash)
        elif first is not None and not is_last:
            yield Finding("segment-cut", f"segment {segment}", "it does not end as segments do")
        elif first is not None:
            self._unlogged, self._since = first.head.seq, first.head.time

    def _told(self, where: str, line: Line) -> Iterator[Finding]:
        """Take what a line says."""
        head = line.head
        self._counts[head.kind] += 1
        if line.content is None:
            self._without.append((where, line))
        if head.kind == "decision":
            self._open[head.seq] = line
            self._settled = self._opened
        elif head.kind == "outcome":
            yield from self._outcome(where, line)
        elif head.kind == "opened":
            self._opened = head.seq
            if head.seq == 0:
                self._begins_at = int(line.fields.get("tree_size", 0))
        elif head.kind == "purged":
            yield from self._purge(where, line)
        elif head.kind == "recovered" and line.fields.get("lost"):
            told = "the service found segments missing, or altered, when it started"
            yield Finding("segment-lost", where, told)

    def _outcome(self, where: str, line: Line) -> Iterator[Finding]:
        decision = self._open.pop(line.head.of, None) if line.head.of is not None else None
        if decision is None:
            told = f"its decision, line {line.head.of}, is not there, or had its outcome"
            yield Finding("outcome-undecided", where, told)
        for index, leaf in line.head.entries:
            self._counts["entries"] += 1
            if index >= self._evidence.tree_size:
                self._newer.append((where, index))
            elif self._named[index]:
                yield Finding("entry-told-twice", where, f"entry {index} came of two decisions")
            else:
                self._named[index] = 1
                if self._evidence.leaf(index) != leaf:
                    yield Finding("entry-differs", where, f"entry {index} is another one")

    def _purge(self, where: str, line: Line) -> Iterator[Finding]:
        """Do step 2 for the line that tells of a purge."""
        purge = Purge.of(line)
        if purge is None or not purge.is_logged(self._evidence):
            yield Finding("purge-unlogged", where, "the ledger does not tell of this purge")
        elif not purge.is_late_enough:
            yield Finding("purge-early", where, "it took away what was younger than 6 months")
        else:
            self._purges.append(purge)

    def _contents(self) -> Iterator[Finding]:
        """Do step 2 for the lines whose content is gone."""
        for where, line in self._without:
            if line.head.kind in OF_ITSELF or not any(p.took(line.head) for p in self._purges):
                yield Finding("content-missing", where, "no purge took it away")

    def _missing(self) -> Iterator[Finding]:
        """Do step 4 for entries that are newer than the evidence."""
        size = self._evidence.size_now()
        for where, index in self._newer:
            if size is not None and index >= size:
                yield Finding("entry-missing", where, f"the ledger has no entry {index}")

    def _entries(self) -> Generator[Finding, None, dict[int, Closed]]:
        """Do step 6, and return the segments that the ledger tells of."""
        logged: dict[int, Closed] = {}
        wanted, sought = self._wanted()
        untold: list[int] = []
        index = self._named.find(0, self._begins_at)
        while index >= 0:
            event = self._evidence.event(index)
            if event is not None and event.kind in OWN_KINDS:
                closed = self._evidence.segment(index)
                if closed is not None and logged.setdefault(closed.segment, closed) != closed:
                    told = f"the ledger tells of segment {closed.segment} in two ways"
                    yield Finding("segment-altered", f"entry {index}", told)
            elif wanted.isdisjoint(self._evidence.known_by(index)) and not (
                sought & self._evidence.raw(index)
            ):
                untold.append(index)
            index = self._named.find(0, index + 1)
        for start, stop in _ranges(untold):
            which = f"entry {start} has" if start == stop else f"entries {start} to {stop} have"
            yield Finding("entry-untold", f"entry {start}", f"{which} no outcome in the trail")
        size = self._evidence.tree_size
        last = self._evidence.event(size - 1) if size else None
        self._frozen = last is not None and last.kind == "frozen"
        return logged

    def _wanted(self) -> tuple[set[bytes], set[tuple[str, str]]]:
        """Return by what the entries of decisions are known that are under way."""
        wanted: set[bytes] = set()
        sought: set[tuple[str, str]] = set()
        for line in self._open.values():
            told = line.fields
            wanted.update(b64(text) for text in told.get("wanted", ()))
            if told.get("sought"):
                digest, key = told["sought"]
                sought.add((digest, key))
        return wanted, sought

    def _segments(self, logged: Mapping[int, Closed]) -> Iterator[Finding]:
        """Do step 5."""
        for segment, closed in sorted(logged.items()):
            found = self._closed.get(segment)
            if found is None:
                told = "the ledger tells of it, and it is not here, or does not end"
                yield Finding("segment-missing", f"segment {segment}", told)
            elif found != closed:
                told = "it is not what the ledger tells of it"
                yield Finding("segment-altered", f"segment {segment}", told)
        newest = max(logged, default=0)
        for segment, found in sorted(self._closed.items()):
            if segment in logged:
                continue
            if segment < newest:
                told = "the ledger does not tell of it, and tells of later ones"
                yield Finding("segment-unlogged", f"segment {segment}", told)
            elif self._unlogged is None or found.first < self._unlogged:
                self._unlogged, self._since = found.first, self._begun[segment]


def _ranges(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield ascending indices as ranges, each with its first and last."""
    for n, index in enumerate(indices):
        if n == 0 or indices[n - 1] != index - 1:
            start = index
        if n + 1 == len(indices) or indices[n + 1] != index + 1:
            yield start, index
