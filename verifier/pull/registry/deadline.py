"""How long something may take in all: not each read of it, the whole.

A peer that sends a byte a second never lets a read time out. So each operation has one moment
by which it is over. What moves much may take longer: each byte that arrives, or is taken, earns
its time at `SLOWEST` bytes a second, so that a long download ends well and a slow one ends.
"""

from __future__ import annotations

import math
import time

from verifier.pull.errors import RegistryTimeoutError

SLOWEST = 32 << 10  # bytes a second: a telephone line is faster


class Deadline:
    """The moment by which one operation is over, in one thread."""

    __slots__ = ("_at", "_end", "_total_s", "_what")

    def __init__(self, total_s: float, what: str, end: float = math.inf) -> None:
        """Give it `total_s` seconds from now; `what` names the operation in the error.

        After `end`, of the monotonic clock, it has no time, whatever it earned.
        """
        self._at = time.monotonic() + total_s
        self._end = end
        self._total_s = total_s
        self._what = what

    def left_s(self) -> float:
        """Return the seconds that are left, more than none.

        Raises:
            RegistryTimeoutError: none are.
        """
        left = min(self._at, self._end) - time.monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def step_s(self) -> float:
        """Return how long one step may take in which nothing moves, however much was earned.

        Raises:
            RegistryTimeoutError: no time is left.
        """
        return min(self.left_s(), self._total_s)

    def passed(self) -> RegistryTimeoutError:
        """Return the error that says so."""
        return RegistryTimeoutError(
            f"{self._what}: expected all of it in {self._total_s:g} s",
            hint="is it slow, or the network? timeout_s in registries.toml gives it longer",
        )

    def earn(self, moved: int) -> None:
        """Allow the time that `moved` bytes may take."""
        self._at += moved / SLOWEST

    def pause(self, seconds: float) -> None:
        """Do not count `seconds` in which whoever asked was busy with what they had."""
        self._at += seconds
