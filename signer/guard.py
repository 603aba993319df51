"""The outermost guard of every call: one table of methods, default deny.

A call that is not in the table is refused. For the others, in this order: the
bytes become a request without unknown fields, the caller becomes a principal,
the handler runs, and whatever it raises becomes a gRPC status with a stable
code. Nothing that we did not mean to say reaches a client: for an unexpected
error it gets a reference, and the log gets the rest under that reference.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from ledger import errors as ledger_errors
from signer import errors
from signer.access import Access, Grant, Principal, Where, admit
from signer.access.table import METHODS, Row
from verifier.errors import RevokedError, SealbookError, VerificationError
from verifier.repository import EVERYWHERE

log = structlog.get_logger()

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Unary = Callable[[Principal, Any], Awaitable[Message]]
Streaming = Callable[[Principal, Any], AsyncIterator[Message]]
Uploading = Callable[[Principal, AsyncIterator[Any]], Awaitable[Message]]
_LOCAL_ADMIN = Principal(
    "urn:sealbook:socket",
    "admin",
    dict.fromkeys(
        ("operate", "delete-body", "bind", "bind-any", "read", "agree", "audit", "monitor"),
        (Grant(Where(EVERYWHERE), "listen.operator"),),
    ),
    proof="socket",
)

# The first row whose class fits decides. What is not here is an internal error.
_STATUS: tuple[tuple[type[SealbookError], grpc.StatusCode], ...] = (
    (errors.UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (errors.WhereError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.AccessError, grpc.StatusCode.UNAVAILABLE),
    (errors.IssuerError, grpc.StatusCode.UNAVAILABLE),
    (errors.RateError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.TrailError, grpc.StatusCode.UNAVAILABLE),
    (errors.UnknownMethodError, grpc.StatusCode.UNIMPLEMENTED),
    (errors.RequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.UnknownSigningKeyError, grpc.StatusCode.NOT_FOUND),
    (errors.NotFoundError, grpc.StatusCode.NOT_FOUND),
    (errors.ApprovalNeededError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.UploadError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.KeyFailedError, grpc.StatusCode.UNAVAILABLE),
    (errors.KeyUnavailableError, grpc.StatusCode.UNAVAILABLE),
    (errors.KeyRetiredError, grpc.StatusCode.UNAVAILABLE),
    (errors.KeyHomeError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyStandingError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyUntrustedError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyOverlapError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyBookError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.TrustRestartError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.TimestampError, grpc.StatusCode.UNAVAILABLE),
    (errors.StatusFileError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.UnknownEntryError, grpc.StatusCode.NOT_FOUND),
    (ledger_errors.IdempotencyError, grpc.StatusCode.ALREADY_EXISTS),
    (ledger_errors.ForeignLedgerError, grpc.StatusCode.INVALID_ARGUMENT),
    (ledger_errors.FrozenError, grpc.StatusCode.FAILED_PRECONDITION),
    (ledger_errors.ClockError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.StorageFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ledger_errors.QueueFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ledger_errors.EntryError, grpc.StatusCode.INVALID_ARGUMENT),
    (ledger_errors.StorageBusyError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.StoppingError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.QuorumError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.MirrorBehindError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.WitnessAheadError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.RollbackError, grpc.StatusCode.FAILED_PRECONDITION),
    (RevokedError, grpc.StatusCode.FAILED_PRECONDITION),
    (VerificationError, grpc.StatusCode.INVALID_ARGUMENT),
)

_PASSING = (ledger_errors.QueueFullError, ledger_errors.StorageBusyError)
_PUSHBACK_MS = 1000
_MOST_CALLS = 512  # under way at once


class Refused(NamedTuple):
    """What a caller is told. `message` holds nothing that is ours alone.

    `request` is the id of the request that others have to approve first, if any.
    """

    status: grpc.StatusCode
    code: str
    message: str
    hint: str
    request: str = ""


class Method(NamedTuple):
    """What a method takes, and what answers; who may call it says `signer.access.table`."""

    request: type[Message]
    unary: Unary | None = None
    streaming: Streaming | None = None
    uploading: Uploading | None = None


class Guard(grpc.GenericRpcHandler):
    """Answers every method of `table`, and refuses all others.

    With `access` None the caller is whoever could open the admin socket.
    """

    def __init__(
        self, table: Mapping[str, Method], access: Access | None, most: int = _MOST_CALLS
    ) -> None:
        """Guard the full method names of `table`, as in "/sealbook.v1.Signer/Sign".

        More than `most` calls under way are refused here, with a code and a hint: gRPC's own
        limit refuses while the request still arrives, and some callers then see CANCELLED.
        """
        self._access = access
        self._most = most
        self._under_way = 0
        self._handlers = {name: self._handler(name, method) for name, method in table.items()}
        self._unknown: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            _refuse_unknown
        )

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a method; an unknown one's says so."""
        return self._handlers.get(details.method, self._unknown)

    def _handler(self, name: str, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
        row = METHODS[name]
        if method.uploading is not None:
            return grpc.stream_unary_rpc_method_handler(
                self._uploading(row, method, method.uploading), response_serializer=_serialize
            )
        if method.unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(row, method, method.unary), response_serializer=_serialize
            )
        assert method.streaming is not None
        return grpc.unary_stream_rpc_method_handler(
            self._streaming(row, method, method.streaming), response_serializer=_serialize
        )

    def _unary(
        self, row: Row, method: Method, answer: Unary
    ) -> Callable[[bytes, _Context], Awaitable[Any]]:
        async def unary(raw: bytes, context: _Context) -> Message:
            try:
                with self._one_more():
                    return await answer(*self._admit(row, method, raw, context))
            except asyncio.CancelledError:
                raise
            except Exception as e:
                await refuse(context, e)
                raise AssertionError from e  # abort has raised already

        return unary

    def _streaming(
        self, row: Row, method: Method, answer: Streaming
    ) -> Callable[[bytes, _Context], AsyncIterator[Any]]:
        async def streaming(raw: bytes, context: _Context) -> AsyncIterator[Message]:
            try:
                with self._one_more():
                    async for message in answer(*self._admit(row, method, raw, context)):
                        yield message
            except asyncio.CancelledError:
                raise
            except Exception as e:  # noqa: BLE001  this is where they all end
                await refuse(context, e)

        return streaming

    def _uploading(
        self, row: Row, method: Method, answer: Uploading
    ) -> Callable[[AsyncIterator[bytes], _Context], Awaitable[Any]]:
        async def uploading(raw: AsyncIterator[bytes], context: _Context) -> Message:
            try:
                with self._one_more():
                    principal = self._authorised(row, context)
                    pieces = (parse(method.request, piece) async for piece in raw)
                    return await answer(principal, pieces)
            except asyncio.CancelledError:
                raise
            except Exception as e:
                await refuse(context, e)
                raise AssertionError from e  # abort has raised already

        return uploading

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if self._under_way >= self._most:
            raise ledger_errors.QueueFullError(f"expected at most {self._most} calls under way")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _admit(
        self, row: Row, method: Method, raw: bytes, context: _Context
    ) -> tuple[Principal, Message]:
        return self._authorised(row, context), parse(method.request, raw)

    def _authorised(self, row: Row, context: _Context) -> Principal:
        if self._access is None:
            return _LOCAL_ADMIN
        principal = self._access.authenticate(context.invocation_metadata() or ())
        admit(principal, row.actions)
        return principal


def parse(kind: type[Message], raw: bytes) -> Message:
    """Parse a request that has only fields we know, at every level.

    Raises:
        RequestError: not such a message.
        UnknownRequestFieldError: there is more in it than we would check.
    """
    try:
        request = kind.FromString(raw)
    except DecodeError as e:
        raise errors.RequestError(f"expected a {kind.DESCRIPTOR.full_name}") from e
    size = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != size:
        raise errors.UnknownRequestFieldError(
            f"a {kind.DESCRIPTOR.full_name} with a field that is not in the contract"
        )
    return request


def refused(error: Exception) -> Refused:
    """Return what a caller may be told about `error`, and log what they may not."""
    if isinstance(error, errors.KeyFailedError) and error.__cause__ is not None:
        # By its kind alone: what a device says may hold what it should not.
        cause = type(error.__cause__).__name__
        log.critical("a key failed, and is out of use", error=error.message, cause=cause)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            request = error.request if isinstance(error, errors.ApprovalNeededError) else ""
            return Refused(status, error.code, error.message, error.hint, request)
    reference = secrets.token_hex(4)
    log.error("internal error", reference=reference, exc_info=error)
    return Refused(
        grpc.StatusCode.INTERNAL,
        "internal-error",
        f"the service failed, reference {reference}",
        "give the reference to whoever runs the service",
    )


async def refuse(context: _Context, error: Exception) -> None:
    """End the call with the status, code and hint of `error`.

    What passes by itself says when to try again, as gRPC's own retries read it
    (gRFC A6, "grpc-retry-pushback-ms").
    """
    told = refused(error)
    metadata = [
        ("sealbook-code", told.code),
        ("sealbook-hint", told.hint.encode("ascii", "replace").decode()),
    ]
    if told.request:
        metadata.append(("sealbook-request", told.request))
    if isinstance(error, _PASSING):
        metadata.append(("grpc-retry-pushback-ms", str(_PUSHBACK_MS)))
    context.set_trailing_metadata(tuple(metadata))
    await context.abort(told.status, f"{told.message} ({told.code})")


async def _refuse_unknown(_: bytes, context: _Context) -> Any:
    await refuse(context, errors.UnknownMethodError("there is no such method"))


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
