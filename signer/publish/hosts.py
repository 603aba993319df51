"""Registries that do not answer: each rests as a whole, and is asked for one image after that."""

from __future__ import annotations

import random
from collections.abc import Callable

_LONGEST_S = 15.0
_PROBING_MS = 120_000  # nobody else asks a registry that did not answer while somebody does


class Hosts:
    """Knows which registries rest, and until when by a clock in milliseconds.

    Whoever calls it holds a lock.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        """Begin with none."""
        self._now = now
        self._failures: dict[str, int] = {}
        self._probing: set[str] = set()
        self.resting: dict[str, int] = {}

    def begin(self, host: str) -> bool:
        """Say that a registry is asked; return whether that is for one image alone, for now."""
        if host not in self._failures:
            return False
        self._probing.add(host)
        self.resting[host] = self._now() + _PROBING_MS
        return True

    def failed(self, host: str) -> int:
        """Let a registry rest, and return for how many milliseconds.

        0, when that is known already: of those who asked at once, one says so.
        """
        if host in self._failures and host not in self._probing:
            return 0
        self._probing.discard(host)
        self._failures[host] = self._failures.get(host, 0) + 1
        rest_ms = pause_ms(self._failures[host] - 1, _LONGEST_S)
        self.resting[host] = self._now() + rest_ms
        return rest_ms

    def is_down(self, host: str) -> bool:
        """Whether it did not answer when it was asked last."""
        return host in self._failures

    def answered(self, host: str) -> bool:
        """Say that a registry answered, whatever it was; return whether that is news."""
        self.asked(host)
        return self._failures.pop(host, 0) > 0

    def asked(self, host: str) -> None:
        """Say that nobody asks a registry any more, without having learnt how it is."""
        self._probing.discard(host)
        self.resting.pop(host, None)


def pause_ms(failures: int, longest_s: float) -> int:
    """Return how long to wait after so many failures before: longer each time, and never alike."""
    pause_s = min(longest_s, 2.0 ** min(failures, 16))
    return int(1000 * pause_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret
