"""Publish: the main flow of what callers have attached to images.

1. Authorise the caller on the canonical repository, which has to be one that we write to.
2. Look up what was signed about each digest there: all of them have something that counts, or
   nothing is done.
3. The audit trail says what was decided.
4. Write down what is to be attached. From here on it will be, whatever happens to us.
5. Wait for it, if the caller likes to, and answer what became of it so far.

Steps 2 to 4 are done also when the caller does not wait for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from signer.access import Principal, authorise
from signer.audit_trail.trail import Trail
from signer.errors import RequestError
from signer.publish.gathering import Gathering
from signer.publish.registries import Destinations
from signer.publish.rows import Publication, State
from signer.publish.store import Store
from verifier import limits
from verifier.digest import Digest
from verifier.errors import LimitError
from verifier.repository import Repository

_LONGEST_MS = 60_000


class PublishOrder(NamedTuple):
    """What a caller asks for, as it came."""

    repository: str
    digests: Sequence[str]
    wait_ms: int = 0
    reason: str = ""


class Asking:
    """Takes what callers ask for. Runs on one event loop."""

    def __init__(
        self,
        store: Store,
        gathering: Gathering,
        trail: Trail,
        *,
        destinations: Callable[[], Destinations],
        most: Callable[[], int],
        wake: Callable[[], object],
    ) -> None:
        """Let `store` have at most so many waiting, for `destinations`, and call `wake` then."""
        self._store = store
        self._gathering = gathering
        self._trail = trail
        self._destinations = destinations
        self._most = most
        self._wake = wake
        self._under_way: set[asyncio.Task[list[int]]] = set()
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    async def publish(self, principal: Principal, order: PublishOrder) -> list[Publication]:
        """Return what became of each digest by now; what waits is attached later.

        Raises:
            PermissionDeniedError: the caller may not publish in this repository.
            NotPublishedHereError: nor may we.
            RequestError, LimitError, RepositoryError, DigestError: nothing is published.
            NothingSignedError, RevokedError: about one of the digests nothing counts.
            PublicationsFullError: too much waits already.
            PublicationsError, TrailError: it cannot be written down.
        """
        # 1.
        repository = Repository(order.repository)
        rule = authorise(principal, "publish", repository).rule
        self._destinations().check(repository)
        digests = _checked(order)
        self._loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(self._accept(principal, repository, digests, order, rule))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        ids = await asyncio.shield(task)
        self._wake()
        # 5.
        return await self._settled(ids, order.wait_ms / 1000)

    async def drain(self) -> None:
        """Return when everything that was under way is written down."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def say_stopping(self) -> None:
        """Let nobody wait any longer."""
        self._stopping = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    def settled(self, ids: Sequence[int]) -> None:
        """Tell whoever waits for these that something came of them; in any thread."""
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # it was closed meanwhile
                self._loop.call_soon_threadsafe(self._tell, ids)

    async def _accept(
        self,
        principal: Principal,
        repository: Repository,
        digests: Sequence[Digest],
        order: PublishOrder,
        rule: str,
    ) -> list[int]:
        """Do the steps 2 to 4, and return the ids, in the order of the digests."""
        # 2.
        also = self._destinations().attaches_also(repository)
        entries: list[int] = []
        for digest in digests:
            gathered = await asyncio.to_thread(
                self._gathering.gather, digest, repository, also=also
            )
            entries += gathered.entries
        told = {"digests": list(digests), "repository": repository, "rule": rule}
        told |= {"reason": order.reason} if order.reason else {}
        # 3.
        with self._trail.decided(principal, "publish", told) as course:
            # 4.
            ids = await asyncio.to_thread(self._store.ask, repository, digests, self._most())
            course.found(*entries)
        return ids

    async def _settled(self, ids: Sequence[int], wait_s: float) -> list[Publication]:
        """Return what became of them once none waits, or after a while."""
        loop = asyncio.get_running_loop()
        end, event = loop.time() + wait_s, asyncio.Event()
        for id_ in ids:
            self._waiting.setdefault(id_, set()).add(event)
        try:
            while True:
                event.clear()
                found = await asyncio.to_thread(self._store.get, ids)
                left_s = end - loop.time()
                waits = any(one.state == State.WAITING for one in found)
                if not waits or left_s <= 0 or self._stopping:
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), left_s)
        finally:
            for id_ in ids:
                events = self._waiting.get(id_, set())
                events.discard(event)
                if not events:
                    self._waiting.pop(id_, None)

    def _tell(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            for event in self._waiting.get(id_, ()):
                event.set()


def _checked(order: PublishOrder) -> list[Digest]:
    """Return the digests of an order that can be meant."""
    if not order.digests:
        raise RequestError("expected at least one digest, found none")
    if len(order.digests) > limits.MANIFESTS:
        raise LimitError(f"expected at most {limits.MANIFESTS} digests, found {len(order.digests)}")
    if len(set(order.digests)) != len(order.digests):
        raise RequestError("expected each digest once")
    if order.wait_ms > _LONGEST_MS:
        raise LimitError(f"expected to wait {_LONGEST_MS} ms at most, found {order.wait_ms}")
    if len(order.reason.encode()) > limits.ANNOTATION_VALUE:
        raise LimitError(f"expected a reason of at most {limits.ANNOTATION_VALUE} bytes")
    return [Digest(digest) for digest in order.digests]
