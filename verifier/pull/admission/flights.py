"""Work that many want at once is done once.

    flights.join(key, work)   the same Future for all who ask while `work` goes on

Nothing waits for another's work in here, so that a full house cannot lock itself up: whoever
joined waits outside, as long as they like, and goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from verifier.pull.admission.errors import TooLateError

_T = TypeVar("_T")
_THREADS = 64
_WAITING = 4096  # works that wait for a thread: those who would wait longer are told at once


class Flights:
    """Runs works by key; safe in many threads."""

    def __init__(self, threads: int = _THREADS) -> None:
        """Start no thread yet."""
        self._pool = ThreadPoolExecutor(threads, "admission")
        self._lock = threading.Lock()
        self._going: dict[Hashable, Future[Any]] = {}

    def join(self, key: Hashable, work: Callable[[], _T]) -> Future[_T]:
        """Return what will be what `work` returns or raises; it is begun unless it goes on.

        Raises:
            TooLateError: too much is waiting already.
        """
        with self._lock:
            if (going := self._going.get(key)) is not None:
                return going
            if len(self._going) >= _WAITING:
                raise TooLateError("too many images are being looked at now")
            future = self._pool.submit(work)
            self._going[key] = future
        future.add_done_callback(lambda _: self._landed(key))
        return future

    def close(self) -> None:
        """Begin nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _landed(self, key: Hashable) -> None:
        with self._lock:
            self._going.pop(key, None)
