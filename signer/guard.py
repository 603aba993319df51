"""The outermost guard of every call: one table of methods, default deny.

An interceptor, so that nothing that listens is in front of it or beside it: our own methods,
health and reflection alike. A method that has no row in `signer.access.table` is refused, even
if something could answer it. For the others, in this order: the caller becomes a principal and
is let in (`signer.access.admitting`), the bytes become a request without unknown fields, the
handler runs, and whatever it raises becomes a status with a stable code (`signer.refusal`).
Nothing that we did not mean to say reaches a client.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from signer import errors
from signer.access import Principal
from signer.access.admitting import Sent, Visit, is_stranger
from signer.access.credential import secret_in
from signer.access.table import METHODS, Row
from signer.refusal import Refusals, Refused, refused
from signer.under_way import MOST_CALLS, UnderWay
from verifier.errors import SealbookError

__all__ = ["Door", "Guard", "Method", "Refused", "parse", "refused"]

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Metadata = tuple[tuple[str, str | bytes], ...]
_Answer = Callable[[Principal, Any, _Context], Any]  # the bytes of a request, or an iterator
Unary = Callable[[Principal, Any], Awaitable[Message]]
Streaming = Callable[[Principal, Any], AsyncIterator[Message]]
Uploading = Callable[[Principal, AsyncIterator[Any]], Awaitable[Message]]

_PUSHBACK_MS = 1000
_MESSAGE_S = 30  # for a request of at most a megabyte to arrive
_MOST_FOREIGN = 256  # streams of health and reflection, which may stay open for ever
_MOST_NAME = 200  # characters of a method that is not there
_FORWARDED, _PEER_CERTIFICATE = "x-forwarded-for", "x509_pem_cert"


class Method(NamedTuple):
    """What a method takes, and what answers; who may call it says `signer.access.table`."""

    request: type[Message]
    unary: Unary | None = None
    streaming: Streaming | None = None
    uploading: Uploading | None = None


class Door(Protocol):
    """Lets callers in."""

    def stray(self, visit: Visit, sent: Sent) -> None:
        """Note in `visit` where a call comes from of what is not there.

        Raises:
            NetworkError, RateError: as `Admitting.stray`.
        """

    def enter(
        self, visit: Visit, row: Row, sent: Sent, secret: Callable[[], str | None]
    ) -> Principal:
        """Return who calls, once they are let in; raises as `Admitting.enter` does."""


class Guard(grpc.aio.ServerInterceptor):
    """Answers every method of `table`, lets those through that others answer, refuses the rest."""

    def __init__(
        self,
        table: Mapping[str, Method],
        door: Door,
        refusals: Refusals | None = None,
        most: int = MOST_CALLS,
    ) -> None:
        """Guard the full method names of `table`, as in "/sealbook.v1.Signer/Sign".

        More than `most` calls under way are refused here, with a code and a hint: gRPC's own
        limit refuses while the request still arrives, and some callers then see CANCELLED.
        """
        self._door = door
        self._refusals = refusals or Refusals()
        self._ours, self._foreign = UnderWay(most), UnderWay(_MOST_FOREIGN)
        self._handlers = {name: self._own(name, method) for name, method in table.items()}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Return the guarded handler of a method; an unknown one's says so."""
        name = handler_call_details.method
        found = self._handlers.get(name)
        if found is None:
            others = await continuation(handler_call_details)
            if others is None or name not in METHODS:
                return grpc.unary_unary_rpc_method_handler(partial(self._unknown, name))
            found = self._handlers[name] = self._others(name, others)
        return found

    def _own(self, name: str, method: Method) -> _Handler:
        kind = method.request
        one, many = partial(self._one, name, self._ours), partial(self._many, name, self._ours)
        if (uploading := method.uploading) is not None:

            def upload(principal: Principal, raw: AsyncIterator[bytes], _: _Context) -> Any:
                return uploading(principal, (parse(kind, piece) async for piece in raw))

            return grpc.stream_unary_rpc_method_handler(one(upload), response_serializer=_serialize)
        if (unary := method.unary) is not None:

            async def once(principal: Principal, _: Any, context: _Context) -> Message:
                return await unary(principal, parse(kind, await _only(context)))

            return grpc.stream_unary_rpc_method_handler(one(once), response_serializer=_serialize)
        streaming = method.streaming
        assert streaming is not None

        async def parts(principal: Principal, _: Any, context: _Context) -> AsyncIterator[Message]:
            async for part in streaming(principal, parse(kind, await _only(context))):
                yield part

        return grpc.stream_stream_rpc_method_handler(many(parts), response_serializer=_serialize)

    def _others(self, name: str, others: _Handler) -> _Handler:
        """Return the handler of somebody else's method, guarded as our own."""
        assert others.request_deserializer is not None
        read = partial(_read, others.request_deserializer)
        behaviour: Any
        if others.request_streaming:
            behaviour = others.stream_stream if others.response_streaming else others.stream_unary
        else:
            behaviour = others.unary_stream if others.response_streaming else others.unary_unary

        def answer(_: Principal, raw: Any, context: _Context) -> Any:
            if others.request_streaming:
                return behaviour((read(piece) async for piece in raw), context)
            try:
                return behaviour(read(raw), context)
            except NotImplementedError:  # in its contract, and in this version not made
                raise _no_such_method() from None

        # One that writes its answers by itself, as health's Watch does, is awaited.
        wrap = self._many if inspect.isasyncgenfunction(behaviour) else self._one
        make: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[others.request_streaming, others.response_streaming]
        guarded: _Handler = make(
            wrap(name, self._foreign, answer), response_serializer=others.response_serializer
        )
        return guarded

    def _one(
        self, name: str, rooms: UnderWay, answer: _Answer
    ) -> Callable[[Any, _Context], Awaitable[Any]]:
        row = METHODS[name]

        async def one(raw: Any, context: _Context) -> Any:
            visit = Visit(name)
            try:
                with self._entered(visit, row, rooms, context) as principal:
                    return await answer(principal, raw, context)
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception as e:  # noqa: BLE001  this is where they all end
                await self._refuse(context, visit, e)

        return one

    def _many(
        self, name: str, rooms: UnderWay, answer: _Answer
    ) -> Callable[[Any, _Context], AsyncIterator[Any]]:
        row = METHODS[name]

        async def many(raw: Any, context: _Context) -> AsyncIterator[Any]:
            visit = Visit(name)
            try:
                with self._entered(visit, row, rooms, context) as principal:
                    async for message in answer(principal, raw, context):
                        yield message
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception as e:  # noqa: BLE001  this is where they all end
                await self._refuse(context, visit, e)

        return many

    @contextmanager
    def _entered(
        self, visit: Visit, row: Row, rooms: UnderWay, context: _Context
    ) -> Iterator[Principal]:
        """Let the caller in, for as long as the call lasts."""
        metadata: _Metadata = tuple(context.invocation_metadata() or ())
        sent = _sent(context, metadata)
        principal = self._door.enter(visit, row, sent, partial(secret_in, metadata))
        with rooms.room(stranger=is_stranger(principal)):
            yield principal

    async def _unknown(self, name: str, _: bytes, context: _Context) -> None:
        visit = Visit(name[:_MOST_NAME])
        error: SealbookError = _no_such_method()
        try:
            self._door.stray(visit, _sent(context, tuple(context.invocation_metadata() or ())))
        except SealbookError as e:
            error = e
        await self._refuse(context, visit, error)

    async def _refuse(self, context: _Context, visit: Visit, error: Exception) -> None:
        """End the call with the status, code and hint of `error`.

        What passes by itself says when to try again, as gRPC's own retries read it
        (gRFC A6, "grpc-retry-pushback-ms").
        """
        told = self._refusals.of(visit, error)
        metadata: list[tuple[str, str | bytes]] = [
            ("sealbook-code", told.code),
            ("sealbook-hint", told.hint.encode("ascii", "replace").decode()),
            ("sealbook-reference", told.reference),
            ("grpc-status-details-bin", told.details()),
        ]
        if told.request:
            metadata.append(("sealbook-request", told.request))
        if told.passing:
            metadata.append(("grpc-retry-pushback-ms", str(_PUSHBACK_MS)))
        context.set_trailing_metadata(tuple(metadata))
        await context.abort(told.status, f"{told.message} ({told.code})")


async def _only(context: _Context) -> bytes:
    """Return the message of a call that has one, once it is wanted.

    gRPC's own handlers of such calls read it first: then whoever is nobody could have the
    service keep a megabyte for each call that they begin and do not end.
    """
    try:
        async with asyncio.timeout(_MESSAGE_S):
            raw = await context.read()
    except TimeoutError as e:
        raise errors.UploadError(f"expected the request within {_MESSAGE_S} s") from e
    if not isinstance(raw, bytes):
        raise errors.RequestError("expected a request of this method, found none")
    return raw


def _no_such_method() -> errors.UnknownMethodError:
    return errors.UnknownMethodError("there is no such method")


def parse(kind: type[Message], raw: bytes) -> Message:
    """Parse a request that has only fields we know, at every level.

    Raises:
        RequestError: not such a message.
        UnknownRequestFieldError: there is more in it than we would check.
    """
    return _read(kind.FromString, raw)


def _read(deserialize: Callable[[bytes], Message], raw: bytes) -> Message:
    try:
        request = deserialize(raw)
    except DecodeError as e:
        raise errors.RequestError("expected a request of this method") from e
    size = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != size:
        raise errors.UnknownRequestFieldError(
            f"a {request.DESCRIPTOR.full_name} with a field that is not in the contract"
        )
    return request


def _sent(context: _Context, metadata: _Metadata) -> Sent:
    """Return what is known of whoever calls."""
    forwarded = [value for name, value in metadata if name == _FORWARDED]
    shown = context.auth_context().get(_PEER_CERTIFICATE, ())
    return Sent(
        peer=context.peer(),
        certificate=b"".join(shown) if shown else None,  # two would be no certificate
        forwarded=",".join(map(str, forwarded)) if forwarded else None,
    )


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
