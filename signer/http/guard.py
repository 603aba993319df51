"""The outermost guard of HTTP: one table of routes, default deny; the twin of `signer.guard`.

A plain ASGI application in front of all others. What has no row in `signer.access.table` is not
there, even if something behind could answer it. For the others: the caller is let in as over
gRPC, and goes on in the request's scope; whatever is raised behind becomes a refusal with the
same codes.

A token may also be in the path's first part, as in /t/TOKEN/api/v2/log/entries, where clients
can be given no more than a URL. No application sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

from starlette.requests import ClientDisconnect, Request

from signer.access import Principal
from signer.access.admitting import Sent, Visit, is_stranger
from signer.access.credential import secret_in
from signer.access.table import ROUTES, Row
from signer.errors import NotFoundError
from signer.guard import Door
from signer.http import refusal
from signer.refusal import Refusals
from signer.rekor.messages import (
    PRINCIPAL,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    send_reply,
)
from signer.under_way import MOST_CALLS, UnderWay

_PREFIX = "/t/"
_MOST_NAME = 200  # characters of a route that is not there


class Route(NamedTuple):
    """A row, and what its route is called."""

    name: str
    row: Row


class HttpGuard:
    """Lets requests to `app` in, or refuses them."""

    def __init__(
        self,
        app: Application,
        door: Door,
        refusals: Refusals | None = None,
        most: int = MOST_CALLS,
    ) -> None:
        """Let in by `door`, at most `most` requests at once."""
        self._app = app
        self._door = door
        self._refusals = refusals or Refusals()
        self._under_way = UnderWay(most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path, token = without_token(scope["path"])
        if token is not None:
            scope = {**scope, "path": path, "raw_path": path.encode()}
        verb = scope["method"]
        route = find(verb, path)
        visit = Visit(route.name if route else f"{verb} {path}"[:_MOST_NAME])
        began = False

        async def sending(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            if route is None:
                await self._stray(visit, scope, send)
                return
            secret = partial(_secret, scope, route.row, token)
            principal = self._door.enter(visit, route.row, _sent(scope), secret)
            scope[PRINCIPAL] = principal
            with self._under_way.room(stranger=is_stranger(principal)):
                await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            raise
        except ClientDisconnect:
            pass  # in the middle of a request: nobody is there to be told
        except Exception as e:
            if began:  # whoever reads it misses the end, and sees that
                raise
            told = self._refusals.of(visit, e)
            await send_reply(send, refusal.reply(path, told, e))

    async def _stray(self, visit: Visit, scope: Scope, send: Send) -> None:
        """Refuse what is not there."""
        self._door.stray(visit, _sent(scope))
        verbs = [verb for verb in ("GET", "POST") if find(verb, scope["path"])]
        if not verbs or refusal.is_rekors(scope["path"]):
            raise NotFoundError("Not Found")
        await send_reply(send, refusal.other_verb(verbs))


def principal_of(request: Request) -> Principal:
    """Return who was let in with this request."""
    return cast("Principal", request.scope[PRINCIPAL])


def without_token(path: str) -> tuple[str, str | None]:
    """Return the path behind `/t/<token>`, and the token, if there is one."""
    if not path.startswith(_PREFIX):
        return path, None
    token, slash, rest = path.removeprefix(_PREFIX).partition("/")
    return slash + rest, token


def find(verb: str, path: str) -> Route | None:
    """Return the route of a request; HEAD is as GET."""
    if verb == "HEAD":
        verb = "GET"
    asked = f"{verb} {path}"
    if (exact := _EXACT.get(asked)) is not None:
        return exact
    for prefix, route in _BELOW:
        if asked.startswith(prefix):
            return route
    return None


def _table(rows: Mapping[str, Row]) -> tuple[dict[str, Route], tuple[tuple[str, Route], ...]]:
    exact, below = {}, []
    for name, row in rows.items():
        fixed, brace, _ = name.partition("{")
        if brace:
            below.append((fixed, Route(name, row)))
        else:
            exact[name] = Route(name, row)
    return exact, tuple(below)


_EXACT, _BELOW = _table(ROUTES)


def _secret(scope: Scope, row: Row, token: str | None) -> str | None:
    """Return what the caller sent to be known by; where it may be in the path, that counts."""
    if token is not None and row.basic:
        return token
    return secret_in(_authorizations(scope), basic=row.basic)


def _authorizations(scope: Scope) -> Iterator[tuple[str, str]]:
    for name, value in scope["headers"]:
        if name.startswith(b"authorization"):
            yield name.decode("latin-1"), value.decode("latin-1")


def _sent(scope: Scope) -> Sent:
    client: Any = scope.get("client")
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return Sent(
        host=client[0] if client else "",
        certificate=scope.get("sealbook.certificate"),
        forwarded=b",".join(forwarded).decode("latin-1") if forwarded else None,
    )
