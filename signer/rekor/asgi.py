"""The Rekor routes as a plain ASGI application in front of everything else that HTTP serves.

A framework's request and response would cost more than the work: a client of a log
sends little and waits for one commit.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from grpc import StatusCode

from ledger.errors import FrozenError, UnknownEntryError
from signer.access import Access, authorise
from signer.errors import NotFoundError
from signer.guard import refused
from signer.metrics import Metrics
from signer.rekor import v1, v2
from signer.rekor.uploads import Logged, Uploads
from verifier._strict import decimal
from verifier.errors import LimitError
from verifier.publickey import Key

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Reply = tuple[int, bytes, Iterable[tuple[bytes, bytes]]]
_Handler = Callable[[Scope, Receive, str | None], Awaitable[Reply]]

_CREATED = 201
_MOST = 4 << 20  # bytes of an upload
_PREFIX = "/t/"
_V1, _V2 = "/api/v1/log/entries", "/api/v2/log/entries"
_UNDER_V1 = _V1 + "/"
_API, _TILES = "/api/", ("/api/v2/checkpoint", "/api/v2/tile/", "/api/v2/bodies/")
_LOG, _KEY = "/api/v1/log", "/api/v1/log/publicKey"
_JSON = b"application/json"
_AUTHORIZATION = "authorization"
# As the original's gateway maps them.
_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,  # and whatever else is no fault of the caller's
}
_FROZEN = b"This log has been frozen, please switch to the latest log.\n"


class RekorSide:
    """Answers Rekor's routes, and hands everything else to `others`."""

    def __init__(
        self,
        uploads: Uploads,
        access: Access,
        promise_key: Key,
        metrics: Metrics,
        others: Application,
    ) -> None:
        """Log through `uploads` for whoever `access` lets append."""
        self._uploads = uploads
        self._access = access
        self._promise_key = promise_key
        self._heads = v1.TreeHeads(uploads.ledger.store.origin, promise_key)
        self._metrics = metrics
        self._others = others
        self._log_id = uploads.ledger.log_key.log_id
        self._handlers: Mapping[tuple[str, str], _Handler] = {
            ("POST", _V2): self._upload_v2,
            ("POST", _V1): self._upload_v1,
            ("GET", _V1): self._entry,
            ("GET", _LOG): self._info,
            ("GET", _KEY): self._key,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        path, token = _without_token(scope["path"])
        handler = self._handlers.get((scope["method"], path))
        if handler is None and path.startswith(_UNDER_V1) and scope["method"] == "GET":
            scope, handler = {**scope, "path": path}, self._entry_by_name
        if handler is None and path.startswith(_API) and not path.startswith(_TILES):
            handler = _no_such_path
        if handler is None:
            if token is not None:  # reading needs none, and nobody else is to see it
                scope = {**scope, "path": path, "raw_path": path.encode()}
            await self._others(scope, receive, send)
            return
        try:
            status, body, headers = await handler(scope, receive, token)
        except Exception as e:  # noqa: BLE001  this is where they all end
            status, body, headers = _refusal(e)
        if scope["method"] == "POST":
            self._metrics.count_upload(answered=status == _CREATED)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    async def _upload_v2(self, scope: Scope, receive: Receive, token: str | None) -> Reply:
        self._authorise(scope, token)
        entry = v2.parse(await _body(receive), _MOST)
        logged = await self._uploads.log(entry)
        return _CREATED, v2.answer(logged, self._log_id), ((b"content-type", _JSON),)

    async def _upload_v1(self, scope: Scope, receive: Receive, token: str | None) -> Reply:
        self._authorise(scope, token)
        entry = v1.parse(await _body(receive), _MOST)
        logged = await self._uploads.log(entry)
        name = v1.uuid(logged.record.index, logged.record.entry)
        headers = (
            (b"content-type", _JSON),
            (b"etag", name.encode()),
            (b"location", f"{_V1}/{name}".encode()),
        )
        return _CREATED, self._told(logged), headers

    async def _entry(self, scope: Scope, _: Receive, __: str | None) -> Reply:
        query = dict(parse_qsl(scope["query_string"].decode("ascii", "replace")))
        logged = self._uploads.logged(decimal(query.get("logIndex", "")))
        return 200, self._told(logged), ((b"content-type", _JSON),)

    async def _entry_by_name(self, scope: Scope, _: Receive, __: str | None) -> Reply:
        name: str = scope["path"].removeprefix(_UNDER_V1)
        logged = self._uploads.logged(v1.index_in(name))
        if name != v1.uuid(logged.record.index, logged.record.entry):
            raise UnknownEntryError(f"no entry {name}")
        return 200, self._told(logged), ((b"content-type", _JSON),)

    async def _info(self, _: Scope, __: Receive, ___: str | None) -> Reply:
        published = self._uploads.ledger.published
        told = v1.log_info(published.checkpoint, self._heads.note(published))
        return 200, told, ((b"content-type", _JSON),)

    async def _key(self, _: Scope, __: Receive, ___: str | None) -> Reply:
        return 200, self._promise_key.public.pem(), ((b"content-type", b"application/x-pem-file"),)

    def _told(self, logged: Logged) -> bytes:
        return v1.answer(logged, self._heads.note(logged.published))

    def _authorise(self, scope: Scope, token: str | None) -> None:
        if token is None:
            sent = [
                (_AUTHORIZATION, value.decode("latin-1"))
                for name, value in scope["headers"]
                if name == b"authorization"
            ]
            authorise(self._access.authenticate_appending(sent), "append")
        else:
            authorise(self._access.holder(token), "append")


async def _no_such_path(_: Scope, __: Receive, ___: str | None) -> Reply:
    raise NotFoundError("Not Found")


def _without_token(path: str) -> tuple[str, str | None]:
    """Return the path behind `/t/<token>`, and the token, if there is one."""
    if not path.startswith(_PREFIX):
        return path, None
    token, slash, rest = path.removeprefix(_PREFIX).partition("/")
    return slash + rest, token


async def _body(receive: Receive) -> bytes:
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise LimitError("the upload was cut off")
        piece = message.get("body", b"")
        size += len(piece)
        if size > _MOST:
            raise LimitError("http: request body too large")
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)


def _refusal(error: Exception) -> Reply:
    """Return what the caller is told, in the original's words where clients read them."""
    told = refused(error)
    headers = [(b"sealbook-code", told.code.encode()), (b"cache-control", b"no-store")]
    if isinstance(error, FrozenError):
        return 405, _FROZEN, (*headers, (b"content-type", b"text/plain; charset=utf-8"))
    if told.status is StatusCode.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b'Basic realm="sealbook"'))
    known = told.status if told.status in _STATUS else StatusCode.UNAVAILABLE
    if known is StatusCode.UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    hint = f"; {told.hint}" if told.hint else ""
    message = f"{told.message} ({told.code}{hint})"
    body = json.dumps({"code": known.value[0], "message": message, "details": []}).encode()
    return _STATUS[known], body, (*headers, (b"content-type", _JSON))
