"""Jobs that wait for a thread of a device's, and whoever waits for them: nobody waits too long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from signer.keys.home import DEADLINE_S
from verifier.errors import SealbookError

PATIENCE_S = DEADLINE_S - 0.25  # the rest is for whoever brings the refusal to its caller
_TICK_S = 0.25


class Task:
    """A job, when it is too late for it, and what whoever waits for it gets: the first answer."""

    __slots__ = ("future", "job", "until")

    def __init__(self, job: Callable[[], Any]) -> None:
        """Begin to wait."""
        self.job = job
        self.future: Future[Any] = Future()
        self.until = time.monotonic() + PATIENCE_S

    def answer(self, result: Any) -> None:
        """Give what the job came to; dropped when it is late."""
        with suppress(InvalidStateError):
            self.future.set_result(result)

    def fail(self, why: BaseException) -> None:
        """Give a refusal; dropped when it is late."""
        with suppress(InvalidStateError):
            self.future.set_exception(why)


class Waiting:
    """The queue before a device's threads. Safe in many threads."""

    def __init__(self, expire: Callable[[Task], None]) -> None:
        """Let `expire` fail every task that was not answered in time."""
        self._expire = expire
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._watched: deque[Task] = deque()  # all that may not have been answered, oldest first
        self._busy = threading.Event()
        self._over = threading.Event()

    def add(self, job: Callable[[], Any]) -> Future[Any]:
        """Let a job wait for its thread, and return what will come of it."""
        task = Task(job)
        self._watched.append(task)
        self._tasks.put(task)
        if not self._busy.is_set():
            self._busy.set()
        return task.future

    def next(self) -> Task | None:
        """Wait for a task that somebody still waits for; None once all is over."""
        while not self._over.is_set():
            task = self._tasks.get()
            if task is None:
                break
            if not task.future.done():
                return task
        self._tasks.put(None)  # for the next thread
        return None

    def fail(self, why: Callable[[], SealbookError]) -> None:
        """Fail every task that no thread has begun."""
        with suppress(Empty):
            while (task := self._tasks.get_nowait()) is not None:
                task.fail(why())
            self._tasks.put(None)

    def watch(self) -> None:
        """Look to it that each task is answered in time, until all is over."""
        while not self._over.is_set():
            self._busy.wait()
            self._busy.clear()
            while self._watched and not self._over.is_set():
                task = self._watched[0]
                left = task.until - time.monotonic()
                if task.future.done():
                    self._watched.popleft()
                elif left > 0:
                    self._over.wait(min(left, _TICK_S))
                else:
                    self._expire(task)

    def end(self) -> None:
        """Let no thread begin anything more."""
        self._over.set()
        self._busy.set()
        self._tasks.put(None)

    def fail_begun(self, why: Callable[[], SealbookError]) -> None:
        """Fail what nobody will answer any more, after the end."""
        for task in list(self._watched):
            task.fail(why())
