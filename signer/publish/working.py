"""Working through what waits: threads, each with all that is due of one repository.

1. Take what is due of the repository that waits longest; nobody else works on that one then.
2. Have it attached.
3. Write down what came of it: done with, tried again later, or given up.

What a registry does not take is tried again after a pause that grows, with jitter. A registry
that does not answer rests as a whole, and is asked for one image before it is for the others: a
hundred images that wait are no hundred calls to who is down. A process that dies in between
leaves everything as it waited, and attaching again what is attached changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Thread
from typing import NamedTuple

import structlog

from ledger.errors import LedgerError
from signer.errors import NothingSignedError, NotPublishedHereError, PublicationsError
from signer.publish.hosts import Hosts, pause_ms
from signer.publish.rows import Outcome, Publication, State, host_of
from signer.publish.store import Store
from verifier.errors import RevokedError, SealbookError
from verifier.pull.errors import (
    BusyTagError,
    ImagesError,
    ReadOnlyError,
    RegistryBusyError,
    RegistryTimeoutError,
    RegistryUnreachableError,
    TooManySignaturesError,
)
from verifier.repository import Repository

log = structlog.get_logger()

BATCH = 64  # images of one repository at a time
_LONGEST_PAUSE_S = 300.0
_DOWN = (RegistryUnreachableError.code, RegistryTimeoutError.code, RegistryBusyError.code)
# Trying again would not help, until somebody does something about it.
_FINAL = (
    ReadOnlyError,
    TooManySignaturesError,
    RevokedError,
    NothingSignedError,
    NotPublishedHereError,
)
# It passes by itself, however long that takes.
_PASSING = (RegistryUnreachableError, BusyTagError, LedgerError, PublicationsError)
# Of the rest it may: an image that is pushed soon, a credential that is being replaced.
_PATIENCE_MS = 3_600_000
_LOOKS_MS = (15_000, 3_000)  # until it is looked at again: before the last time, and before that
_AGAIN_S, _LONGEST_WAIT_S = 1.0, 60.0


class Tried(NamedTuple):
    """What came of one image: its `entries` are attached, but for what `error` is about."""

    publication: Publication
    entries: tuple[int, ...] = ()
    error: SealbookError | None = None


Attach = Callable[[Repository, Sequence[Publication]], Iterable[Tried]]


class Working:
    """The threads. `settled` is told, on one of them, the ids of what was tried."""

    def __init__(
        self,
        store: Store,
        attach: Attach,
        *,
        workers: int,
        settled: Callable[[Sequence[int]], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Have what `store` has waiting attached by `attach`, so many repositories at once."""
        self._store = store
        self._attach = attach
        self._settled = settled
        self._clock = clock
        self._turn = Condition()
        self._busy: set[str] = set()
        self._hosts = Hosts(self._now)
        self._told_to_stop = False
        self._wakes = 0
        self.attached = self.failed = self.refused = 0
        self._threads = [
            Thread(target=self._run, name=f"sealbook-publish-{n}", daemon=True)
            for n in range(workers)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there may be something to do."""
        with self._turn:
            self._wakes += 1
            self._turn.notify_all()

    def say_stopping(self) -> None:
        """Begin nothing more."""
        with self._turn:
            self._told_to_stop = True
            self._turn.notify_all()

    def stop(self, patience_s: float) -> bool:
        """Return whether nothing is under way any more; at the latest after a while.

        What still is then, is tried again after the next start.
        """
        self.say_stopping()
        end = time.monotonic() + patience_s
        for thread in self._threads:  # perhaps none of them was started
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while not self._is_stopping():
            try:
                taken = self._take()
            except SealbookError as e:
                if self._is_stopping():
                    return
                log.warning("what waits to be attached cannot be read", error=e.message)
                time.sleep(_AGAIN_S)
                continue
            if taken:
                self._work(taken)

    def _take(self) -> list[Publication]:
        """Return what is to be tried next; perhaps nothing, after a while."""
        with self._turn:
            # 1.
            if self._is_stopping():
                return []
            seen = self._wakes
            taken, wait_ms = self._store.due(self._busy, self._hosts.resting, BATCH)
            if not taken:
                wait_s = min(wait_ms / 1000, _LONGEST_WAIT_S) if wait_ms else _LONGEST_WAIT_S
                self._turn.wait_for(lambda: self._wakes != seen or self._is_stopping(), wait_s)
                return []
            host = host_of(taken[0].repository)
            if self._hosts.begin(host):
                taken = taken[:1]
            self._busy.add(taken[0].repository)
            return taken

    def _work(self, taken: Sequence[Publication]) -> None:
        repository = taken[0].repository
        tried: list[Tried] = []
        try:
            # 2.
            tried.extend(self._attach(repository, taken))
            if self._is_stopping():  # what failed may have failed because of that
                tried = [one for one in tried if one.error is None]
            # 3.
            self._store.settle([self._outcome(one) for one in tried])
        except PublicationsError as e:
            log.warning("what was attached cannot be written down", error=e.message)
        except Exception as e:  # a bug must not end the thread, nor be tried at once again
            log.exception("attaching failed", repository=repository)
            self._given(taken, e)
        finally:
            self._free(repository, tried)
        self._settled([one.publication.id for one in tried])

    def _outcome(self, one: Tried) -> Outcome:
        publication, error = one.publication, one.error
        if error is None:
            again_ms = 0
            if publication.looks:
                again_ms = _LOOKS_MS[min(publication.looks, len(_LOOKS_MS)) - 1]
            if publication.state == State.WAITING:
                self.attached += 1
            return Outcome(publication, one.entries, None, again_ms)
        self.failed += 1
        waited_ms = self._now() - publication.asked_at
        final = is_final(error) or (not isinstance(error, _PASSING) and waited_ms > _PATIENCE_MS)
        told = {"repository": publication.repository, "digest": publication.digest}
        if final:
            self.refused += 1
            log.warning("not attached", **told, code=error.code, error=error.message)
            return Outcome(publication, one.entries, error)
        return Outcome(
            publication, one.entries, error, pause_ms(publication.attempts, _LONGEST_PAUSE_S)
        )

    def _given(self, taken: Sequence[Publication], why: Exception) -> None:
        """Try all of `taken` later, because of something that nobody expected."""
        error = PublicationsError(f"attaching failed: {type(why).__name__}")
        try:
            self._store.settle(
                Outcome(one, (), error, pause_ms(one.attempts, _LONGEST_PAUSE_S)) for one in taken
            )
        except PublicationsError as e:
            log.warning("what was tried cannot be written down", error=e.message)

    def _free(self, repository: Repository, tried: Sequence[Tried]) -> None:
        """Let others work on the repository, unless its registry is to rest."""
        host = host_of(repository)
        errors = [one.error for one in tried]
        down = next((e for e in errors if isinstance(e, RegistryUnreachableError)), None)
        rest_ms, back = 0, False
        with self._turn:
            self._busy.discard(repository)
            known = self._hosts.is_down(host)
            if down is not None:
                rest_ms = self._hosts.failed(host)
            elif any(error is None or isinstance(error, ImagesError) for error in errors):
                back = self._hosts.answered(host)
            else:
                self._hosts.asked(host)
        try:
            if down is not None and rest_ms:
                if not known:
                    log.warning("a registry does not answer", host=host, error=down.message)
                self._store.put_off(host, down, rest_ms)
            elif back:
                log.info("a registry answers again", host=host)
                self._store.wake(host, _DOWN)
        except PublicationsError as e:
            log.warning("what waits for a registry cannot be written down", error=e.message)
        self.wake()

    def _is_stopping(self) -> bool:
        return self._told_to_stop

    def _now(self) -> int:
        return int(self._clock() * 1000)


def is_final(error: SealbookError) -> bool:
    """Whether trying again would not help."""
    return isinstance(error, _FINAL)
