"""Marks: few enough to be carried, and fine enough to tell an entry's age."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from signer.status import marks
from verifier import limits
from verifier.trust.status import Mark

HOUR, DAY, WEEK = 3600, 86_400, 604_800
NOW = 1_795_651_200
YEARS = 60 * 365 * DAY


@st.composite
def histories(draw: st.DrawFn) -> list[Mark]:
    """Marks as a service makes them: later ones are never smaller."""
    ages = sorted(draw(st.lists(st.integers(0, 500 * DAY), unique=True, max_size=60)), reverse=True)
    grown = draw(st.lists(st.integers(0, 9), min_size=len(ages), max_size=len(ages)))
    sizes = accumulate(grown)
    return [Mark(size, NOW - age) for size, age in zip(sizes, ages, strict=True)]


@given(histories())
def test_in_order(history: list[Mark]) -> None:
    """
    What is kept is some of what there was, the newest too, with times that rise.
    """
    kept = marks.thinned(history, NOW)

    assert set(kept) <= set(history)
    assert history[-1:] == list(kept[-1:])
    assert all(a.time < b.time and a.tree_size <= b.tree_size for a, b in pairwise(kept))


@given(histories(), st.integers(0, 3 * DAY))
def test_thinning_again(history: list[Mark], later_s: int) -> None:
    """
    Thinning again changes nothing, and whoever thins often keeps what one keeps who thins once.
    """
    now = NOW + later_s
    often = marks.thinned(marks.thinned(history, NOW), now)

    assert often == marks.thinned(often, now)
    assert often == marks.thinned(history, now)


def test_how_fine() -> None:
    """
    A service that makes a mark every quarter of an hour keeps hours for two days, days for 400,
    and weeks before that, however long it runs.
    """
    recent = NOW - 500 * DAY
    times = [*range(NOW - YEARS, recent, DAY), *range(recent, NOW + 1, HOUR // 4)]
    history = [Mark(n, time) for n, time in enumerate(times)]
    kept = marks.thinned(history, NOW)
    steps = [(NOW - a.time, b.time - a.time) for a, b in pairwise(kept)]

    assert limits.MARKS == len(kept)
    assert {HOUR} == {step for age, step in steps if age <= 2 * DAY}
    assert {DAY} == {step for age, step in steps if 3 * DAY < age <= 400 * DAY}
    assert {WEEK} == {step for age, step in steps if age > 407 * DAY}
    assert kept[0].time < NOW - 30 * 365 * DAY


def test_what_cannot_be() -> None:
    """
    A mark of the future is dropped, and one that says less than an earlier one.
    """
    good = [Mark(5, NOW - 5 * HOUR), Mark(9, NOW)]

    assert tuple(good) == marks.thinned([*good, Mark(4, NOW - 2 * HOUR), Mark(99, NOW + 1)], NOW)
    assert (Mark(7, NOW),) == marks.thinned([Mark(7, NOW), Mark(8, NOW)], NOW)


def test_rebuilt() -> None:
    """
    What is rebuilt from the dates of entries is what would have been kept, hour for hour.
    """
    founded = NOW - 3 * DAY - 600

    def size_at(time: int) -> int:
        return 1 + (time - founded) // 60  # an entry a minute

    found = marks.rebuilt(size_at, founded, NOW)

    assert Mark(1, founded) == found[0]
    assert all(mark.tree_size == size_at(mark.time) for mark in found)
    assert [NOW - hours * HOUR for hours in range(48, -1, -1)] == [m.time for m in found[-49:]]
    assert found == marks.thinned(found, NOW)
