"""Jobs for a device that are handed over in lots.

Waking a thread, and being woken by it, costs more than a device in this machine takes to sign.
So what waits while one lot is signed is the next lot, as appends that wait are the next commit.
A device that is slow, a network away, say, gets every job at once instead, and does as many at
a time as it has sessions. Which of the two it is, shows in how long its jobs take at best: in a
busy process some of them wait for the interpreter many times longer than for the device.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from signer.keys.home import T, Workers
from verifier.errors import SealbookError

_MOST = 32  # jobs in a lot
_FAST_S = 0.001  # what a job takes at most, at best, for lots to be worth it
_FORGETS = 1.1  # how much longer the best seems after each lot
_LONGEST_S = 0.1  # what a lot may take, before its rest and all that waits goes on alone

_Job = Callable[[], Any]


class _Waiting(NamedTuple):
    """A job, and who waits for it."""

    job: _Job
    future: asyncio.Future[Any]


class _Outcome(NamedTuple):
    """What a job came to."""

    value: Any
    error: BaseException | None


class _Done(NamedTuple):
    """What the first jobs of a lot came to, and what one of them took."""

    outcomes: Sequence[_Outcome]
    each_s: float


class Lots:
    """Hands jobs to `workers`. Used on one event loop."""

    def __init__(self, workers: Workers) -> None:
        """Take the device for a fast one, until it shows."""
        self._workers = workers
        self._best_s = _FAST_S  # of the last jobs
        self._waiting: deque[_Waiting] = deque()
        self._patience: asyncio.TimerHandle | None = None  # with the lot that is under way
        self._is_set = False  # that a lot will begin in a moment

    async def run(self, job: Callable[[], T]) -> T:
        """Return what `job` comes to in a thread of the device.

        Raises:
            KeyUnavailableError, KeyHomeError: whatever `Workers` raise; and what `job` does.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(job, loop.create_future())
        if self._best_s <= _FAST_S:
            self._waiting.append(waiting)
            self._go_on(loop)
        else:
            self._hand_over(loop, [waiting], None)
        result: T = await waiting.future
        return result

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a lot begin, unless one is under way: with all who come in this turn of the loop."""
        if self._patience is None and not self._is_set:
            self._is_set = True
            loop.call_soon(self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_set = False
        lot = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
        if lot:
            self._patience = loop.call_later(_LONGEST_S, self._spread, loop)
            self._hand_over(loop, lot, self._patience)

    def _spread(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let nobody wait behind what is slow, or stuck: other sessions may not be."""
        self._best_s, self._patience = 2 * _FAST_S, None
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            self._hand_over(loop, [one], None)

    def _hand_over(
        self,
        loop: asyncio.AbstractEventLoop,
        lot: Sequence[_Waiting],
        patience: asyncio.TimerHandle | None,
    ) -> None:
        def done(handed: Future[_Done]) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(self._finish, loop, lot, patience, handed)

        try:
            self._workers.submit(partial(_do, [one.job for one in lot])).add_done_callback(done)
        except SealbookError as e:
            refused: Future[_Done] = Future()
            refused.set_exception(e)
            self._finish(loop, lot, patience, refused)

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        lot: Sequence[_Waiting],
        patience: asyncio.TimerHandle | None,
        handed: Future[_Done],
    ) -> None:
        """Tell everybody in the lot, and let what waits go on."""
        error = handed.exception()
        if error is not None:
            outcomes: Sequence[_Outcome] = [_Outcome(None, error)] * len(lot)
        else:
            outcomes, each_s = handed.result()
            self._best_s = min(each_s, _FORGETS * self._best_s)
        for (_, future), outcome in zip(lot, outcomes, strict=False):
            if future.done():
                continue  # whoever waited was cancelled
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.value)
        self._waiting.extendleft(reversed(lot[len(outcomes) :]))
        if patience is not None and self._patience is patience:
            patience.cancel()
            self._patience = None
        if self._waiting and self._best_s <= _FAST_S:
            self._go_on(loop)
        elif self._waiting:
            self._spread(loop)


def _do(jobs: Sequence[_Job]) -> _Done:
    """Do jobs one after the other, and leave the rest when it lasts too long."""
    begun = time.monotonic()
    outcomes: list[_Outcome] = []
    took_s = 0.0
    for job in jobs:
        if took_s > _LONGEST_S:
            break
        try:
            outcomes.append(_Outcome(job(), None))
        except BaseException as e:  # noqa: BLE001  whoever waits gets it
            outcomes.append(_Outcome(None, e))
        took_s = time.monotonic() - begun
    return _Done(outcomes, took_s / len(outcomes))
