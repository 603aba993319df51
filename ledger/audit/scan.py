"""Entry after entry: re-hashed, compared with the tree, judged, delivered; then the pin moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from ledger.audit.ahead import Fetch, ahead
from ledger.audit.finding import ContradictionError, Finding
from ledger.audit.judge import BODY_MISSING, MUST_STAY, Judge, Judged
from ledger.audit.pin import MOST_OPEN, Pin
from ledger.audit.source import Listed, Source
from ledger.audit.tiles import Grown
from ledger.errors import SourceError
from ledger.tiles import WIDTH
from ledger.tree import extend, root
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError
from verifier.merkle import Hash, hash_leaf

SLICE = 16 * WIDTH  # entries between two moves of the pin


class Tree(Protocol):
    """The tree of one checkpoint: by tiles, or by a service's proofs."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Which tree."""

    @property
    def used(self) -> int:
        """How many tiles were used, each of them authenticated."""

    def root_at(self, size: int) -> Grown:
        """Return the root at a smaller size, with the proof, which was checked."""

    def compact_at(self, size: int) -> tuple[Hash, ...]:
        """Return the compact range at a smaller size."""

    def inclusion(self, index: int) -> tuple[Hash, ...]:
        """Return the inclusion path of an entry; the caller verifies it, with the entry."""

    def check(self, start: int, leaves: Sequence[bytes], compact: Sequence[bytes]) -> None:
        """Check that `leaves` are there, and lead to `compact`."""


class Match(NamedTuple):
    """An entry that was looked for, by labels derived here."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    entry: bytes
    labels: Mapping[str, list[str]]


class Asked(NamedTuple):
    """What an audit is to do beyond its usual run.

    `match` are labels, of which an entry must bear all; `against` are notes from
    elsewhere. `max_age_s` is how old the newest cosignature may be.
    """

    full: bool = False
    bodies: bool = True
    max_age_s: int | None = None
    match: tuple[tuple[str, str], ...] = ()
    against: tuple[str, ...] = ()


class Run:
    """What one audit has found so far."""

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        """Tell each finding when it is found."""
        self._tell = tell
        self._found: dict[Finding, None] = {}
        self.matches = 0

    def find(self, finding: Finding) -> None:
        """Note a finding, once."""
        if finding not in self._found:
            self._found[finding] = None
            self._tell(finding)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, in the order in which they were found."""
        return tuple(self._found)


class Scan:
    """Steps 8 to 10 of an audit, slice by slice."""

    def __init__(  # noqa: PLR0917  an audit's parts, in the order of its steps
        self, source: Source, tree: Tree, pin: Pin, judge: Judge, asked: Asked, run: Run
    ) -> None:
        """Scan `source` from where `pin` is to the end of `tree`."""
        self._source = source
        self._tree = tree
        self._pin = pin
        self._judge = judge
        self._asked = asked
        self._run = run
        self._open = dict.fromkeys(pin.open)  # to be told again until resolved
        self._missing: dict[int, Finding] = {
            f.index: f for f in pin.open if f.code == BODY_MISSING and f.index is not None
        }

    def run(
        self,
        new_from: int,
        deliver: Callable[[Match], None],
        progress: Callable[[int, int], None],
    ) -> Iterator[Pin]:
        """Yield the pin after each slice that was checked; there is one at least."""
        stop = self._tree.checkpoint.tree_size
        pin = self._pin
        while True:
            progress(pin.checked, stop)
            start, end = pin.checked, min(stop, (pin.checked // SLICE + 1) * SLICE)
            # 8.
            entries = self._entries(start, end)
            leaves = [hash_leaf(entry) for entry in entries]
            compact = extend(start, pin.compact, leaves).compact if leaves else pin.compact
            self._tree.check(start, leaves, compact)
            if end == stop and root(compact) != self._tree.checkpoint.root:
                raise ContradictionError(
                    Finding(
                        "entry-mismatch",
                        start,
                        f"entries that lead to root {self._tree.checkpoint.root.hex()}",
                        root(compact).hex(),
                    )
                )
            # 9.
            pin = self._judge_all(pin, start, entries, new_from, deliver)
            # 10.
            whole = self._asked.bodies or start == end
            pin = pin._replace(
                checked=end,
                compact=compact,
                committed_at=self._judge.committed_at,
                events=self._judge.events if whole else {},
                bodies=pin.bodies and whole,
            )
            if end == stop:
                self._settle()
            yield pin
            if end == stop:
                progress(stop, stop)
                return

    def _entries(self, start: int, end: int) -> list[bytes]:
        """Fetch the entries from `start` to before `end`."""
        size = self._tree.checkpoint.tree_size
        found: list[bytes] = []
        for n in range(start // WIDTH, -(-end // WIDTH)):
            width = min(WIDTH, size - n * WIDTH)
            what = f"{width} entries in bundle {n}"
            try:
                bundle = self._source.entries(n, width)
            except MalformedError as e:
                raise ContradictionError(Finding("bad-entries", n * WIDTH, what, e.message)) from e
            if bundle is None:
                raise ContradictionError(Finding("missing-entries", n * WIDTH, what, "none"))
            if len(bundle) != width:
                raise ContradictionError(
                    Finding("bad-entries", n * WIDTH, what, f"{len(bundle)} of them")
                )
            found += bundle[max(start - n * WIDTH, 0) : end - n * WIDTH]
        return found

    def _listed(self, start: int, count: int) -> Sequence[Listed | None]:
        listed = self._source.listed(start, start + count) if count else None
        if listed is None:
            return [None] * count
        if len(listed) != count:
            raise SourceError(f"expected to hear of {count} entries, heard of {len(listed)}")
        return listed

    def _judge_all(
        self,
        pin: Pin,
        start: int,
        entries: list[bytes],
        new_from: int,
        deliver: Callable[[Match], None],
    ) -> Pin:
        listed = self._listed(start, len(entries))
        if not self._asked.bodies:
            bare = zip(((entry, None) for entry in entries), listed, strict=True)
            return self._judge_each(pin, start, bare, new_from, deliver)
        with ahead(self._source, entries) as fetched:
            pairs = zip(fetched, listed, strict=True)
            return self._judge_each(pin, start, pairs, new_from, deliver)

    def _judge_each(
        self,
        pin: Pin,
        start: int,
        pairs: Iterator[tuple[tuple[bytes, Fetch | None], Listed | None]],
        new_from: int,
        deliver: Callable[[Match], None],
    ) -> Pin:
        opaque = pin.opaque
        for index, ((entry, fetch), said) in enumerate(pairs, start):
            judged = self._judge.judge(index, entry, said, fetch)
            opaque += judged.opaque
            for finding in judged.findings:
                if len(self._open) < MOST_OPEN:
                    self._open[finding] = None
                if finding.code == BODY_MISSING:
                    self._missing[index] = finding  # a later entry may say why
                else:
                    self._run.find(finding)
            if judged.deletes:
                self._excuse(*judged.deletes)
            if index >= new_from and self._wanted(judged):
                deliver(Match(index, entry, judged.labels))
                self._run.matches += 1
        return pin._replace(opaque=opaque, open=tuple(self._open))

    def _excuse(self, index: int, digest: str) -> None:
        """Let the body of `index` be missing, because an event says that it was deleted."""
        finding = self._missing.get(index)
        if finding is None or MUST_STAY in finding.expected:
            return
        if f" {digest.rpartition(':')[2]}, " in finding.expected:
            del self._missing[index]
            self._open.pop(finding, None)

    def _settle(self) -> None:
        """Tell of the bodies that are missing still, now that all entries were read."""
        for finding in self._missing.values():
            self._run.find(finding)

    def _wanted(self, judged: Judged) -> bool:
        match = self._asked.match
        return bool(match) and all(value in judged.labels.get(name, ()) for name, value in match)
