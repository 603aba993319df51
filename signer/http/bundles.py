"""Bundles over HTTP: what a verifier at pull time asks for, by digest.

They come a page at a time: `next` is the `start` of the next one, or 0. A large
attestation is read from its file while it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ledger import labels
from ledger.ledger import Ledger
from signer.errors import NotFoundError
from signer.http.guard import principal_of
from signer.seeing import FETCH, Sight
from signer.service.bundles import Bundles, Found
from verifier._strict import decimal
from verifier.digest import Digest
from verifier.repository import Repository

Handler = Callable[[Request], Awaitable[Response]]

_JSON = "application/json"


def routes(ledger: Ledger) -> dict[str, Handler]:
    """Return the handlers by path, for Starlette."""
    about = Bundles(ledger)

    async def bundles(request: Request) -> Response:
        digest = Digest(request.path_params["digest"])
        named = request.query_params.get("repository")
        repository = Repository(named) if named else None
        start = decimal(request.query_params.get("start", "0"))
        published = ledger.published
        page, after = await asyncio.to_thread(
            about.find,
            published,
            digest,
            repository,
            start,
            (labels.BUNDLE,),
            sight=Sight(principal_of(request), FETCH),
        )
        if not page and not start and not after:
            raise NotFoundError(f"no bundle for {digest}")
        body = _body(about, page, published.note, after)
        if any(found.record.body_size for found in page):
            return StreamingResponse(body, media_type=_JSON)
        return Response(b"".join(body), media_type=_JSON)

    return {"/v1/bundles/{digest}": bundles}


def _body(about: Bundles, page: Sequence[Found], note: str, after: int) -> Iterator[bytes]:
    yield b'{"bundles":['
    for n, found in enumerate(page):
        if n:
            yield b","
        yield from about.rendered(found, note)
    yield b'],"next":%d}' % after
