"""How old something is, by ledger position.

No statement says when it was made in a way that its signer could not choose. But the
ledger only grows, so what lies after a position is younger than the moment when the
ledger had that size. The marks of the status file say when that was.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.spans import span
from verifier.trust.status import Mark


class Ages:
    """The ages of entries at `now`, POSIX seconds, as `marks` tell them."""

    def __init__(self, marks: Sequence[Mark], now: float) -> None:
        """Take marks in order, as a status file lists them."""
        self._marks = marks
        self._now = now

    def younger(self, index: int, age_s: int) -> bool:
        """Whether the entry at `index` is certainly younger than `age_s` seconds.

        True when a mark inside that time lies at or before the entry. Without one nobody
        knows, and the answer is no.
        """
        first = self._now - age_s
        return any(mark.time >= first and mark.tree_size <= index for mark in self._marks)

    def told(self, index: int, age_s: int) -> str:
        """Say in words how old the entry at `index` is, which is not `younger` than `age_s`."""
        after = [mark.time for mark in self._marks if mark.tree_size > index]
        if after and self._now - after[0] >= age_s:
            return f"is {span(self._now - after[0])} old"
        before = [mark.time for mark in self._marks if mark.tree_size <= index]
        if before:
            return f"may be {span(self._now - before[-1])} old"
        return "is of unknown age"
