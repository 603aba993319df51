"""The C2SP side of HTTP: checkpoint, tiles and entry bundles for watchers, bodies for readers.

Each is at `/` and under `/api/v2/`. A path that is not in the grammar is 400,
percent-encoding included; one that is, and that the published tree does not
have, is 404.

Entries are hashes and signatures. A body says which image was signed for whom, so it is for
those who may read about that repository, and no cache on the way may keep it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ledger.ledger import Ledger
from ledger.resources import Large, Resource, Resources, parse_body_path
from ledger.tiles import parse_path
from signer.errors import NotFoundError
from signer.http.guard import principal_of
from signer.seeing import Sight
from verifier.errors import MalformedError

Handler = Callable[[Request], Awaitable[Response]]

_PREFIXES = ("", "/api/v2")


def routes(ledger: Ledger) -> dict[str, Handler]:
    """Return the handlers by path, for Starlette."""
    resources = Resources(
        ledger.store,
        ledger.public_note,
        lambda: ledger.published.checkpoint.tree_size,
        ledger.bodies,
    )

    async def checkpoint(request: Request) -> Response:
        return _answer(request, await asyncio.to_thread(resources.checkpoint))

    async def tile(request: Request) -> Response:
        path = _path(request)
        return _answer(request, await asyncio.to_thread(resources.tile, parse_path(path)))

    async def body(request: Request) -> Response:
        name = parse_body_path(_path(request))
        await asyncio.to_thread(_check_seen, ledger, request, name)
        large = await asyncio.to_thread(resources.large, name)
        if large is not None:
            return await _streamed(request, name, large)
        return _answer(request, await asyncio.to_thread(resources.body, name))

    handlers = {"/checkpoint": checkpoint, "/tile/{path:path}": tile, "/bodies/{path:path}": body}
    return {prefix + path: handler for prefix in _PREFIXES for path, handler in handlers.items()}


def _path(request: Request) -> str:
    """Return the path below the prefix; one that needed decoding is a second spelling."""
    path: str = request.scope["path"]
    raw: bytes = request.scope["raw_path"]
    if raw != path.encode():
        raise MalformedError(f"expected no percent-encoding, found {raw[:80]!r}")
    return path.removeprefix("/api/v2").removeprefix("/")


def _check_seen(ledger: Ledger, request: Request, name: str) -> None:
    """Raise for a body that the caller is not shown what is raised for one that is not there."""
    sight = Sight(principal_of(request))
    index = None if sight.everything else ledger.store.body(name)
    if index is not None and not sight.shows(ledger.row(index).labels):
        raise _none(request)


def _none(request: Request) -> NotFoundError:
    return NotFoundError(f"the published tree has no {request.url.path[:80]}")


def _answer(request: Request, resource: Resource | None) -> Response:
    if resource is None:
        raise _none(request)
    headers = _headers(resource, hashlib.sha256(resource.body).hexdigest())
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    return Response(resource.body, headers=headers)


async def _streamed(request: Request, name: str, large: Large) -> Response:
    """Answer with a body that lies in a file, a piece at a time.

    What is missing is refused. What is altered shows with its last piece, which the
    client then misses: it was told how many bytes there are.
    """
    headers = _headers(large, name.partition(":")[2])
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    first = await asyncio.to_thread(next, large.pieces)
    headers["content-length"] = str(large.size)
    return StreamingResponse(chain((first,), large.pieces), headers=headers)


def _headers(resource: Resource | Large, sha256: str) -> dict[str, str]:
    return {
        "content-type": resource.media_type,
        "cache-control": resource.cache_control,
        "etag": f'"{sha256[:32]}"',
        "x-content-type-options": "nosniff",
    }


def _is_known(request: Request, headers: dict[str, str]) -> bool:
    known = request.headers.get("if-none-match", "")
    return headers["etag"] in (one.strip().removeprefix("W/") for one in known.split(","))
