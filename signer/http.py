"""The HTTP side: bundles and trust files for verifiers, health and metrics for operators.

Tiles and bodies are in `signer.tiles_http`. All but bodies may be read by whoever
can reach the port: what is served is signed, or checked by whoever fetches it.
Who may reach it is the network's matter.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ledger.ledger import Ledger
from signer import tiles_http
from signer.access import Access
from signer.errors import ConfigError, NotFoundError
from signer.guard import refused
from signer.metrics import Metrics
from signer.service import find_bundles
from verifier._strict import decimal
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.repository import Repository
from verifier.trust import TrustRoot

_JSON = "application/json"
_STATUS = {
    "unauthenticated": 401,
    "permission-denied": 403,
    "not-found": 404,
    "unknown-entry": 404,
    "internal-error": 500,
}


def application(
    ledger: Ledger,
    access: Access,
    metrics: Metrics,
    trust_files: dict[str, Path],
    ready: Callable[[], bool],
) -> Starlette:
    """Return the ASGI application; `trust_files` are served by their key under /v1/.

    What trust.json says of logs and witnesses is there for other tools too, as a
    policy of c2sp.org/tlog-policy.

    Bundles come a page at a time: `next` is the `start` of the next one, or 0.
    """

    async def bundles(request: Request) -> Response:
        digest = Digest(request.path_params["digest"])
        named = request.query_params.get("repository")
        repository = Repository(named) if named else None
        start = decimal(request.query_params.get("start", "0"))
        published, log_id = ledger.published, ledger.log_key.log_id
        found, after = await asyncio.to_thread(
            find_bundles, ledger, published, digest, repository, start
        )
        if not found and not start and not after:
            raise NotFoundError(f"no bundle for {digest}")
        rendered = [p.record.bundle(p.proof, published.note, log_id).json() for p in found]
        body = b'{"bundles":[%b],"next":%d}' % (b",".join(rendered), after)
        return Response(body, media_type=_JSON)

    async def trust_file(request: Request) -> Response:
        path = trust_files[request.url.path.rpartition("/")[2]]
        return Response(await asyncio.to_thread(path.read_bytes), media_type=_JSON)

    async def policy(_: Request) -> Response:
        pinned = await asyncio.to_thread(trust_files["trust.json"].read_bytes)
        try:
            return PlainTextResponse(str(TrustRoot.parse(pinned).policy()))
        except VerificationError as e:  # ours, and not the caller's
            raise ConfigError(f"the trust file cannot be read: {e.message}") from e

    async def scrape(_: Request) -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4")

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        if ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", status_code=503)

    routes = {
        "/v1/bundles/{digest}": bundles,
        **{f"/v1/{name}": trust_file for name in trust_files},
        "/v1/tlog-policy": policy,
        **tiles_http.routes(ledger, access),
        "/metrics": scrape,
        "/healthz": healthz,
        "/readyz": readyz,
    }
    app = Starlette(routes=[Route(path, _guarded(handler)) for path, handler in routes.items()])
    app.router.redirect_slashes = False
    return app


def _guarded(
    handler: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Turn whatever `handler` raises into a JSON refusal, as the gRPC guard does."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as e:  # noqa: BLE001  this is where they all end
            told = refused(e)
            status = 400 if isinstance(e, VerificationError) else _STATUS.get(told.code, 503)
            body = {"code": told.code, "message": told.message, "hint": told.hint}
            # What is not there yet may be there in a second: no cache may remember a refusal.
            headers = {"cache-control": "no-store"}
            if status == _STATUS["unauthenticated"]:
                headers["www-authenticate"] = "Bearer"
            return Response(json.dumps(body), status, headers, _JSON)

    return guarded
