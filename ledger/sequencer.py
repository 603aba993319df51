"""Many appends, one commit: whatever waits while a commit is under way is the next batch.

No timer. One caller alone waits for one commit; a thousand share a few. The
commits run on a thread of their own: on the event loop each would be a batch
of one, because nothing could arrive while it runs.

What was committed is answered once it is published. Usually that is at once;
where witnesses or a mirror must have a tree first, the batch is parked until
`ledger.publisher` says so by `release`, or until its deadline: its entries stay
in the ledger, and whoever asks again finds them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.answer import Appended, Pending
from ledger.errors import (
    ConflictError,
    EntryError,
    QueueFullError,
    QuorumError,
    StoppingError,
    StorageFailedError,
)
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.store import MAX_BATCH
from verifier.errors import SealbookError

Answer = Appended | SealbookError
_MAX_WAITING = 8192  # entries; at a few thousand a second, more would outwait its deadline
_MAX_BYTES = 64 << 20  # of entries and bodies that wait


class _Group(NamedTuple):
    """Entries that were handed in together, and who waits for their answers."""

    entries: Sequence[NewEntry]
    size: int  # bytes
    freeze: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Answer]]


class _Parked(NamedTuple):
    """A committed batch that is not published yet; `deadline` by the monotonic clock."""

    groups: Sequence[_Group]
    pending: Pending
    deadline: float


class Sequencer:
    """Owns the one thread that appends to a ledger."""

    def __init__(
        self,
        ledger: Ledger,
        on_failure: Callable[[SealbookError], None],
        *,
        patience_s: float = 5.0,
        before_commit: Callable[[], None] = lambda: None,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread.

        `before_commit` is called on it before each commit, and what it raises refuses the batch.
        `on_failure` is told once, on it, when nothing can be appended any more;
        `on_commit`, after every commit that has to be published by somebody else,
        for which callers wait `patience_s` at the most.
        """
        self._ledger = ledger
        self._on_failure = on_failure
        self._before_commit = before_commit
        self._on_commit = on_commit
        self._patience_s = patience_s
        self._wake = threading.Condition()
        self._waiting: deque[_Group] = deque()
        self._depth = 0
        self._bytes = 0
        self._parked: deque[_Parked] = deque()
        self._stopping = False
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many entries wait for their commit."""
        return self._depth

    def append(
        self, entries: Sequence[NewEntry], *, freeze: bool = False
    ) -> asyncio.Future[list[Answer]]:
        """Queue `entries`, at most `MAX_BATCH`, and return the future of their answers.

        They land in one commit; with `freeze`, in the last one. Cancelling the
        future does not take them back.

        Raises:
            QueueFullError: too much waits already.
            StoppingError: the service is going down.
        """
        assert 0 < len(entries) <= MAX_BATCH
        loop = asyncio.get_running_loop()
        size = sum(len(entry.entry) + len(entry.body) for entry in entries)
        group = _Group(entries, size, freeze, loop, loop.create_future())
        with self._wake:
            if self._stopping:
                raise StoppingError("the ledger is being closed")
            if self._depth + len(entries) > _MAX_WAITING:
                raise QueueFullError(f"expected at most {_MAX_WAITING} entries to wait")
            if self._waiting and self._bytes + size > _MAX_BYTES:
                raise QueueFullError(f"expected at most {_MAX_BYTES} bytes to wait")
            self._waiting.append(group)
            self._depth += len(entries)
            self._bytes += size
            self._wake.notify()
        return group.future

    def release(self, why: SealbookError | None = None, *, hopeless: bool = False) -> None:
        """Answer what is published by now, and refuse with `why` what has waited too long.

        When it is `hopeless`, everything that is not published is refused.
        """
        published = self._ledger.published.checkpoint.tree_size
        now = time.monotonic()
        shown: list[_Parked] = []
        late: list[_Parked] = []
        with self._wake:
            parked, self._parked = self._parked, deque()
            for batch in parked:
                if batch.pending.tree_size <= published:
                    shown.append(batch)
                elif hopeless or now >= batch.deadline:
                    late.append(batch)
                else:
                    self._parked.append(batch)
        for batch in shown:
            self._answer(batch.groups, list(self._ledger.answers(batch.pending)))
        for batch in late:
            self._answer(batch.groups, _too_late(batch.pending, why))

    def stop(self) -> None:
        """Commit what waits, and end the thread; returns when it has ended."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self.release(StoppingError("the ledger is being closed"), hopeless=True)

    def _run(self) -> None:
        while groups := self._next_batch():
            try:
                self._before_commit()
                pending = self._ledger.commit(_entries(groups), freeze=groups[0].freeze)
            except EntryError:
                self._one_by_one(groups)
            except SealbookError as e:
                self._refuse(groups, e)
            except Exception as e:  # noqa: BLE001  a bug must answer its callers, and stop the service
                told = f"the append failed: {type(e).__name__}: {e}"
                self._refuse(groups, StorageFailedError(told))
            else:
                self._park(groups, pending)

    def _next_batch(self) -> list[_Group]:
        """Wait for work and take all of it that fits one commit; nothing means stop."""
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            groups: list[_Group] = []
            size = 0
            while self._waiting and size + len(self._waiting[0].entries) <= MAX_BATCH:
                if groups and (groups[0].freeze or self._waiting[0].freeze):
                    break  # the last commit is one of its own
                groups.append(self._waiting.popleft())
                size += len(groups[-1].entries)
                self._bytes -= groups[-1].size
            self._depth -= size
            return groups

    def _one_by_one(self, groups: Sequence[_Group]) -> None:
        """Commit again, each entry for itself: the store refused one, and does not say which.

        Nothing was written, so nothing can be there twice; and the dedup keys say so too.
        """
        old_size = self._ledger.head.tree_size
        for group in groups:
            places: list[int | SealbookError] = []
            for entry in group.entries:
                try:
                    places += self._ledger.commit([entry], freeze=group.freeze).places
                except SealbookError as e:
                    places.append(e)
                    if isinstance(e, StorageFailedError | ConflictError):
                        self._fail(e)
            self._park([group], Pending.of(places, old_size))

    def _refuse(self, groups: Sequence[_Group], failure: SealbookError) -> None:
        self._answer(groups, [failure] * sum(len(group.entries) for group in groups))
        if isinstance(failure, StorageFailedError | ConflictError):
            self._fail(failure)

    def _fail(self, failure: SealbookError) -> None:
        if not self._failed:
            self._failed = True
            self._on_failure(failure)

    def _park(self, groups: Sequence[_Group], pending: Pending) -> None:
        """Answer if it is published; else let it wait for that."""
        if pending.tree_size <= self._ledger.published.checkpoint.tree_size:
            self._answer(groups, list(self._ledger.answers(pending)))
            return
        with self._wake:
            deadline = time.monotonic() + self._patience_s
            self._parked.append(_Parked(groups, pending, deadline))
        self._on_commit()

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


def _entries(groups: Sequence[_Group]) -> list[NewEntry]:
    return [entry for group in groups for entry in group.entries]


def _too_late(pending: Pending, why: SealbookError | None) -> list[Answer]:
    """Return the refusal of each entry of a batch; it says where the entry is."""
    kind, told = (type(why), f": {why.message}") if why else (QuorumError, "")
    return [
        kind(f"entry {place} is durable, and not published{told}")
        if isinstance(place, int)
        else place
        for place in pending.places
    ]


def _resolve(done: Sequence[tuple[_Group, list[Answer]]]) -> None:
    for group, answers in done:
        if not group.future.done():  # its caller may have gone away
            group.future.set_result(answers)
