"""Work that many want at once is done once, each in a thread of its own.

    flights.join(key, work, lane)   the same Future for all who ask while `work` goes on

Nothing waits for another's work in here, so that a full house cannot lock itself up: whoever
joined waits outside, as long as they like, and goes. A lane is the host that is asked: one that
answers a byte a second fills its own lane, and the others go on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

from verifier.pull.admission.errors import TooLateError

_T = TypeVar("_T")
_MOST, _MOST_OF_LANE = 512, 256


class Flights:
    """Runs works by key; safe in many threads."""

    def __init__(self, most: int = _MOST, most_of_lane: int = _MOST_OF_LANE) -> None:
        """Run at most so many works at once, in all and of one lane."""
        self._most, self._most_of_lane = most, most_of_lane
        self._lock = threading.Lock()
        self._going: dict[Hashable, Future[Any]] = {}
        self._lanes: Counter[str] = Counter()

    def join(self, key: Hashable, work: Callable[[], _T], lane: str) -> Future[_T]:
        """Return what will be what `work` returns or raises; it is begun unless it goes on.

        Raises:
            TooLateError: too much goes on already.
        """
        with self._lock:
            if (going := self._going.get(key)) is not None:
                return going
            if self._lanes[lane] >= self._most_of_lane:
                raise TooLateError(f"too many images of {lane} are being looked at now")
            if len(self._going) >= self._most:
                raise TooLateError("too many images are being looked at now")
            future: Future[_T] = Future()
            self._going[key] = future
            self._lanes[lane] += 1
        try:
            threading.Thread(
                target=self._fly, args=(key, work, lane, future), name="admission", daemon=True
            ).start()
        except BaseException:
            self._land(key, lane)
            raise
        return future

    def _fly(self, key: Hashable, work: Callable[[], _T], lane: str, future: Future[_T]) -> None:
        try:
            result = work()
        except BaseException as e:  # noqa: BLE001  whoever waits is told, whatever it is
            self._land(key, lane)
            future.set_exception(e)
        else:
            self._land(key, lane)
            future.set_result(result)

    def _land(self, key: Hashable, lane: str) -> None:
        """Let the next one who asks begin anew."""
        with self._lock:
            del self._going[key]
            self._lanes[lane] -= 1
            if not self._lanes[lane]:
                del self._lanes[lane]
