"""How many refusals are told line by line: the rest of a flood is counted."""

from __future__ import annotations

from collections import Counter

_A_SECOND, _AT_ONCE = 20.0, 100.0
_MOST_CODES = 64


class Refusals:
    """A bucket of refusals to be told; who holds the trail's lock calls it."""

    def __init__(self) -> None:
        """Begin with a full bucket."""
        self._left = _AT_ONCE
        self._at = 0.0
        self._since = ""
        self.suppressed: Counter[str] = Counter()

    def take(self, now: float) -> bool:
        """Whether one more is told at the monotonic second `now`."""
        self._left = min(_AT_ONCE, self._left + max(0.0, now - self._at) * _A_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def count(self, code: str) -> None:
        """Count one that is not told."""
        known = code in self.suppressed or len(self.suppressed) < _MOST_CODES
        self.suppressed[code if known else "other"] += 1

    def counted(self) -> Counter[str]:
        """Return what was counted since this was asked last."""
        counted, self.suppressed = self.suppressed, Counter()
        return counted
