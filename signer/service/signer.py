"""`sealbook.v1.Signer`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from ledger import labels
from ledger.answer import make_record
from ledger.ledger import Ledger
from ledger.publication import Published
from signer.access import Principal
from signer.guard import Method, refused
from signer.metrics import Metrics
from signer.order import Item, Order
from signer.service import wire
from signer.signing import Proven, Signing
from signer.v1 import record_pb2, signer_pb2
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.repository import Repository

_PAGE = 64  # bundles


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
                wire.signature(p, p.record.bundle(p.proof, published.note, log_id).json())
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
            if size >= wire.STREAMED:
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
        digest, start = Digest(request.digest), 0
        while True:
            page, start = await asyncio.to_thread(
                find_bundles, self._ledger, published, digest, repository, start
            )
            for proven in page:
                bundle = proven.record.bundle(proven.proof, published.note, log_id).json()
                yield signer_pb2.GetBundlesResponse(
                    checkpoint=checkpoint, signature=wire.signature(proven, bundle)
                )
            if not start:
                return


def find_bundles(
    ledger: Ledger, published: Published, digest: Digest, repository: Repository | None, start: int
) -> tuple[list[Proven], int]:
    """Return a page of the bundles about `digest`, oldest first, from index `start` on.

    All are proven under `published`. With it comes where the next page starts, or 0.
    """
    tree_size = published.checkpoint.tree_size
    indices = ledger.store.search("digest", digest, start - 1, _PAGE + 1)
    found: list[Proven] = []
    for index in indices[:_PAGE]:
        if index >= tree_size:
            return found, 0
        row = ledger.row(index)
        about = labels.decode(row.labels)
        if about["form"] != [labels.BUNDLE]:
            continue
        if repository is None or repository in about.get("repository", ()):
            found.append(Proven(make_record(index, row), ledger.prove(index, tree_size)))
    return found, indices[_PAGE] if len(indices) > _PAGE else 0


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
    return signer_pb2.SignBatchResponse.Answer(
        item=n, signatures=[wire.signature(p) for p in answer]
    )
