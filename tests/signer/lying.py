"""A service that lies: it answers over real gRPC with whatever a test makes of a good answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

import grpc

from signer.v1 import record_pb2, signer_pb2
from tests.signer.asking import PATIENCE_S, SIGN_BATCH
from tests.signer.running import InProcess

Messages = list[signer_pb2.SignBatchResponse]
Lie = Callable[[Messages], Any]


class LyingService:
    """Asks a good service, and hands out what `lie` makes of its answer; an async context."""

    def __init__(self, good: InProcess, lie: Lie) -> None:
        self._good, self._lie = good, lie
        self._server = grpc.aio.server()
        handler = grpc.unary_stream_rpc_method_handler(self._answer)
        handlers = {SIGN_BATCH.rpartition("/")[2]: handler}
        generic = grpc.method_handlers_generic_handler("sealbook.v1.Signer", handlers)
        self._server.add_generic_rpc_handlers((generic,))
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def __aenter__(self) -> Self:
        """Start it."""
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self._server.stop(0)

    async def _answer(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        async with grpc.aio.insecure_channel(self._good.addresses.grpc) as channel:
            call = channel.unary_stream(SIGN_BATCH)
            stream = call(request, metadata=self._good.metadata, timeout=PATIENCE_S)
            try:
                good = [signer_pb2.SignBatchResponse.FromString(m) async for m in stream]
            except grpc.aio.AioRpcError as e:
                context.set_trailing_metadata(tuple(e.trailing_metadata()))
                await context.abort(e.code(), e.details())
        lies = self._lie(good)
        for message in good if lies is None else lies:
            yield message if isinstance(message, bytes) else message.SerializeToString()


class CountingService(LyingService):
    """Tells the truth, and counts what it was asked."""

    def __init__(self, good: InProcess) -> None:
        super().__init__(good, lambda _: None)
        self.asked: list[signer_pb2.SignBatchRequest] = []

    async def _answer(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        self.asked.append(signer_pb2.SignBatchRequest.FromString(request))
        async for message in super()._answer(request, context):
            yield message


def signature(messages: Sequence[signer_pb2.SignBatchResponse]) -> record_pb2.Signature:
    """Return the first signature of an answer, to be spoiled."""
    found: record_pb2.Signature = messages[0].answers[0].signatures[0]
    return found
