"""What is read of a source, counted for whoever watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from verifier.pull.images import BlobOf, Descriptor, Images


class Sent:
    """How much was read of the source, and how much there is to do; and what is yet to do."""

    def __init__(self, tell: Callable[[int, int], object] | None = None) -> None:
        """Call `tell` with what is done, and of how many."""
        self.blobs = self.bytes = 0
        self._done = self._total = 0
        self._tell = tell or (lambda _, __: None)
        self._lock = threading.Lock()

    def expect(self, count: int) -> None:
        """Have `count` more to do."""
        with self._lock:
            self._total += count
            self._tell(self._done, self._total)

    def finish(self, count: int = 1) -> None:
        """Have `count` done."""
        with self._lock:
            self._done += count
            self._tell(self._done, self._total)

    def read(self, size: int, *, first: bool) -> None:
        """Have read `size` bytes of a blob."""
        with self._lock:
            self.bytes += size
            self.blobs += first


class Pieces(BlobOf):
    """A blob of the source, which can be read again should the target need that."""

    def __init__(self, source: Images, descriptor: Descriptor, sent: Sent) -> None:
        """Read `descriptor` of `source`, and count it in `sent`."""
        super().__init__(source, descriptor)
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        """Read it from its beginning."""
        first = True
        for piece in super().__iter__():
            self._sent.read(len(piece), first=first)
            first = False
            yield piece
