"""The ledger on clocks that are set by hand: leaps are refused, and time never goes back."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import TOLERANCE_S, LedgerClock, since_boot
from ledger.errors import ClockError
from ledger.ledger import Ledger
from ledger.store import Store
from tests.ledger.making import (
    KEYS,
    NOW,
    MemoryAnchor,
    entry,
    memory_store,
    prove_all,
    refused,
)


class Machine:
    """A machine whose wall clock anybody may set, and whose time since boot nobody can."""

    def __init__(self) -> None:
        self.wall: float = NOW
        self.boot: float = 5000
        self.clock = LedgerClock(lambda: self.wall, lambda: self.boot)

    def wait(self, seconds: float) -> None:
        """Let time pass, awake or asleep."""
        self.wall += seconds
        self.boot += seconds

    def ledger(self, store: Store) -> Ledger:
        """Return a ledger on this machine."""
        return Ledger(store, MemoryAnchor(), KEYS, self.clock)


@pytest.fixture
def machine() -> Machine:
    """A machine whose clocks run together."""
    return Machine()


@pytest.mark.parametrize("leap", [-TOLERANCE_S, -1, 0, 1, TOLERANCE_S])
def test_tolerance(machine: Machine, leap: float) -> None:
    """
    A wall clock that was moved by up to 300 seconds is believed, and time stands still or goes on.
    """
    first = machine.clock.moment(0)
    machine.wall += leap

    assert (NOW, max(NOW, NOW + leap)) == (first, machine.clock.moment(first))


@pytest.mark.parametrize("leap", [-10 * 86_400, -TOLERANCE_S - 1, TOLERANCE_S + 1, 365 * 86_400])
def test_leap(machine: Machine, store: Store, leap: float) -> None:
    """
    While the wall clock is more than 300 seconds off, either way, nothing is logged and nothing
    is signed; once it is set right the ledger goes on by itself.
    """
    ledger = machine.ledger(store)
    prove_all(ledger.append([entry(0)]))
    machine.wait(10)
    machine.wall += leap
    published = ledger.published
    for _ in range(2):
        error = refused("clock-jumped", lambda: ledger.append([entry(1)]))
        assert "accept-clock" in error.hint
    assert (1, published) == (store.head().tree_size, ledger.published)
    machine.wall -= leap

    assert [1] == prove_all(ledger.append([entry(1)]))
    assert [NOW, NOW + 10] == [row.time for row in store.rows(0, 2)]


def test_machine_that_sleeps(machine: Machine) -> None:
    """
    A machine that was asleep for a day has not leapt: the time since boot went on too.
    """
    machine.wait(86_400)

    assert NOW + 86_400 == machine.clock.moment(NOW)


def test_slow_drift(machine: Machine) -> None:
    """
    Leaps add up: many small ones in one direction are a large one.
    """
    for _ in range(TOLERANCE_S // 60):
        machine.wait(60)
        machine.wall += 60
        machine.clock.moment(0)
    machine.wall += 60

    with pytest.raises(ClockError):
        machine.clock.moment(0)


def test_what_was_known_is_answered(machine: Machine, store: Store) -> None:
    """
    Whatever the clock does, a request that is in the ledger already is answered from it.
    """
    ledger = machine.ledger(store)
    ledger.append([entry(0)])
    machine.wall += 5000

    assert [0] == prove_all(ledger.append([entry(0)]))


@pytest.mark.parametrize("leap", [-5000, 5000])
def test_accepted(machine: Machine, store: Store, leap: float) -> None:
    """
    Once an operator takes the clock as right the ledger goes on; entries are never dated back,
    and a further leap is refused again.
    """
    ledger = machine.ledger(store)
    ledger.append([entry(0)])
    machine.wall += leap
    refused("clock-jumped", lambda: ledger.append([entry(1)]))
    machine.clock.accept(ledger.head.time)

    assert [1] == prove_all(ledger.append([entry(1)]))
    machine.wait(100)
    assert [2] == prove_all(ledger.append([entry(2)]))
    expected = [NOW, NOW, NOW] if leap < 0 else [NOW, NOW + leap, NOW + leap + 100]
    assert expected == [row.time for row in store.rows(0, 3)]
    machine.wall += leap
    refused("clock-jumped", lambda: ledger.append([entry(3)]))


def test_started_behind_the_last_entry(machine: Machine, store: Store) -> None:
    """
    A start whose clock is far behind the last entry logs nothing, until the clock is accepted.
    """
    machine.ledger(store).append([entry(0)])
    late = Machine()
    late.wall = NOW - TOLERANCE_S - 1
    late.clock = LedgerClock(lambda: late.wall, lambda: late.boot)
    ledger = late.ledger(store)

    refused("clock-jumped", lambda: ledger.append([entry(1)]))
    late.clock.accept(ledger.head.time)
    assert [1] == prove_all(ledger.append([entry(1)]))
    assert NOW == store.head().time


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-2000, 2000), st.booleans()), max_size=30))
def test_time_never_goes_back(steps: list[tuple[float, float, bool]]) -> None:
    """
    Whatever happens to the clock, and whatever an operator accepts: no entry is dated before
    the one before it, and the head is of the time of the last.
    """
    machine, store = Machine(), memory_store()
    ledger = machine.ledger(store)
    for i, (wait, leap, accepted) in enumerate(steps):
        machine.wait(wait)
        machine.wall += leap
        if accepted:
            machine.clock.accept(ledger.head.time)
        try:
            ledger.append([entry(i)])
        except ClockError:
            assert not accepted, "an accepted clock is refused at once"

    times = [row.time for row in store.rows(0, 100)]
    assert sorted(times) == times
    assert times[-1:] in ([], [store.head().time])


def test_real_clocks() -> None:
    """
    The clocks of this machine run together.
    """
    clock = LedgerClock()

    assert since_boot() > 0
    assert clock.moment(0) <= time.time()
