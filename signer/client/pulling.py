"""Pulling rows from a service, for a mirror: messages as bytes, and what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from ledger.copies.mirror import Part, Piece
from ledger.store import Claim, Head, Row
from signer.client import answer as answered
from signer.client.bearer import EXCHANGE, Bearer
from signer.client.credentials import Credentials
from signer.errors import ServiceUnreachableError
from signer.v1 import access_pb2, ledger_pb2
from verifier import limits
from verifier.errors import MalformedError
from verifier.merkle import Hash

_SILENT_S = 30.0  # a service that says nothing for so long, beyond what it was asked to wait, hangs
_HASH = 32
_OPTIONS = (("grpc.max_receive_message_length", 64 << 20),)


class Puller:
    """Asks one service for what a mirror lacks; an async context manager."""

    def __init__(self, target: str, credentials: Credentials) -> None:
        """Pull from `target`, as HOST:PORT."""
        self._channel = credentials.aio_channel(target, _OPTIONS)
        self._target = target
        self._bearer = Bearer(credentials, self._exchange)

    async def close(self) -> None:
        """Close the connection; a call under way fails."""
        await self._channel.close()

    async def pull(self, tree_size: int, wait_ms: int) -> AsyncIterator[bytes]:
        """Yield the messages of one answer; `tree_size` entries are held durably, it says.

        Raises:
            ServiceError: the service refused; `code` says why.
            ServiceUnreachableError: no answer, or none any more.
        """
        metadata = await self._bearer.metadata()
        call: Any = self._channel.unary_stream(
            "/sealbook.v1.Ledger/Pull",
            request_serializer=ledger_pb2.PullRequest.SerializeToString,
        )(ledger_pb2.PullRequest(tree_size=tree_size, wait_ms=wait_ms), metadata=metadata)
        patience_s = _SILENT_S + wait_ms / 1000
        try:
            while True:
                raw = await asyncio.wait_for(call.read(), patience_s)
                if raw is grpc.aio.EOF:
                    return
                yield raw
        except TimeoutError as e:
            raise ServiceUnreachableError(f"{self._target}: silent for {patience_s:.0f} s") from e
        except grpc.aio.AioRpcError as e:
            error = answered.error(e, self._target)
            self._bearer.told(error)
            raise error from e
        finally:
            call.cancel()

    async def _exchange(self, request: access_pb2.ExchangeRequest) -> access_pb2.ExchangeResponse:
        call: Any = self._channel.unary_unary(
            EXCHANGE,
            request_serializer=access_pb2.ExchangeRequest.SerializeToString,
            response_deserializer=access_pb2.ExchangeResponse.FromString,
        )
        try:
            answer: access_pb2.ExchangeResponse = await call(request, timeout=_SILENT_S)
        except grpc.aio.AioRpcError as e:
            raise answered.error(e, self._target) from e
        return answer


def parse(raw: bytes) -> Part:
    """Return what is in a message.

    Raises:
        MalformedError: it is none of the contract's, or a value in it is of no such size.
    """
    try:
        message = ledger_pb2.PullResponse.FromString(raw)
    except DecodeError as e:
        raise MalformedError("not a message of the contract") from e
    return Part(
        [_row(row) for row in message.rows],
        [_sized(row.dedup) if row.dedup else b"" for row in message.rows],
        [Claim(_sized(c.key), _sized(c.request), _number(c.index)) for c in message.claims],
        list(message.notes),
        _head(message.head) if message.HasField("head") else None,
        [Piece(piece.name, _number(piece.offset), piece.data) for piece in message.bodies],
    )


def _row(row: ledger_pb2.PullResponse.Row) -> Row:
    if not 0 < len(row.entry) <= limits.ENTRY:
        raise MalformedError(f"expected 1 to {limits.ENTRY} bytes of entry, got {len(row.entry)}")
    return Row(
        row.entry,
        row.body or None,
        row.labels,
        _number(row.committed_at),
        row.promise or None,
        row.timestamp or None,
        row.chain or None,
        _number(row.body_size),
    )


def _head(head: ledger_pb2.PullResponse.Head) -> Head:
    return Head(
        _number(head.tree_size),
        Hash(head.root),
        tuple(Hash(node) for node in head.compact),
        _number(head.committed_at),
        head.frozen,
        _sized(head.seal),
    )


def _sized(raw: bytes) -> bytes:
    if len(raw) != _HASH:
        raise MalformedError(f"expected {_HASH} bytes, got {len(raw)}")
    return raw


def _number(value: int) -> int:
    if not 0 <= value < limits.TREE_SIZE:
        raise MalformedError(f"expected a number below 2**63, got {value}")
    return value
