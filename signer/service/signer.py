"""`sealbook.v1.Signer`: approvals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ledger.ledger import Ledger
from signer.access import Principal
from signer.guard import Method, refused
from signer.metrics import Metrics
from signer.order import Item, Order
from signer.service import wire
from signer.signing import Proven, Signing
from signer.v1 import record_pb2, signer_pb2
from verifier.errors import SealbookError


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
            prefix + "Sign": Method(signer_pb2.SignRequest, unary=self.sign),
            prefix + "SignBatch": Method(signer_pb2.SignBatchRequest, streaming=self.sign_batch),
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
                wire.signature(p, p.record.rendered(p.proof, published.note, log_id))
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


def _item(request: signer_pb2.SignRequest | signer_pb2.SignBatchRequest.Item) -> Item:
    return Item(
        request.digest,
        request.size,
        request.media_type,
        request.tag,
        dict(request.annotations),
        request.renew,
        request.idempotency_key,
        request.promotes if request.HasField("promotes") else None,
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
