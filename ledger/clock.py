"""The ledger's clock: wall time that is never believed when it leaps.

Two things are watched. Wall time must not be far behind the last commit: entries
would be dated into the past. And it must not run away from the time since boot,
which no one can set: a wall clock that was put forward dates entries into the
future, and everything after them with it.

The time that a commit gets never goes back, whatever the clock does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ledger.errors import ClockError

TOLERANCE_S = 300


def since_boot() -> float:
    """Return the seconds since this machine was booted, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LedgerClock:
    """Wall time, POSIX seconds, held against the time since boot from construction on."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = since_boot,
    ) -> None:
        """Take the wall clock as right, now."""
        self._wall = wall
        self._boot = boot
        self._offset = wall() - boot()
        self._behind = 0.0  # how far the wall clock may be behind the last commit, as accepted

    def now(self) -> float:
        """Return the wall time as it is, right or wrong."""
        return self._wall()

    def moment(self, last: int) -> int:
        """Return the time of a commit now, after one at `last`; it never goes back.

        Raises:
            ClockError: the wall clock has leapt, or is far behind `last`.
        """
        now = self._wall()
        leap = now - self._boot() - self._offset
        if abs(leap) > TOLERANCE_S:
            raise ClockError(
                f"expected the wall clock to run with the time since boot, found it "
                f"{leap:+.0f} s away from it"
            )
        if now < last - TOLERANCE_S - self._behind:
            raise ClockError(f"the clock says {int(now)}, the last entry is of {last}")
        return max(int(now), last)

    def accept(self, last: int) -> None:
        """Take the wall clock as right from now on, though the last commit was at `last`."""
        now = self._wall()
        self._offset = now - self._boot()
        self._behind = max(0.0, last - now)
