"""Counting, with a limit on how much there can be to count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from ledger.report.model import Event, Group, Line, Range, Ranges, ReportError

_T = TypeVar("_T")
STEPS = 48  # of a spread
_MOST = 50_000  # different values, lines or events of one report
_MOST_RANGES = 1_000
DIMENSIONS = ("repository", "key", "requester", "predicate_type", "form")


class Said(NamedTuple):
    """The values of one signature that are counted together."""

    repository: str
    key: str
    requester: str
    predicate_type: str
    form: str


class _Count:
    """How many, and where."""

    __slots__ = ("first", "last", "number", "spread")

    def __init__(self, index: int) -> None:
        self.number, self.first, self.last = 0, index, index
        self.spread = [0] * STEPS


class Tally:
    """Counts the signatures of the entries from `start` to before `stop`."""

    def __init__(self, start: int, stop: int, names: Mapping[str, str]) -> None:
        """Call keys by `names`, from their fingerprints."""
        self._start, self._stop = start, stop
        self._names = names
        self._lines: dict[Said, _Count] = {}
        self._by: dict[str, dict[str, _Count]] = {name: {} for name in DIMENSIONS}
        self.events: list[Event] = []
        self.signatures = 0

    def add(self, index: int, said: set[Said]) -> None:
        """Count one signature, which may be about several repositories."""
        self.signatures += 1
        for one in said:
            self._count(self._lines, one, index)
        for i, name in enumerate(DIMENSIONS):
            for value in {one[i] for one in said}:
                self._count(self._by[name], value, index)

    def record(self, event: Event) -> None:
        """Keep one event."""
        _check(len(self.events))
        self.events.append(event)

    def lines(self) -> tuple[Line, ...]:
        """Return what was counted together, by value."""
        return tuple(
            Line(
                said.repository,
                said.key,
                self._names.get(said.key, ""),
                *said[2:],
                c.number,
                c.first,
                c.last,
            )
            for said, c in sorted(self._lines.items())
        )

    def groups(self) -> dict[str, tuple[Group, ...]]:
        """Return what was counted by each value alone, the most frequent first."""
        return {
            name: tuple(
                Group(
                    value,
                    self._names.get(value, "") if name == "key" else "",
                    c.number,
                    c.first,
                    c.last,
                    tuple(c.spread),
                )
                for value, c in sorted(found.items(), key=lambda kv: (-kv[1].number, kv[0]))
            )
            for name, found in self._by.items()
        }

    def _count(self, found: dict[_T, _Count], value: _T, index: int) -> None:
        count = found.get(value)
        if count is None:
            _check(len(found))
            count = found[value] = _Count(index)
        count.number += 1
        count.last = index
        count.spread[(index - self._start) * STEPS // (self._stop - self._start)] += 1


class RangeTally:
    """Counts positions, given in order, and joins those that are adjacent."""

    def __init__(self) -> None:
        """Begin with none."""
        self._ranges: list[Range] = []
        self._last: Range | None = None
        self._count = self._left_out = 0

    def add(self, index: int) -> None:
        """Count one position more."""
        self._count += 1
        if self._last is not None and self._last.last == index - 1:
            self._last = self._last._replace(last=index)
            return
        self._close()
        self._last = Range(index, index)

    def done(self) -> Ranges:
        """Return all of them."""
        self._close()
        return Ranges(self._count, tuple(self._ranges), self._left_out)

    def _close(self) -> None:
        if self._last is None:
            return
        if len(self._ranges) < _MOST_RANGES:
            self._ranges.append(self._last)
        else:
            self._left_out += 1
        self._last = None


def _check(count: int) -> None:
    if count >= _MOST:
        raise ReportError(
            f"expected at most {_MOST} different values and events in one report",
            hint="ask for a smaller part with --from and --to",
        )
