"""`sealbook.v1.Signer/Attest`: predicates come in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ledger.ledger import Ledger
from signer.access import Principal
from signer.attest.attesting import Attesting
from signer.attest.placing import AttestOrder
from signer.errors import RequestError
from signer.guard import Method
from signer.metrics import Metrics
from signer.service import wire
from signer.v1 import record_pb2, signer_pb2


class AttestService:
    """Attest."""

    def __init__(self, attesting: Attesting, ledger: Ledger, metrics: Metrics) -> None:
        """Serve `attesting`."""
        self._attesting = attesting
        self._ledger = ledger
        self._metrics = metrics

    def table(self) -> dict[str, Method]:
        """Return the method, by full name."""
        name = "/sealbook.v1.Signer/Attest"
        return {name: Method(signer_pb2.AttestRequest, uploading=self.attest)}

    async def attest(
        self, principal: Principal, messages: AsyncIterator[signer_pb2.AttestRequest]
    ) -> signer_pb2.AttestResponse:
        """Attest one predicate."""
        first = await anext(messages, None)
        if first is None or first.WhichOneof("part") != "start":
            raise RequestError("expected the first message to say what the predicate is about")
        start = first.start
        order = AttestOrder(
            tuple(start.digests),
            start.repository,
            start.predicate_type,
            start.key,
            start.renew,
            start.idempotency_key,
            start.reason,
        )
        with self._metrics.attesting():
            attested = await self._attesting.attest(principal, order, _pieces(messages))
        note, log_id = attested.published.note, self._ledger.log_key.log_id
        return signer_pb2.AttestResponse(
            checkpoint=record_pb2.Checkpoint(note=note, log_id=log_id),
            signature=wire.signature(attested.logged),
            after=attested.after,
            also=[
                signer_pb2.AttestResponse.Also(
                    signature=wire.signature(one.logged), after=one.after
                )
                for one in attested.also
            ],
        )


async def _pieces(messages: AsyncIterator[signer_pb2.AttestRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("part") != "predicate":
            raise RequestError("expected nothing but pieces of the predicate after the start")
        yield message.predicate
