"""Findings of a check: one line each, with a code that never changes, an index, and both values.

    entry-altered at 5: expected leaf 6e34…, found leaf 5dc9…
    tile-missing at 512: expected tile 0/2 with root 6e34…, found none

The index is that of the entry, the first entry under a tile, or a tree size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from ledger.errors import DamagedError, StorageFailedError
from verifier.errors import printable

T = TypeVar("T")


class Finding(NamedTuple):
    """What should be there and what is, at an index."""

    code: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    expected: str
    found: str

    def json(self) -> dict[str, object]:
        """Render as JSON values."""
        return self._asdict()

    def __str__(self) -> str:
        """Print one line, with whatever a terminal would obey escaped."""
        return printable(
            f"{self.code} at {self.index}: expected {self.expected}, found {self.found}"
        )


class Unreadable(NamedTuple):
    """Rows from `start` to before `stop` that the database cannot give, and why."""

    start: int
    stop: int
    why: str


def read_around(
    read: Callable[[int, int], Sequence[T]], start: int, stop: int
) -> tuple[list[T], list[Unreadable]]:
    """Return what `read` gives of a range, and the parts of it that it cannot give.

    A damaged page must not hide what lies on all the others, so that a range that
    cannot be read is halved until what is left of it is what cannot be read.
    """
    try:
        return list(read(start, stop)), []
    except (DamagedError, StorageFailedError) as e:
        if stop - start <= 1:
            return [], [Unreadable(start, stop, e.message)]
    middle = (start + stop) // 2
    left, bad_left = read_around(read, start, middle)
    right, bad_right = read_around(read, middle, stop)
    return left + right, list(_joined([*bad_left, *bad_right]))


def unreadable(code: str, words: tuple[str, str], parts: Sequence[Unreadable]) -> Iterator[Finding]:
    """Yield a finding for each range that cannot be read; `words` name one and several."""
    for part in parts:
        expected = span(*words, part.start, part.stop)
        yield Finding(code, part.start, expected, f"what cannot be read: {part.why}")


def span(one: str, several: str, start: int, stop: int) -> str:
    """Name a range in words."""
    return f"{one}{start}" if stop == start + 1 else f"{several}{start} to {stop - 1}"


def ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the runs of ascending numbers as start and stop."""
    start = previous = None
    for number in numbers:
        if previous is None or start is None or number != previous + 1:
            if start is not None and previous is not None:
                yield start, previous + 1
            start = number
        previous = number
    if start is not None and previous is not None:
        yield start, previous + 1


def _joined(parts: Sequence[Unreadable]) -> Iterator[Unreadable]:
    last: Unreadable | None = None
    for part in parts:
        if last is not None and last.stop == part.start:
            last = last._replace(stop=part.stop)
            continue
        if last is not None:
            yield last
        last = part
    if last is not None:
        yield last
