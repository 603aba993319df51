"""Many appends, one commit: whatever waits while a commit is under way is the next batch.

No timer. One caller alone waits for one commit; a thousand share a few. The
commits run on a thread of their own: on the event loop each would be a batch
of one, because nothing could arrive while it runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.errors import ConflictError, QueueFullError, StoppingError, StorageFailedError
from ledger.ledger import Appended, Ledger
from ledger.plan import NewEntry
from ledger.store import MAX_BATCH
from verifier.errors import SealbookError

Answer = Appended | SealbookError
_MAX_WAITING = 8192  # entries; at a few thousand a second, more would outwait its deadline


class _Group(NamedTuple):
    """Entries that were handed in together, and who waits for their answers."""

    entries: Sequence[NewEntry]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Answer]]


class Sequencer:
    """Owns the one thread that appends to a ledger."""

    def __init__(self, ledger: Ledger, on_failure: Callable[[SealbookError], None]) -> None:
        """Start the thread.

        `on_failure` is told once, on it, when nothing can be appended any more.
        """
        self._ledger = ledger
        self._on_failure = on_failure
        self._wake = threading.Condition()
        self._waiting: deque[_Group] = deque()
        self._depth = 0
        self._stopping = False
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many entries wait."""
        return self._depth

    def append(self, entries: Sequence[NewEntry]) -> asyncio.Future[list[Answer]]:
        """Queue `entries`, at most `MAX_BATCH`, and return the future of their answers.

        They land in one commit. Cancelling the future does not take them back.

        Raises:
            QueueFullError: too much waits already.
            StoppingError: the service is going down.
        """
        assert 0 < len(entries) <= MAX_BATCH
        loop = asyncio.get_running_loop()
        group = _Group(entries, loop, loop.create_future())
        with self._wake:
            if self._stopping:
                raise StoppingError("the ledger is being closed")
            if self._depth + len(entries) > _MAX_WAITING:
                raise QueueFullError(f"expected at most {_MAX_WAITING} entries to wait")
            self._waiting.append(group)
            self._depth += len(entries)
            self._wake.notify()
        return group.future

    def stop(self) -> None:
        """Commit what waits, and end the thread; returns when it has ended."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while groups := self._next_batch():
            self._answer(groups, self._commit(groups))

    def _next_batch(self) -> list[_Group]:
        """Wait for work and take all of it that fits one commit; nothing means stop."""
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            groups: list[_Group] = []
            size = 0
            while self._waiting and size + len(self._waiting[0].entries) <= MAX_BATCH:
                groups.append(self._waiting.popleft())
                size += len(groups[-1].entries)
            self._depth -= size
            return groups

    def _commit(self, groups: Sequence[_Group]) -> list[Answer]:
        entries = [entry for group in groups for entry in group.entries]
        try:
            return list(self._ledger.append(entries))
        except SealbookError as e:
            failure = e
        except Exception as e:  # noqa: BLE001  a bug must answer its callers, and stop the service
            failure = StorageFailedError(f"the append failed: {type(e).__name__}: {e}")
        if isinstance(failure, StorageFailedError | ConflictError) and not self._failed:
            self._failed = True
            self._on_failure(failure)
        return [failure] * len(entries)

    def _answer(self, groups: Sequence[_Group], answers: list[Answer]) -> None:
        """Hand the answers back, waking each event loop once."""
        ready: dict[asyncio.AbstractEventLoop, list[tuple[_Group, list[Answer]]]] = {}
        start = 0
        for group in groups:
            stop = start + len(group.entries)
            ready.setdefault(group.loop, []).append((group, answers[start:stop]))
            start = stop
        for loop, done in ready.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, done)


def _resolve(done: Sequence[tuple[_Group, list[Answer]]]) -> None:
    for group, answers in done:
        if not group.future.done():  # its caller may have gone away
            group.future.set_result(answers)
