"""Counters of pulls are durable, add up, and never grow beyond their bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store.connection import connect
from signer.errors import PullsError
from signer.pulls.counting import Counting, day_of, day_told
from signer.pulls.store import Outcome, Pulls, Store, Totals
from tests.signer.asking import refused

APP, OTHER = "a.example/team/app", "a.example/team/other"
FIRST = (-1, "", 0, "")
UNSIGNED = Pulls(APP, Outcome.REFUSED, "unsigned", 2)
FINE = Pulls(APP, Outcome.ALLOWED, "", 5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "pulls.db", most_a_day=3, keep_days=10)) as store:
        yield store


def listed(store: Store, since: int = 0, until: int = 10**6) -> list[tuple[int, Pulls]]:
    return store.listed(since, until, "", FIRST, 1000)


def test_adds_up_and_lasts(tmp_path: Path) -> None:
    """
    What was told alike on one day is one number, and it is there after the process is gone.
    """
    path = tmp_path / "pulls.db"
    with closing(Store(path, 10, 10)) as store:
        for day, told in ((7, [UNSIGNED, FINE]), (7, [UNSIGNED]), (8, [UNSIGNED])):
            store.add(day, told)
    with closing(Store(path, 10, 10)) as again:
        assert [(7, FINE), (7, UNSIGNED._replace(times=4)), (8, UNSIGNED)] == listed(again)
        assert [(8, UNSIGNED)] == listed(again, since=8)
        assert Totals(5, 0, 6, 6) == again.totals(0)
        assert Totals(0, 0, 2, 2) == again.totals(8)


def test_bounded(store: Store) -> None:
    """
    Whoever tells of ever more repositories fills a day with no more rows than it has: the rest
    is counted without a name, and what was named before goes on being named.
    """
    many = [UNSIGNED._replace(repository=f"a.example/x{n}", times=1) for n in range(100)]
    store.add(7, [UNSIGNED])
    store.add(7, many)
    store.add(7, [UNSIGNED, *many])
    named = {one.repository: one.times for _, one in listed(store)}

    assert {APP: 4, "a.example/x0": 2, "a.example/x1": 2, "": 196} == named
    assert Totals(refused=204, unsigned=204) == store.totals(0)


def test_forgotten(store: Store) -> None:
    """
    What is older than the days that are kept is gone with the first report of a day.
    """
    for day in (1, 5, 11, 15):
        store.add(day, [FINE])

    assert [11, 15] == [day for day, _ in listed(store, since=6)]
    assert [11, 15] == [day for day, _ in listed(store)]


def test_pages(store: Store) -> None:
    """
    Page by page it is the same as at once.
    """
    for day in (1, 2):
        store.add(day, [UNSIGNED, FINE, FINE._replace(repository=OTHER)])
    found, after = [], FIRST
    while page := store.listed(0, 9, "", after, 2):
        found += page
        day, last = page[-1]
        after = (day, last.repository, int(last.outcome), last.code)

    assert found == listed(store)
    assert 2 == len(store.listed(0, 9, OTHER, FIRST, 100))


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read" * 100, None])
def test_broken(tmp_path: Path, content: bytes | None) -> None:
    """
    Broken counters, or another program's, keep no service from starting: telling it is refused.
    """
    path = tmp_path / "pulls.db"
    if content is None:
        with closing(connect(path, "rwc")) as other:
            other.execute("CREATE TABLE t (x)")
    else:
        path.write_bytes(content)
    with closing(Counting(path, 10, 10)) as counting:
        refused("pulls", lambda: counting.add([FINE]))
        assert Totals() == counting.totals()
        assert {} == counting.since_start()


def test_closed(store: Store) -> None:
    """
    After it was closed nothing is counted, and nothing is found.
    """
    store.close()
    with pytest.raises(PullsError):
        store.add(1, [FINE])
    with pytest.raises(PullsError):
        store.totals(0)


def test_codes(tmp_path: Path) -> None:
    """
    A code that no verifier has is counted as one: nobody makes series by inventing some.
    """
    with closing(Counting(tmp_path / "pulls.db", 10, 10)) as counting:
        counting.add([UNSIGNED._replace(code=code) for code in ("revoked", "made-up", "made-up-2")])
        assert {(Outcome.REFUSED, "revoked"): 2, (Outcome.REFUSED, "other"): 4} == (
            counting.since_start()
        )


@given(st.integers(0, 2_000_000))
def test_days(day: int) -> None:
    """
    A day that is printed is read as the same day.
    """
    assert day == day_of(day_told(day))


@pytest.mark.parametrize("text", ["20261126", "2026-11-6", "2026-W48-4", "2026-02-30", "", " "])
def test_no_days(text: str) -> None:
    """
    A day has one spelling.
    """
    with pytest.raises(ValueError, match=r".*"):
        day_of(text)
