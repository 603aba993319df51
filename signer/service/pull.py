"""`Ledger.Pull`: what a mirror does not have yet, as rows of the store.

Goes up to the durable head, published or not: a service that waits for its
mirror publishes only what the mirror has. Nobody's rows are read twice at once,
no read transaction outlives a slice, and whoever waits for new entries waits on
the ledger, not on its database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import structlog

from ledger import dedup, labels
from ledger.errors import DamagedError, RollbackError
from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.store import Claim, Head, Row
from signer.access import Principal
from signer.errors import RequestError
from signer.guard import Method
from signer.service.wire import STREAMED
from signer.v1 import ledger_pb2
from verifier.errors import VerificationError

log = structlog.get_logger()

_LONGEST_MS = 30_000
_SLICE = 256  # rows a read: the largest bodies of so many are 16 MiB
_GLANCE_S = 0.5  # how soon whoever waits notices that the service goes down
_CLAIMS = 2048  # a message


class PullService:
    """The one method of `sealbook.v1.Ledger` that mirrors call."""

    def __init__(self, ledger: Ledger, mirrored: Mirrored) -> None:
        """Serve the rows of `ledger`, and tell `mirrored` how far a mirror says it is."""
        self._ledger = ledger
        self._mirrored = mirrored
        self._stopping = False
        # One thread waits for the ledger to grow, for however many mirrors.
        self._watch = ThreadPoolExecutor(1, "growth")
        self._growth: asyncio.Future[bool] | None = None

    def table(self) -> dict[str, Method]:
        """Return the method, by full name."""
        return {"/sealbook.v1.Ledger/Pull": Method(ledger_pb2.PullRequest, streaming=self.pull)}

    def stop(self) -> None:
        """Answer whoever waits, with what there is."""
        self._stopping = True
        self._watch.shutdown(wait=False)

    async def pull(
        self, _: Principal, request: ledger_pb2.PullRequest
    ) -> AsyncIterator[ledger_pb2.PullResponse]:
        """Stream the rows from `tree_size` on, and end with the head that they lead to."""
        if request.wait_ms > _LONGEST_MS:
            raise RequestError(f"expected to wait at most {_LONGEST_MS} ms, got {request.wait_ms}")
        start = request.tree_size
        try:
            self._mirrored.hear(start, self._ledger.head.tree_size)
        except RollbackError as e:
            log.critical("the mirror is ahead of this ledger", code=e.code, error=e.message)
            raise
        await self._past(start, request.wait_ms / 1000)
        head = self._ledger.head
        message, size = ledger_pb2.PullResponse(), 0
        for low in range(start, head.tree_size, _SLICE):
            stop = min(head.tree_size, low + _SLICE)
            rows = await asyncio.to_thread(self._rows, low, stop)
            first = low
            for index, row in enumerate(rows, low):
                pieces = self._pieces(row)
                while piece := await asyncio.to_thread(next, pieces, None):
                    yield ledger_pb2.PullResponse(bodies=[piece])
                message.rows.append(row)
                size += row.ByteSize()
                if size >= STREAMED or index + 1 == stop:
                    # The checkpoint of its own size may have been signed after the mirror asked.
                    after = first - 1 if first == start else first
                    for more in await asyncio.to_thread(
                        self._beside, message, first, index + 1, after
                    ):
                        yield more
                    message, size, first = ledger_pb2.PullResponse(), 0, index + 1
        if head.tree_size == start and (note := self._note(start)):
            message.notes.append(note)
        message.head.CopyFrom(_head(head))
        yield message

    async def _past(self, tree_size: int, timeout_s: float) -> None:
        """Return when there is more than `tree_size`, after `timeout_s`, or on `stop`."""
        deadline = time.monotonic() + timeout_s
        loop = asyncio.get_running_loop()
        while self._ledger.head.tree_size <= tree_size and not self._stopping:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            if self._growth is None or self._growth.done():
                self._growth = loop.run_in_executor(
                    self._watch, self._ledger.wait_past, tree_size, _GLANCE_S
                )
            await asyncio.wait([self._growth], timeout=left)

    def _rows(self, start: int, stop: int) -> list[ledger_pb2.PullResponse.Row]:
        rows = self._ledger.store.rows(start, stop)
        if len(rows) != stop - start:
            raise DamagedError(f"expected entries {start} to {stop - 1}, found {len(rows)}")
        return [_row(row) for row in rows]

    def _pieces(
        self, row: ledger_pb2.PullResponse.Row
    ) -> Iterator[ledger_pb2.PullResponse.BodyPiece]:
        """Yield the body of a row that has it in a file."""
        name = labels.body_name(row.entry)
        if row.body_size and name:
            offset = 0
            for data in self._ledger.bodies.pieces(name, row.body_size):
                yield ledger_pb2.PullResponse.BodyPiece(name=name, offset=offset, data=data)
                offset += len(data)

    def _beside(
        self, message: ledger_pb2.PullResponse, start: int, stop: int, after: int
    ) -> Iterator[ledger_pb2.PullResponse]:
        """Add what belongs to the rows of `message`, and checkpoints of trees larger than `after`.

        Makes more than one message when it is much.
        """
        notes = dict(self._ledger.store.notes(after, stop - after))
        if note := self._note(stop):
            notes[stop] = note
        message.notes.extend(note for size, note in sorted(notes.items()) if size <= stop)
        claims = self._ledger.store.claims(start, stop)
        messages = [message]
        for low in range(0, len(claims), _CLAIMS):
            if low:
                messages.append(ledger_pb2.PullResponse())
            messages[-1].claims.extend(_claim(claim) for claim in claims[low : low + _CLAIMS])
        return iter(messages)

    def _note(self, tree_size: int) -> str | None:
        """Return the checkpoint of this size, if one was signed; the next commit keeps it."""
        signed = self._ledger.signed
        if signed.checkpoint.tree_size == tree_size:
            return signed.note
        return self._ledger.store.note(tree_size)


def _row(row: Row) -> ledger_pb2.PullResponse.Row:
    return ledger_pb2.PullResponse.Row(
        entry=row.entry,
        body=row.body or b"",
        labels=row.labels,
        committed_at=row.time,
        promise=row.promise or b"",
        timestamp=row.timestamp or b"",
        chain=row.chain or b"",
        body_size=row.body_size,
        dedup=_dedup(row),
    )


def _dedup(row: Row) -> bytes:
    """Return the row's dedup key; nothing for an entry that is damaged, as whoever gets it sees."""
    try:
        [form] = labels.decode(row.labels)["form"]
        return dedup.of(form, row.entry, row.body) or b""
    except (VerificationError, DamagedError, KeyError, ValueError):
        return b""


def _claim(claim: Claim) -> ledger_pb2.PullResponse.Claim:
    return ledger_pb2.PullResponse.Claim(key=claim.key, request=claim.request, index=claim.index)


def _head(head: Head) -> ledger_pb2.PullResponse.Head:
    return ledger_pb2.PullResponse.Head(
        tree_size=head.tree_size,
        root=head.root,
        compact=head.compact,
        committed_at=head.time,
        frozen=head.frozen,
        seal=head.seal,
    )
