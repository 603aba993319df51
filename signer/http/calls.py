"""HTTP/JSON twins of the calls that build runners make, for those without Python: curl is enough.

    POST /v1/sign          SignRequest        ->  SignResponse
    POST /v1/sign-batch    SignBatchRequest   ->  SignBatchResponse, one a line
    POST /v1/get-bundles   GetBundlesRequest  ->  GetBundlesResponse, one a line
    POST /v1/publish       PublishRequest     ->  PublishResponse
    GET  /v1/publications?…                       ListPublicationsResponse, one a line; the fields
                                                  of ListPublicationsRequest are the query
    POST /v1/pulls         ReportPullsRequest ->  ReportPullsResponse
    GET  /v1/pulls?…                              ListPullsResponse, one a line
    POST /v1/exchange      ExchangeRequest    ->  ExchangeResponse
    POST /v1/attest?…      the predicate itself; the fields of AttestRequest.Start are the query

Messages are those of the contract in protobuf's JSON mapping. The same table of
methods answers, with the same rights and the same refusals: `signer.http.guard` lets in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from signer.errors import RequestError, UnknownRequestFieldError
from signer.guard import Method
from signer.http.guard import principal_of
from signer.v1 import signer_pb2
from verifier.errors import LimitError

Handler = Callable[[Request], Awaitable[Response]]

_JSON, _LINES = "application/json", "application/x-ndjson"
_MOST = 1 << 20  # bytes of a request, as over gRPC
_PIECE = 256 << 10
_TWINS = {
    "/v1/sign": "/sealbook.v1.Signer/Sign",
    "/v1/sign-batch": "/sealbook.v1.Signer/SignBatch",
    "/v1/get-bundles": "/sealbook.v1.Signer/GetBundles",
    "/v1/publish": "/sealbook.v1.Signer/Publish",
    "/v1/pulls": "/sealbook.v1.Signer/ReportPulls",
    "/v1/exchange": "/sealbook.v1.Access/Exchange",
}
_LISTS = {
    "/v1/publications": "/sealbook.v1.Signer/ListPublications",
    "/v1/pulls": "/sealbook.v1.Signer/ListPulls",
}
_ATTEST = "/sealbook.v1.Signer/Attest"
_REPEATED = ("digests",)
_TRUTHS = ("renew", "waiting")
_TRUTH = {"true": True, "false": False}


def routes(table: Mapping[str, Method]) -> dict[str, Handler]:
    """Return the handlers of the twins of methods in `table`, by path, all for POST."""

    def twin(name: str) -> Handler:
        method = table[name]

        async def call(request: Request) -> Response:
            principal = principal_of(request)
            asked = _parse(method.request, await _body(request))
            if method.unary is not None:
                return Response(_print(await method.unary(principal, asked)), media_type=_JSON)
            assert method.streaming is not None
            answers = method.streaming(principal, asked)
            # What is refused is refused before anything is sent.
            first = await anext(answers, None)
            return StreamingResponse(_lines(first, answers), media_type=_LINES)

        return call

    async def attest(request: Request) -> Response:
        method = table[_ATTEST]
        principal = principal_of(request)
        assert method.uploading is not None
        answer = await method.uploading(principal, _upload(request))
        return Response(_print(answer), media_type=_JSON)

    handlers = {path: twin(name) for path, name in _TWINS.items() if name in table}
    return {**handlers, "/v1/attest": attest} if _ATTEST in table else handlers


def lists(table: Mapping[str, Method]) -> dict[str, Handler]:
    """Return the handlers of what is listed by methods in `table`, by path, all for GET."""

    def twin(name: str) -> Handler:
        method = table[name]

        async def get(request: Request) -> Response:
            asked = method.request()
            query = _query(request)
            _checked(lambda: json_format.ParseDict(query, asked), asked)
            assert method.streaming is not None
            answers = method.streaming(principal_of(request), asked)
            first = await anext(answers, None)
            return StreamingResponse(_lines(first, answers), media_type=_LINES)

        return get

    return {path: twin(name) for path, name in _LISTS.items() if name in table}


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > _MOST:
            raise LimitError(f"expected a request of at most {_MOST} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def _upload(request: Request) -> AsyncIterator[signer_pb2.AttestRequest]:
    """Yield the query as the start of an upload, and the body as its pieces."""
    query = _query(request)
    start = signer_pb2.AttestRequest.Start()
    _checked(lambda: json_format.ParseDict(query, start), start)
    yield signer_pb2.AttestRequest(start=start)
    async for piece in request.stream():
        for at in range(0, len(piece), _PIECE):
            yield signer_pb2.AttestRequest(predicate=piece[at : at + _PIECE])


def _query(request: Request) -> dict[str, Any]:
    """Return what the query says, as JSON would."""
    query: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in _REPEATED:
            query.setdefault(name, []).append(value)
        elif name in query:
            raise RequestError(f"expected {name[:40]!r} once")
        else:
            query[name] = _TRUTH.get(value, value) if name in _TRUTHS else value
    return query


async def _lines(first: Message | None, rest: AsyncIterator[Message]) -> AsyncIterator[bytes]:
    if first is None:
        return
    yield _print(first)
    async for message in rest:
        yield _print(message)


def _parse(kind: type[Message], body: bytes) -> Message:
    message = kind()
    if not body.lstrip(b" \t\r\n").startswith(b"{"):  # protobuf takes any empty value for a message
        raise RequestError(f"expected a {message.DESCRIPTOR.full_name} as a JSON object")
    _checked(lambda: json_format.Parse(body, message), message)
    return message


def _checked(parse: Callable[[], object], message: Message) -> None:
    """Run a parser of protobuf's; raises `RequestError` for what it does not take."""
    name = message.DESCRIPTOR.full_name
    try:
        parse()
    except json_format.ParseError as e:
        if "has no field named" in str(e):
            raise UnknownRequestFieldError(
                f"a {name} with a field that is not in the contract"
            ) from e
        raise RequestError(f"expected a {name} in JSON: {e}") from e
    except (UnicodeDecodeError, RecursionError) as e:
        raise RequestError(f"expected a {name} in JSON") from e


def _print(message: Message) -> bytes:
    return json_format.MessageToJson(message, indent=None).encode() + b"\n"
