"""What is in a part of an audited tree: each entry once, counted by what its body says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from ledger import labels
from ledger.audit.ahead import Fetch, ahead
from ledger.audit.bounds import Floor
from ledger.audit.finding import ContradictionError, Finding
from ledger.audit.judge import BODY_MISSING, Judge, Judged
from ledger.audit.scan import Tree
from ledger.audit.source import Listed, Source
from ledger.audit.trusted import Trusted
from ledger.errors import SourceError
from ledger.report.model import Counted, Event, Range
from ledger.report.tally import RangeTally, Said, Tally
from ledger.tiles import WIDTH
from ledger.tree import extend
from verifier import dsse
from verifier._strict import canonical_json
from verifier.errors import MalformedError
from verifier.merkle import hash_leaf
from verifier.statement import EVENT_PREFIX, Statement

_DAY_S = 86_400
_TIMES = range(253_402_300_800)  # what has a date
_LONGEST = 1000  # characters of a value
_SUMMARY = 400  # characters of an event's predicate


class Survey:
    """Reads the entries from `start` to before `stop`, and judges each by itself."""

    def __init__(  # noqa: PLR0917  a part of a ledger, and what is known of it
        self, source: Source, tree: Tree, trusted: Trusted, start: int, stop: int, now: int
    ) -> None:
        """Read from `source` what is in `tree`."""
        self._source = source
        self._tree = tree
        self._start, self._stop = start, stop
        self._judge = Judge(
            trusted, events={}, whole=start == 0, committed_at=0, floor=Floor(()), now=now
        )
        self._names = {k.public.fingerprint: k.name for k in (trusted.keys or {}).values()}
        self._tally = Tally(start, stop, self._names)
        self._opaque, self._unreadable, self._quiet = (RangeTally() for _ in range(3))
        self._without: list[int] = []  # entries of ours without a body
        self._days: set[int] = set()
        self._times: list[int] = []  # first and last
        self.findings: list[Finding] = []

    def count(self, accused: set[int], progress: Callable[[int, int], None]) -> Counted:
        """Return what is there; `accused` are entries whose missing body is a finding.

        Raises:
            ContradictionError: an entry is not the tree's.
            ReportError: there is more than a report can hold.
        """
        compact = self._tree.compact_at(self._start)
        for start in range(self._start // WIDTH * WIDTH, self._stop, WIDTH):
            lo, hi = max(start, self._start), min(start + WIDTH, self._stop)
            entries = self._entries(start // WIDTH)[lo - start : hi - start]
            leaves = [hash_leaf(entry) for entry in entries]
            compact = extend(lo, compact, leaves).compact
            self._tree.check(lo, leaves, compact)
            listed = self._listed(lo, hi)
            with ahead(self._source, entries) as fetched:
                pairs = zip(fetched, listed, strict=True)
                for index, ((entry, fetch), said) in enumerate(pairs, lo):
                    self._look(index, entry, said, fetch)
            progress(hi - self._start, self._stop - self._start)
        return self._counted(accused)

    def _look(self, index: int, entry: bytes, said: Listed | None, fetch: Fetch) -> None:
        bodies: list[bytes | None] = []

        def kept(algorithm: str, name: str) -> bytes | None:
            bodies.append(fetch(algorithm, name))
            return bodies[-1]

        judged = self._judge.judge(index, entry, said, kept)
        self.findings += [f for f in judged.findings if f.code != BODY_MISSING]
        time = said.committed_at if said and said.committed_at in _TIMES else None
        if time is not None:
            self._times = [*self._times[:1], time]
        form = judged.labels.get("form", [""])[0]
        if not form or form == labels.EVENT:
            self._quiet.add(index)
        if not form:
            self._put_aside(index, judged)
            return
        body = bodies[-1]
        assert body is not None
        if form == labels.EVENT:
            self._record(index, judged, body, time)
            return
        self._tally.add(index, _said(form, judged.labels, body))
        if time is not None:
            self._days.add(time // _DAY_S)

    def _record(self, index: int, judged: Judged, body: bytes, time: int | None) -> None:
        statement = Statement.parse(dsse.parse_pae(body)[1])
        summary = canonical_json(statement.predicate)[: 4 * _SUMMARY].decode(errors="replace")
        name = self._names.get(judged.labels["key"][0], "")
        kind = statement.predicate_type[len(EVENT_PREFIX) :]
        self._tally.record(Event(index, kind, name, time, _cut(summary, _SUMMARY)))

    def _put_aside(self, index: int, judged: Judged) -> None:
        if judged.opaque:
            self._opaque.add(index)
        elif any(f.code == BODY_MISSING for f in judged.findings):
            self._without.append(index)
        else:
            self._unreadable.add(index)

    def _counted(self, accused: set[int]) -> Counted:
        deleted, missing = RangeTally(), RangeTally()
        for index in self._without:
            (missing if index in accused else deleted).add(index)
        return Counted(
            self._stop - self._start,
            self._tally.signatures,
            self._tally.lines(),
            self._tally.groups(),
            tuple(self._tally.events),
            self._opaque.done(),
            deleted.done(),
            missing.done(),
            self._unreadable.done(),
            self._quiet.done(),
            self._quiet_days() if self._times else None,
            (self._times[0], self._times[-1]) if self._times else None,
        )

    def _quiet_days(self) -> tuple[Range, ...]:
        """Return the days without a signature, from that of the first entry to the last one's."""
        first, last = min(self._times) // _DAY_S, max(self._times) // _DAY_S
        days = [first - 1, *sorted(self._days), last + 1]
        return tuple(Range(a + 1, b - 1) for a, b in pairwise(days) if b - a > 1)

    def _entries(self, n: int) -> list[bytes]:
        width = min(WIDTH, self._tree.checkpoint.tree_size - n * WIDTH)
        what = f"{width} entries in bundle {n}"
        try:
            bundle = self._source.entries(n, width)
        except MalformedError as e:
            raise ContradictionError(Finding("bad-entries", n * WIDTH, what, e.message)) from e
        if bundle is None or len(bundle) != width:
            found = "none" if bundle is None else f"{len(bundle)} of them"
            raise ContradictionError(Finding("missing-entries", n * WIDTH, what, found))
        return bundle

    def _listed(self, start: int, stop: int) -> Sequence[Listed | None]:
        listed = self._source.listed(start, stop)
        if listed is None:
            return [None] * (stop - start)
        if len(listed) != stop - start:
            raise SourceError(f"expected to hear of {stop - start} entries, heard of {len(listed)}")
        return listed


def _said(form: str, found: labels.Labels, body: bytes) -> set[Said]:
    """Return what a signature counts as: a statement may be about several repositories."""
    [key] = found["key"]
    if form in (labels.SIMPLESIGNING, labels.NOTATION):  # an approval, without a predicate
        about = [(found.get("repository", [""])[0], found.get("requester", [""])[0])]
        kind = ""
    else:
        statement = Statement.parse(dsse.parse_pae(body)[1])
        about = [(s.name, labels.requester(s.annotations)) for s in statement.subjects]
        kind = statement.predicate_type
    return {
        Said(*(_cut(value, _LONGEST) for value in (name, key, asked, kind, form)))
        for name, asked in about
    }


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
