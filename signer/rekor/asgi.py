"""The Rekor routes as a plain ASGI application in front of everything else that HTTP serves.

A framework's request and response would cost more than the work: a client of a log
sends little and waits for one commit.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable

from grpc import StatusCode

from ledger.errors import FrozenError
from signer.access import Access, authorise
from signer.errors import NotFoundError
from signer.guard import refused
from signer.metrics import Metrics
from signer.rekor import v1, v1_answers, v2
from signer.rekor.messages import JSON, MOST, Application, Receive, Reply, Scope, Send, read
from signer.rekor.reading import ENTRIES, Reading
from signer.rekor.uploads import Uploads
from verifier.publickey import Key

_CREATED = 201
_PREFIX = "/t/"
_UPLOADS = {"/api/v2/log/entries": 2, ENTRIES: 1}  # path -> version
_API, _TILES = "/api/", ("/api/v2/checkpoint", "/api/v2/tile/", "/api/v2/bodies/")
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
        self._reading = Reading(uploads, promise_key)
        self._metrics = metrics
        self._others = others
        self._log_id = uploads.ledger.log_key.log_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        path, token = _without_token(scope["path"])
        version = _UPLOADS.get(path) if scope["method"] == "POST" else None
        if version is not None:
            status, body, headers = await _refusing(self._upload(version, scope, receive, token))
            self._metrics.count_upload(answered=status == _CREATED)
        elif path.startswith(_API) and not path.startswith(_TILES):
            handler = self._reading.handler(scope["method"], path) or _no_such_path
            status, body, headers = await _refusing(handler(scope, receive))
        else:
            if token is not None:  # reading needs none, and nobody else is to see it
                scope = {**scope, "path": path, "raw_path": path.encode()}
            await self._others(scope, receive, send)
            return
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    async def _upload(
        self, version: int, scope: Scope, receive: Receive, token: str | None
    ) -> Reply:
        self._authorise(scope, token)
        raw = await read(receive)
        if version == 2:
            logged = await self._uploads.log(v2.parse(raw, MOST))
            return _CREATED, v2.answer(logged, self._log_id), JSON
        logged = await self._uploads.log(v1.parse(raw, MOST))
        name = v1_answers.uuid(logged.record.index, logged.record.entry)
        location = f"{ENTRIES}/{name}".encode()
        headers = (*JSON, (b"etag", name.encode()), (b"location", location))
        return _CREATED, await self._reading.answer(logged), headers

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


async def _no_such_path(_: Scope, __: Receive) -> Reply:
    raise NotFoundError("Not Found")


def _without_token(path: str) -> tuple[str, str | None]:
    """Return the path behind `/t/<token>`, and the token, if there is one."""
    if not path.startswith(_PREFIX):
        return path, None
    token, slash, rest = path.removeprefix(_PREFIX).partition("/")
    return slash + rest, token


async def _refusing(reply: Awaitable[Reply]) -> Reply:
    try:
        return await reply
    except Exception as e:  # noqa: BLE001  this is where they all end
        return _refusal(e)


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
    return _STATUS[known], body, (*headers, *JSON)
