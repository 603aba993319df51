"""`sealbook.v1.Signer`: messages of other tools, and the keys that sign them."""

from __future__ import annotations

from ledger.ledger import Ledger
from signer.access import Principal
from signer.guard import Method
from signer.message import MessageOrder, Messages
from signer.metrics import Metrics
from signer.service import wire
from signer.v1 import record_pb2, signer_pb2


class MessageService:
    """SignMessage and GetKey."""

    def __init__(self, messages: Messages, ledger: Ledger, metrics: Metrics) -> None:
        """Serve `messages`, which `ledger` keeps."""
        self._messages = messages
        self._ledger = ledger
        self._metrics = metrics

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix = "/sealbook.v1.Signer/"
        return {
            prefix + "SignMessage": Method(signer_pb2.SignMessageRequest, unary=self.sign_message),
            prefix + "GetKey": Method(signer_pb2.GetKeyRequest, unary=self.get_key),
        }

    async def sign_message(
        self, principal: Principal, request: signer_pb2.SignMessageRequest
    ) -> signer_pb2.SignMessageResponse:
        """Sign a message once it was read."""
        order = MessageOrder(
            request.message, request.digest, request.key, request.repository, request.reason
        )
        with self._metrics.signing() as signed:
            answer = await self._messages.sign(principal, order)
            signed(1)
        (record, proof), note = answer.logged, answer.published.note
        log_id = self._ledger.log_key.log_id
        # What nobody read renders to nothing; a large body is left out, and so is its bundle.
        bundle = record.rendered(proof, note, log_id) if record.body else b""
        return signer_pb2.SignMessageResponse(
            signature=answer.signature,
            checkpoint=record_pb2.Checkpoint(note=note, log_id=log_id),
            logged=wire.signature(answer.logged, bundle),
        )

    async def get_key(
        self, _: Principal, request: signer_pb2.GetKeyRequest
    ) -> signer_pb2.GetKeyResponse:
        """Say what a signing key is, and what it may be used for."""
        key = self._messages.key(request.key)
        return signer_pb2.GetKeyResponse(
            name=key.name,
            purpose="raw" if key.raw else key.purpose,
            spki=key.public.spki,
            algorithm=key.public.algorithm.name,
            forms=key.forms,
            chain=key.chain,
        )
