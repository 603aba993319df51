"""Bundles over HTTP: what a verifier at pull time asks for, by digest.

They come a page at a time: `next` is the `start` of the next one, or 0. A large
attestation is read from its file while it is sent. With `form=notation` they are signatures
in that form, each with its proof (`verifier.pull.notation`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ledger import labels
from ledger.ledger import Ledger
from signer.errors import NotFoundError, RequestError
from signer.http.guard import principal_of
from signer.seeing import FETCH, Sight
from signer.service.bundles import Bundles, Found
from verifier._strict import decimal
from verifier.digest import Digest
from verifier.note import Note
from verifier.proof import TlogProof
from verifier.pull.notation import MEDIA_TYPE
from verifier.repository import Repository

Handler = Callable[[Request], Awaitable[Response]]

_JSON = "application/json"
_FORMS = (labels.BUNDLE, labels.NOTATION)


def routes(ledger: Ledger) -> dict[str, Handler]:
    """Return the handlers by path, for Starlette."""
    about = Bundles(ledger)

    async def bundles(request: Request) -> Response:
        digest = Digest(request.path_params["digest"])
        named = request.query_params.get("repository")
        repository = Repository(named) if named else None
        start = decimal(request.query_params.get("start", "0"))
        form = request.query_params.get("form", labels.BUNDLE)
        if form not in _FORMS:
            raise RequestError(f"expected the form {' or '.join(_FORMS)}, found {form[:40]!r}")
        published = ledger.published
        page, after = await asyncio.to_thread(
            about.find,
            published,
            digest,
            repository,
            start,
            (form,),
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
        if found.record.form == labels.NOTATION:
            yield _logged(found, note)
        else:
            yield from about.rendered(found, note)
    yield b'],"next":%d}' % after


def _logged(found: Found, note: str) -> bytes:
    """Return a signature in notation's form, with the proof that it is logged."""
    proof = TlogProof(found.proof.index, found.proof.path, Note.parse(note))
    envelope = found.record.rendered(found.proof, note, b"").decode()
    said = json.dumps({"mediaType": MEDIA_TYPE, "proof": str(proof)})
    return f'{said[:-1]}, "envelope": {envelope}}}'.encode()
