"""Marks: how large the ledger was when, so that an entry's age can be told from its position.

Hourly for two days, daily for 400, weekly before that: what is older is asked about less
finely. The first mark of an hour, day or week stays, so that thinning again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from verifier import limits
from verifier.trust.status import Mark

_HOUR_S, _DAY_S, _WEEK_S = 3600, 86_400, 604_800
_HOURLY_S, _DAILY_S = 2 * _DAY_S, 400 * _DAY_S


def thinned(marks: Iterable[Mark], now: int) -> tuple[Mark, ...]:
    """Return those of `marks` to keep at `now`, POSIX seconds: in order, at most `limits.MARKS`.

    The newest is always among them. One of the future, or that goes back, is left out.
    """
    kept: list[Mark] = []
    period: tuple[int, int] | None = None
    last: Mark | None = None
    for mark in sorted(set(marks), key=lambda mark: (mark.time, mark.tree_size)):
        if mark.time > now or (
            last and (mark.time == last.time or mark.tree_size < last.tree_size)
        ):
            continue
        last = mark
        if _period(mark.time, now) != period:
            kept.append(mark)
            period = _period(mark.time, now)
    if last is not None and kept[-1] != last:
        kept.append(last)
    return tuple(kept[-limits.MARKS :])


def rebuilt(size_at: Callable[[int], int], first: int, now: int) -> tuple[Mark, ...]:
    """Return the marks of a ledger whose file is lost, from its founding at `first` to `now`.

    `size_at` tells how many entries there were at a time, as the entries' own dates say.
    """
    found = (Mark(size_at(time), time) for time in _grid(first + 1, now))
    return thinned([Mark(1, first), *found], now)


def _grid(first: int, now: int) -> Iterator[int]:
    """Yield the times between `first` and `now` that begin an hour, day or week worth a mark."""
    for step, oldest in ((_WEEK_S, 0), (_DAY_S, now - _DAILY_S), (_HOUR_S, now - _HOURLY_S)):
        start = max(first, oldest)
        yield from range(start + -start % step, now + 1, step)


def _period(time: int, now: int) -> tuple[int, int]:
    """Return the hour, day or week of `time`, by its length."""
    age = now - time
    step = _HOUR_S if age <= _HOURLY_S else _DAY_S if age <= _DAILY_S else _WEEK_S
    return step, time // step
