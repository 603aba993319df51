"""Proto to domain and back: the only module that sees both.

Each service is a class whose `table` lists its methods for the guard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from ledger import labels
from ledger.errors import UnknownEntryError
from ledger.ledger import Ledger, Published, make_record
from ledger.sequencer import Sequencer
from ledger.store import SLICE
from signer import __version__
from signer.access import Principal
from signer.errors import RequestError
from signer.guard import Method, refused
from signer.keys import SigningKey
from signer.metrics import Metrics
from signer.order import Item, Order
from signer.signing import Proven, Signing
from signer.v1 import ledger_pb2, operator_pb2, record_pb2, signer_pb2
from verifier import limits
from verifier.bundle import Record
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.merkle import InclusionProof
from verifier.repository import Repository

_MESSAGE = 256 << 10  # bytes of a streamed message, about
_PAGE = 64
_MOST_PAGE = 256


class SignerService:
    """`sealbook.v1.Signer`."""

    def __init__(self, signing: Signing, ledger: Ledger, metrics: Metrics) -> None:
        """Serve `signing`, and the bundles of `ledger`."""
        self._signing = signing
        self._ledger = ledger
        self._metrics = metrics

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix = "/sealbook.v1.Signer/"
        return {
            prefix + "Sign": Method("sign", signer_pb2.SignRequest, unary=self.sign),
            prefix + "SignBatch": Method(
                "sign", signer_pb2.SignBatchRequest, streaming=self.sign_batch
            ),
            prefix + "GetBundles": Method(
                "read", signer_pb2.GetBundlesRequest, streaming=self.get_bundles
            ),
        }

    async def sign(
        self, principal: Principal, request: signer_pb2.SignRequest
    ) -> signer_pb2.SignResponse:
        """Approve one digest."""
        order = Order(
            request.repository, (_item(request),), request.key, request.forms, request.reason
        )
        with self._metrics.signing() as signed:
            answers = await self._signing.sign(principal, order)
            answer = answers.items[0]
            if isinstance(answer, SealbookError):
                raise answer
            signed(len(answer))
        published, log_id = answers.published, self._ledger.log_key.log_id
        return signer_pb2.SignResponse(
            checkpoint=record_pb2.Checkpoint(note=published.note, log_id=log_id),
            signatures=[
                _signature(p, p.record.bundle(p.proof, published.note, log_id).json())
                for p in answer
            ],
        )

    async def sign_batch(
        self, principal: Principal, request: signer_pb2.SignBatchRequest
    ) -> AsyncIterator[signer_pb2.SignBatchResponse]:
        """Approve many digests in one commit."""
        items = [_item(item) for item in request.items]
        order = Order(request.repository, items, request.key, request.forms, request.reason)
        with self._metrics.signing() as signed:
            answers = await self._signing.sign(principal, order)
            signed(sum(len(a) for a in answers.items if isinstance(a, list)))
        log_id = self._ledger.log_key.log_id
        checkpoint = record_pb2.Checkpoint(note=answers.published.note, log_id=log_id)
        message = signer_pb2.SignBatchResponse(checkpoint=checkpoint)
        size = 0
        for n, answer in enumerate(answers.items):
            message.answers.append(_batch_answer(n, answer))
            if isinstance(answer, list):
                size += sum(len(p.record.body) + len(p.record.entry) + 700 for p in answer)
            if size >= _MESSAGE:
                yield message
                message, size = signer_pb2.SignBatchResponse(), 0
        if message.answers:
            yield message

    async def get_bundles(
        self, _: Principal, request: signer_pb2.GetBundlesRequest
    ) -> AsyncIterator[signer_pb2.GetBundlesResponse]:
        """Stream every signature about a digest, under one checkpoint."""
        repository = Repository(request.repository) if request.repository else None
        published, log_id = self._ledger.published, self._ledger.log_key.log_id
        checkpoint = record_pb2.Checkpoint(note=published.note, log_id=log_id)
        for proven in await asyncio.to_thread(
            find_bundles, self._ledger, published, Digest(request.digest), repository
        ):
            bundle = proven.record.bundle(proven.proof, published.note, log_id).json()
            yield signer_pb2.GetBundlesResponse(
                checkpoint=checkpoint, signature=_signature(proven, bundle)
            )


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
            prefix + "GetCheckpoint": Method("read", pb.GetCheckpointRequest, self.checkpoint),
            prefix + "GetEntry": Method("read", pb.GetEntryRequest, self.entry),
            prefix + "GetInclusionProof": Method(
                "read", pb.GetInclusionProofRequest, self.inclusion_proof
            ),
            prefix + "GetConsistencyProof": Method(
                "read", pb.GetConsistencyProofRequest, self.consistency_proof
            ),
            prefix + "ListEntries": Method(
                "read", pb.ListEntriesRequest, streaming=self.list_entries
            ),
            prefix + "Search": Method("read", pb.SearchRequest, self.search),
        }

    async def checkpoint(
        self, _: Principal, request: ledger_pb2.GetCheckpointRequest
    ) -> record_pb2.Checkpoint:
        """Return the newest checkpoint, or the one kept for a size."""
        checkpoint = self._checkpoint(request.tree_size)
        if not checkpoint.note:
            raise UnknownEntryError(f"no checkpoint was kept for size {request.tree_size}")
        return checkpoint

    async def entry(
        self, _: Principal, request: ledger_pb2.GetEntryRequest
    ) -> ledger_pb2.GetEntryResponse:
        """Return one entry with everything kept beside it."""
        published = self._ledger.published.checkpoint.tree_size
        if request.index >= published:
            raise UnknownEntryError(f"no entry at {request.index}, {published} are published")
        [row] = self._ledger.store.rows(request.index, request.index + 1)
        return ledger_pb2.GetEntryResponse(
            record=_record(make_record(request.index, row)),
            labels=row.labels,
            committed_at=row.time,
        )

    async def inclusion_proof(
        self, _: Principal, request: ledger_pb2.GetInclusionProofRequest
    ) -> ledger_pb2.GetInclusionProofResponse:
        """Prove that an entry is in a tree."""
        tree_size = request.tree_size or self._ledger.published.checkpoint.tree_size
        proof = self._ledger.prove(request.index, tree_size)
        return ledger_pb2.GetInclusionProofResponse(
            proof=_proof(proof), checkpoint=self._checkpoint(tree_size)
        )

    async def consistency_proof(
        self, _: Principal, request: ledger_pb2.GetConsistencyProofRequest
    ) -> ledger_pb2.GetConsistencyProofResponse:
        """Prove that one tree only appended to another."""
        tree_size = request.tree_size or self._ledger.published.checkpoint.tree_size
        return ledger_pb2.GetConsistencyProofResponse(
            old_size=request.old_size,
            tree_size=tree_size,
            path=self._ledger.prove_consistency(request.old_size, tree_size),
            checkpoint=self._checkpoint(tree_size),
        )

    async def list_entries(
        self, _: Principal, request: ledger_pb2.ListEntriesRequest
    ) -> AsyncIterator[ledger_pb2.ListEntriesResponse]:
        """Stream entries in order, in slices that hold no read transaction open."""
        published = self._ledger.published.checkpoint.tree_size
        stop = request.stop or published
        if not request.start <= stop <= published:
            raise UnknownEntryError(f"expected a range below {published}")
        message, size = ledger_pb2.ListEntriesResponse(), 0
        for start in range(request.start, stop, SLICE):
            rows = await asyncio.to_thread(self._ledger.store.rows, start, min(stop, start + SLICE))
            for index, row in enumerate(rows, start):
                message.records.append(_record(make_record(index, row)))
                size += len(row.entry) + len(row.body)
                if size >= _MESSAGE:
                    yield message
                    message, size = ledger_pb2.ListEntriesResponse(), 0
        if message.records:
            yield message

    async def search(
        self, _: Principal, request: ledger_pb2.SearchRequest
    ) -> ledger_pb2.SearchResponse:
        """Return a page of the entries that bear a label."""
        if request.name not in labels.NAMES:
            raise RequestError(f"expected one of {', '.join(labels.NAMES)} to search by")
        if request.page_size > _MOST_PAGE:
            raise RequestError(f"expected a page of at most {_MOST_PAGE}")
        return await asyncio.to_thread(self._page, request)

    def _page(self, request: ledger_pb2.SearchRequest) -> ledger_pb2.SearchResponse:
        page = request.page_size or _PAGE
        published = self._ledger.published.checkpoint.tree_size
        found = self._ledger.store.search(request.name, request.value, request.start - 1, page + 1)
        found = [index for index in found if index < published]
        return ledger_pb2.SearchResponse(
            records=[_record(self._ledger.record(index)) for index in found[:page]],
            next=found[page] if len(found) > page else 0,
        )

    def _checkpoint(self, tree_size: int) -> record_pb2.Checkpoint:
        published = self._ledger.published
        if tree_size in (0, published.checkpoint.tree_size):
            note: str | None = published.note
        else:
            note = self._ledger.store.note(tree_size)
        return record_pb2.Checkpoint(note=note or "", log_id=self._ledger.log_key.log_id)


class OperatorService:
    """`sealbook.v1.Operator`, on the admin socket."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: Mapping[str, SigningKey],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Report on these."""
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._clock = clock
        self._started_at = int(clock())

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        return {
            "/sealbook.v1.Operator/GetStatus": Method(
                "operate", operator_pb2.GetStatusRequest, self.status
            )
        }

    async def status(
        self, _: Principal, __: operator_pb2.GetStatusRequest
    ) -> operator_pb2.GetStatusResponse:
        """Say how the service is, now."""
        published = self._ledger.published
        return operator_pb2.GetStatusResponse(
            version=__version__,
            origin=published.checkpoint.origin,
            tree_size=self._ledger.head.tree_size,
            published_size=published.checkpoint.tree_size,
            root=published.checkpoint.root,
            checkpoint_age_s=max(0.0, self._clock() - published.signed_at),
            queue_depth=self._sequencer.depth,
            started_at=self._started_at,
            keys=[
                operator_pb2.GetStatusResponse.KeyStatus(
                    name=key.name,
                    algorithm=key.public.algorithm.name,
                    fingerprint=key.public.fingerprint,
                    healthy=key.healthy,
                )
                for key in self._keys.values()
            ],
        )


def find_bundles(
    ledger: Ledger, published: Published, digest: Digest, repository: Repository | None
) -> list[Proven]:
    """Return the oldest `SLICE` bundles about `digest`, in order, proven under `published`."""
    tree_size = published.checkpoint.tree_size
    found = []
    for index in ledger.store.search("digest", digest, -1, SLICE):
        if index >= tree_size:
            break
        [row] = ledger.store.rows(index, index + 1)
        about = labels.decode(row.labels)
        if about["form"] != [labels.BUNDLE]:
            continue
        if repository is None or repository in about.get("repository", ()):
            found.append(Proven(make_record(index, row), ledger.prove(index, tree_size)))
    return found


def _item(request: signer_pb2.SignRequest | signer_pb2.SignBatchRequest.Item) -> Item:
    return Item(
        request.digest,
        request.size,
        request.media_type,
        request.tag,
        dict(request.annotations),
        request.renew,
        request.idempotency_key,
    )


def _batch_answer(
    n: int, answer: Sequence[Proven] | SealbookError
) -> signer_pb2.SignBatchResponse.Answer:
    if isinstance(answer, SealbookError):
        told = refused(answer)
        refusal = record_pb2.Refusal(code=told.code, message=told.message, hint=told.hint)
        return signer_pb2.SignBatchResponse.Answer(item=n, refusal=refusal)
    return signer_pb2.SignBatchResponse.Answer(item=n, signatures=[_signature(p) for p in answer])


def _signature(proven: Proven, bundle: bytes = b"") -> record_pb2.Signature:
    return record_pb2.Signature(
        record=_record(proven.record), proof=_proof(proven.proof), bundle=bundle
    )


def _record(record: Record) -> record_pb2.Record:
    return record_pb2.Record(
        index=record.index, form=record.form, entry=record.entry, body=record.body
    )


def _proof(proof: InclusionProof) -> record_pb2.InclusionProof:
    assert len(proof.path) <= limits.PATH
    return record_pb2.InclusionProof(index=proof.index, tree_size=proof.tree_size, path=proof.path)
