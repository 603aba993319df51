"""`sealbook.v1.Ledger`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ledger.answer import make_record
from ledger.errors import BodyDeletedError, UnknownEntryError
from ledger.ledger import Ledger
from ledger.publication import Published
from ledger.resources import body_path, parse_body_path
from ledger.store import SLICE
from signer.access import Principal
from signer.guard import Method
from signer.seeing import Sight
from signer.service import wire
from signer.service.search import search
from signer.v1 import ledger_pb2, record_pb2
from verifier.errors import MalformedError


class LedgerService:
    """`sealbook.v1.Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        """Serve what `ledger` has published."""
        self._ledger = ledger

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix = "/sealbook.v1.Ledger/"
        pb = ledger_pb2
        return {
            prefix + "GetCheckpoint": Method(pb.GetCheckpointRequest, self.checkpoint),
            prefix + "GetEntry": Method(pb.GetEntryRequest, self.entry),
            prefix + "GetInclusionProof": Method(pb.GetInclusionProofRequest, self.inclusion_proof),
            prefix + "GetConsistencyProof": Method(
                pb.GetConsistencyProofRequest, self.consistency_proof
            ),
            prefix + "ListEntries": Method(pb.ListEntriesRequest, streaming=self.list_entries),
            prefix + "GetBody": Method(pb.GetBodyRequest, streaming=self.body),
            prefix + "Search": Method(pb.SearchRequest, self.search),
        }

    async def checkpoint(
        self, _: Principal, request: ledger_pb2.GetCheckpointRequest
    ) -> record_pb2.Checkpoint:
        """Return the newest checkpoint, or the one kept for a size."""
        published = self._ledger.published
        if request.tree_size > published.checkpoint.tree_size:
            raise UnknownEntryError(
                f"no checkpoint of {request.tree_size} entries, "
                f"{published.checkpoint.tree_size} are published"
            )
        checkpoint = self._checkpoint(request.tree_size, published)
        if not checkpoint.note:
            raise UnknownEntryError(f"no checkpoint was kept for size {request.tree_size}")
        return checkpoint

    async def entry(
        self, principal: Principal, request: ledger_pb2.GetEntryRequest
    ) -> ledger_pb2.GetEntryResponse:
        """Return one entry with everything kept beside it."""
        published = self._ledger.published.checkpoint.tree_size
        row = self._ledger.row(request.index) if request.index < published else None
        if row is None or not Sight(principal).shows(row.labels):
            raise UnknownEntryError(f"no entry at {request.index}, {published} are published")
        return ledger_pb2.GetEntryResponse(
            record=wire.record(make_record(request.index, row)),
            labels=row.labels,
            committed_at=row.time,
        )

    async def body(
        self, principal: Principal, request: ledger_pb2.GetBodyRequest
    ) -> AsyncIterator[ledger_pb2.GetBodyResponse]:
        """Stream the signed message with this hash."""
        name = parse_body_path(body_path(request.name))
        if name != request.name:
            raise MalformedError(
                f"expected a name like sha256:<64 hex>, found {request.name[:80]!r}"
            )
        index = await asyncio.to_thread(self._ledger.store.body, name)
        row = None
        if index is not None and index < self._ledger.published.checkpoint.tree_size:
            row = self._ledger.row(index)
        if row is None or not Sight(principal).shows(row.labels):
            raise UnknownEntryError(f"no published entry names the body {name}")
        if row.body is None and not row.body_size:
            raise BodyDeletedError(f"the body {name} was deleted")
        pieces = (
            self._ledger.bodies.pieces(name, row.body_size)
            if row.body_size
            else iter([row.body or b""])
        )
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield ledger_pb2.GetBodyResponse(data=piece)

    async def inclusion_proof(
        self, _: Principal, request: ledger_pb2.GetInclusionProofRequest
    ) -> ledger_pb2.GetInclusionProofResponse:
        """Prove that an entry is in a tree."""
        published = self._ledger.published  # once: another may be published at any moment
        tree_size = request.tree_size or published.checkpoint.tree_size
        proof = self._ledger.prove(request.index, tree_size)
        return ledger_pb2.GetInclusionProofResponse(
            proof=wire.proof(proof), checkpoint=self._checkpoint(tree_size, published)
        )

    async def consistency_proof(
        self, _: Principal, request: ledger_pb2.GetConsistencyProofRequest
    ) -> ledger_pb2.GetConsistencyProofResponse:
        """Prove that one tree only appended to another."""
        published = self._ledger.published  # once: another may be published at any moment
        tree_size = request.tree_size or published.checkpoint.tree_size
        return ledger_pb2.GetConsistencyProofResponse(
            old_size=request.old_size,
            tree_size=tree_size,
            path=self._ledger.prove_consistency(request.old_size, tree_size),
            checkpoint=self._checkpoint(tree_size, published),
        )

    async def list_entries(
        self, principal: Principal, request: ledger_pb2.ListEntriesRequest
    ) -> AsyncIterator[ledger_pb2.ListEntriesResponse]:
        """Stream the entries that the caller is shown, in order.

        They are read in slices that hold no read transaction open.
        """
        sight = Sight(principal)
        published = self._ledger.published.checkpoint.tree_size
        stop = request.stop or published
        if not request.start <= stop <= published:
            raise UnknownEntryError(f"expected a range below {published}")
        message, size = ledger_pb2.ListEntriesResponse(), 0
        for start in range(request.start, stop, SLICE):
            rows = await asyncio.to_thread(self._ledger.store.rows, start, min(stop, start + SLICE))
            for index, row in enumerate(rows, start):
                if not sight.shows(row.labels):
                    continue
                message.records.append(wire.record(make_record(index, row)))
                message.labels.append(row.labels)
                message.committed_at.append(row.time)
                size += len(row.entry) + len(row.body or b"")
                if size >= wire.STREAMED:
                    yield message
                    message, size = ledger_pb2.ListEntriesResponse(), 0
        if message.records:
            yield message

    async def search(
        self, principal: Principal, request: ledger_pb2.SearchRequest
    ) -> ledger_pb2.SearchResponse:
        """Return a page of the entries that bear the labels, of those that the caller is shown."""
        found = await asyncio.to_thread(search, self._ledger, request, Sight(principal))
        return ledger_pb2.SearchResponse(
            records=[wire.record(record) for record in found.records],
            next=found.next,
            tree_size=found.tree_size,
        )

    def _checkpoint(self, tree_size: int, published: Published) -> record_pb2.Checkpoint:
        if tree_size in (0, published.checkpoint.tree_size):
            note: str | None = published.note
        else:
            note = self._ledger.store.note(tree_size)
        return record_pb2.Checkpoint(note=note or "", log_id=self._ledger.log_key.log_id)
