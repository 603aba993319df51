"""Random bytes that each call needs a few of: references, salts.

Asked of the system many at a time: each asking lets go of the interpreter, and another thread
may keep it for milliseconds.
"""

from __future__ import annotations

import os

_AT_ONCE = 256


class Nonces:
    """A supply of random values of one size, each given out once. For many threads."""

    def __init__(self, size: int) -> None:
        """Begin with none; `size` is in bytes."""
        self._size = size
        self._ready: list[bytes] = []

    def take(self) -> bytes:
        """Return a value that nobody had before."""
        while True:
            try:
                return self._ready.pop()  # in one step, whatever other threads do
            except IndexError:
                raw = os.urandom(_AT_ONCE * self._size)
                size = self._size
                self._ready += [raw[at : at + size] for at in range(0, len(raw), size)]
