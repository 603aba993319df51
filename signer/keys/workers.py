"""Threads that sign in a device: each has a session of its own, and mends it by itself.

A device (an HSM, a smart card, a server of keys) may be slow, be silent, or go away. So it is
asked on threads of its own, and whoever asks gets an answer in time, whatever it does:

    away      a session failed, so its thread opens another: at once, then after 0.2 s, and at
              last every 2 s. While no thread has a session, calls fail at once, and nobody
              else asks the device.
    silent    a call took longer than `PATIENCE_S`: it fails, and a late answer is dropped.
              Its thread is stuck until the device lets go of it. The others serve; when all
              are stuck, calls fail at once.
    refusing  the PIN is wrong: it is never tried again, and calls fail with that. Any other
              refusal (a key that is gone, or another in its place) is looked at again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from signer.errors import KeyHomeError, KeyUnavailableError, PinError
from signer.keys.waiting import PATIENCE_S, Task, Waiting
from verifier.errors import SealbookError

S = TypeVar("S")
T = TypeVar("T")

_OPENING_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0


class _Worker(Generic[S]):
    """What one thread has; others read `task` and write `stuck`, under the pool's lock."""

    __slots__ = ("lost", "session", "stuck", "task")

    def __init__(self, session: S) -> None:
        self.session = session
        self.lost: KeyUnavailableError | None = None
        self.task: Task | None = None
        self.stuck = False


class Workers(Generic[S]):
    """Runs jobs on `size` threads, each with a session of its own. Safe in many threads.

    A job that raises `KeyUnavailableError` has lost its session. Jobs that waited too long are
    not run at all: a device that is back is not kept busy with what nobody waits for.
    """

    def __init__(
        self,
        name: str,
        open_session: Callable[[], S],
        close_session: Callable[[S], None],
        size: int,
    ) -> None:
        """Start with one session, and open the others behind it.

        `name` says in errors what does not answer. `open_session` and `close_session` are
        called in the thread that uses the session; what closing raises is ignored.

        Raises:
            KeyHomeError: what `open_session` raised; there is no thread then.
            KeyUnavailableError: raised by it as well, or it did not return.
        """
        self._name = name
        self._open, self._close = open_session, close_session
        self._waiting = Waiting(self._expire)
        self._ending = threading.Event()
        self._here = threading.local()
        self._lock = threading.Lock()  # guards the next three, and each worker's task
        self._serving = 0  # threads with a session, and not stuck
        self._why: SealbookError = KeyUnavailableError(f"{name} does not answer")
        self._workers: list[_Worker[S]] = []
        self._threads: list[threading.Thread] = []
        opened: Future[None] = Future()
        self._start(partial(self._run, opened))
        try:
            opened.result(_OPENING_S)
        except BaseException as e:
            self.close()
            if isinstance(e, TimeoutError):
                raise KeyUnavailableError(f"{name} does not answer") from None
            raise
        for _ in range(size - 1):
            self._start(self._run)
        self._start(self._waiting.watch)

    @property
    def available(self) -> bool:
        """Whether a call would be tried now."""
        return self._serving > 0

    def call(self, job: Callable[[S], T]) -> T:
        """Return what `job` makes of a session; directly in a thread that has one.

        Raises:
            KeyUnavailableError: the device is away, silent, or went away meanwhile.
            KeyHomeError: it is there, and must not be used.
        """
        worker: _Worker[S] | None = getattr(self._here, "worker", None)
        if worker is None:
            return self.submit(partial(self.call, job)).result()
        if worker.lost is not None:
            raise _again(worker.lost)
        try:
            return job(worker.session)
        except KeyUnavailableError as e:
            worker.lost = e
            raise

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` in one of the threads, where `call` has no further to go.

        The future fails with `KeyUnavailableError` in time, whatever the device does.

        Raises:
            KeyUnavailableError: the device is away, or silent in all threads.
            KeyHomeError: it is there, and must not be used.
        """
        if not self._serving:
            raise self._refusal()
        future = self._waiting.add(job)
        if not self._serving:  # since the first line: nobody else may ever look at it
            self._waiting.fail(self._refusal)
        return future

    def close(self) -> None:
        """End the threads; a stuck one ends when the device lets go of it."""
        with self._lock:
            self._why = KeyUnavailableError(f"{self._name} is closed")
            self._serving = 0
        self._ending.set()
        self._waiting.end()
        until = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0, until - time.monotonic()))
        self._waiting.fail_begun(self._refusal)

    def _start(self, run: Callable[[], None]) -> None:
        # A daemon, so that a silent device does not keep the process from ending.
        thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # What each thread does.

    def _run(self, opened: Future[None] | None = None) -> None:
        """Open a session, serve with it until it is lost, and so on."""
        pause = 0.0
        while not self._ending.wait(pause) and not isinstance(self._why, PinError):
            try:
                session = self._open()
            except Exception as e:  # noqa: BLE001  a bug of a driver must not end the thread
                self._away(e)
                if opened is not None:
                    opened.set_exception(e)
                    return
                pause = _longer(pause)
                continue
            worker = self._here.worker = _Worker(session)
            with self._lock:
                self._workers.append(worker)
                self._serving += not self._ending.is_set()
            if opened is not None:
                opened.set_result(None)
                opened = None
            # A device that takes sessions and fails in every call is not asked all the time.
            pause = 0.0 if self._serve(worker) else _longer(pause)
            with self._lock:
                self._workers.remove(worker)
            with suppress(Exception):
                self._close(session)
            del session, worker, self._here.worker

    def _serve(self, worker: _Worker[S]) -> bool:
        """Do what there is to do until the session is lost; return whether it was of any use."""
        useful = False
        while (task := self._waiting.next()) is not None:
            worker.task = task
            result: Any = None
            error: BaseException | None = None
            try:
                result = task.job()
            except BaseException as e:  # noqa: BLE001  whoever waits gets it
                error = e
            with self._lock:
                worker.task = None
                if worker.stuck:
                    worker.stuck = False
                    self._serving += not self._ending.is_set()
            if worker.lost is not None:
                # First the state, then the news: who hears of it finds it so.
                self._lose(worker.lost)
            if error is None:
                task.answer(result)
            else:
                task.fail(error)
            if worker.lost is not None:
                break
            useful = True
            del task, result, error  # nothing is kept while waiting
        return useful

    def _away(self, error: Exception) -> None:
        """Remember why there is no session; that a PIN was wrong is never forgotten."""
        if not isinstance(error, KeyHomeError | KeyUnavailableError):
            error = KeyUnavailableError(f"{self._name} failed: {type(error).__name__}")
        with self._lock:
            if not isinstance(self._why, PinError) and not self._ending.is_set():
                self._why = error

    def _lose(self, error: KeyUnavailableError) -> None:
        self._away(error)
        with self._lock:
            self._serving -= not self._ending.is_set()
        if not self._serving:
            self._waiting.fail(self._refusal)

    def _expire(self, task: Task) -> None:
        """Fail a task, and count its thread, if one has begun it, as stuck."""
        late = KeyUnavailableError(f"{self._name} did not answer within {PATIENCE_S:g} s")
        self._away(late)
        with self._lock:
            for worker in self._workers:
                if worker.task is task and not worker.stuck:
                    worker.stuck = True
                    self._serving -= not self._ending.is_set()
        task.fail(late)
        if not self._serving:
            self._waiting.fail(self._refusal)

    def _refusal(self) -> SealbookError:
        return _again(self._why)


def _longer(pause: float) -> float:
    return min(max(_FIRST_PAUSE_S, 2 * pause), _LONGEST_PAUSE_S)


def _again(error: SealbookError) -> SealbookError:
    """Return the same refusal as an error of its own: each raising adds a traceback to it."""
    return type(error)(error.message, hint=error.hint)
