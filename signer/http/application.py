"""The HTTP side: trust files for verifiers, health and metrics for operators.

Bundles are in `signer.http.bundles`, signatures for Podman in `signer.http.lookaside`, tiles
and bodies in `signer.http.tiles`, calls of build runners in `signer.http.calls`. Who may have
what is in `signer.access.table`, and `signer.http.guard` in front of all of it: whatever a
handler raises, it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from ledger.ledger import Ledger
from signer.errors import ConfigError, NotFoundError
from signer.guard import Method
from signer.http import bundles, calls, lookaside, tiles
from signer.metrics import Metrics
from signer.status.in_force import InForce
from verifier.errors import VerificationError
from verifier.trust import TrustRoot

_JSON = "application/json"
_TOML = "application/toml"
_FRESH = {"cache-control": "no-cache"}


def application(
    ledger: Ledger,
    metrics: Metrics,
    *,
    in_force: InForce,
    trust_files: dict[str, Path],
    policy_file: Callable[[], bytes | None],
    signing_config: bytes,
    ready: Callable[[], bool],
    table: Mapping[str, Method],
) -> Router:
    """Return the ASGI application; `trust_files` are served by their key under /v1/.

    `policy_file` is what an image needs, as it is in force: a file that was changed since is
    not handed out before it is logged.

    What trust.json says of logs and witnesses is there for other tools too, as a
    policy of c2sp.org/tlog-policy.
    """

    async def trust_file(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        content = await asyncio.to_thread(trust_files[name].read_bytes)
        # Whoever gets an older one from a cache does not learn what was revoked since.
        return Response(content, 200, _FRESH, _JSON)

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
        **bundles.routes(ledger),
        **lookaside.routes(ledger, in_force),
        **{f"/v1/{name}": trust_file for name in trust_files},
        "/v1/policy.toml": _policy(policy_file),
        "/v1/signing_config.json": signing,
        "/v1/tlog-policy": policy,
        **tiles.routes(ledger),
        **calls.lists(table),
        "/metrics": scrape,
        "/healthz": healthz,
        "/readyz": readyz,
    }
    posts = calls.routes(table)
    return Router(
        [
            *(Route(path, handler) for path, handler in routes.items()),
            *(Route(path, post, methods=["POST"]) for path, post in posts.items()),
        ],
        redirect_slashes=False,
    )


def _policy(policy_file: Callable[[], bytes | None]) -> Callable[[Request], Awaitable[Response]]:
    async def policy(_: Request) -> Response:
        content = policy_file()
        if content is None:
            raise NotFoundError("no policy is handed out here")
        return Response(content, 200, _FRESH, _TOML)

    return policy
