"""How many calls there may be at once: a room, and a smaller one for strangers."""

from __future__ import annotations

from types import TracebackType

from ledger.errors import QueueFullError

MOST_CALLS = 512
_STRANGERS = 4  # they get one part of so many


class Room:
    """Takes so many calls at once; entered by each, and left when it ends."""

    __slots__ = ("_calls", "_most")

    def __init__(self, most: int) -> None:
        """Take so many."""
        self._most = most
        self._calls = 0

    def __enter__(self) -> None:
        """Take one more; raises `QueueFullError` when there are too many."""
        if self._calls >= self._most:
            raise QueueFullError(f"expected at most {self._most} calls under way")
        self._calls += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Have one less."""
        self._calls -= 1


class UnderWay:
    """The two rooms: strangers cannot fill the one of those who are known."""

    def __init__(self, most: int = MOST_CALLS) -> None:
        """Take `most` calls of those who are known, and a quarter of that from strangers."""
        self._known = Room(most)
        self._strangers = Room(max(1, most // _STRANGERS))

    def room(self, *, stranger: bool) -> Room:
        """Return the room for a call."""
        return self._strangers if stranger else self._known
