"""The HTTP side: trust files for verifiers, health and metrics for operators.

Bundles are in `signer.bundles_http`, tiles and bodies in `signer.tiles_http`, calls of
build runners in `signer.json_http`. All but bodies may be read by whoever
can reach the port: what is served is signed, or checked by whoever fetches it.
Who may reach it is the network's matter.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from grpc import StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ledger.ledger import Ledger
from signer import bundles_http, json_http, tiles_http
from signer.access import Access
from signer.errors import ConfigError
from signer.guard import Method, refused
from signer.metrics import Metrics
from verifier.errors import VerificationError
from verifier.trust import TrustRoot

_JSON = "application/json"
_TOML = "application/toml"
# As google.rpc.Code maps them; what is full or busy may pass, and says so.
_STATUS = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.FAILED_PRECONDITION: 409,
    StatusCode.INTERNAL: 500,
    StatusCode.UNIMPLEMENTED: 501,
}


def application(
    ledger: Ledger,
    access: Access,
    metrics: Metrics,
    *,
    trust_files: dict[str, Path],
    signing_config: bytes,
    ready: Callable[[], bool],
    table: Mapping[str, Method],
) -> Starlette:
    """Return the ASGI application; `trust_files` are served by their key under /v1/.

    What trust.json says of logs and witnesses is there for other tools too, as a
    policy of c2sp.org/tlog-policy.
    """

    async def trust_file(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        content = await asyncio.to_thread(trust_files[name].read_bytes)
        media_type = _TOML if name.endswith(".toml") else _JSON
        # Whoever gets an older one from a cache does not learn what was revoked since.
        return Response(content, 200, {"cache-control": "no-cache"}, media_type)

    async def signing(_: Request) -> Response:
        return Response(signing_config, media_type=_JSON)

    async def policy(_: Request) -> Response:
        pinned = await asyncio.to_thread(trust_files["trust.json"].read_bytes)
        try:
            return PlainTextResponse(str(TrustRoot.parse(pinned).tlog_policy()))
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
        **bundles_http.routes(ledger),
        **{f"/v1/{name}": trust_file for name in trust_files},
        "/v1/signing_config.json": signing,
        "/v1/tlog-policy": policy,
        **tiles_http.routes(ledger, access),
        "/metrics": scrape,
        "/healthz": healthz,
        "/readyz": readyz,
    }
    posts = json_http.routes(table, access)
    app = Starlette(
        routes=[
            *(Route(path, _guarded(handler)) for path, handler in routes.items()),
            *(Route(path, _guarded(post), methods=["POST"]) for path, post in posts.items()),
        ]
    )
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
            status = _STATUS.get(told.status, 503)
            body = {"code": told.code, "message": told.message, "hint": told.hint}
            body |= {"request": told.request} if told.request else {}
            # What is not there yet may be there in a second: no cache may remember a refusal.
            headers = {"cache-control": "no-store"}
            if told.status is StatusCode.UNAUTHENTICATED:
                headers["www-authenticate"] = "Bearer"
            return Response(json.dumps(body), status, headers, _JSON)

    return guarded
