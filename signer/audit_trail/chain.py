"""Following a chain of lines, from the first one on."""

from __future__ import annotations

from signer.audit_trail.lines import NO_LINE, Head


class Chain:
    """Where a chain has come to."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self._seq = 0
        self._prev: bytes = NO_LINE
        self._time = ""
        self._lost = False

    def lose(self) -> None:
        """Take a line that cannot be read: whatever comes next is not said to follow it."""
        self._lost = True

    def follow(self, head: Head) -> str | None:
        """Go on with a line, and return what is wrong with its place, if something is."""
        told = None
        if not self._lost:
            if head.seq != self._seq:
                told = f"expected line {self._seq} of the trail, found {head.seq}"
            elif head.prev != self._prev:
                told = "it does not follow the line before it"
            elif head.time < self._time:
                told = "it is older than the line before it"
        self._lost = False
        self._seq, self._prev, self._time = head.seq + 1, head.hash, head.time
        return told
