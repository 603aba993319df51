"""ASGI as the Rekor side uses it: a request's parts, and the whole reply as one value.

Spec: asgi.readthedocs.io, specs/www.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from verifier.errors import LimitError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Message = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Reply = tuple[int, bytes, Iterable[tuple[bytes, bytes]]]

MOST = 4 << 20  # bytes of a request's body
PRINCIPAL = "sealbook.principal"  # in a request's scope: who was let in with it
JSON = ((b"content-type", b"application/json"),)


async def read(receive: Receive) -> bytes:
    """Return a request's body; raises `LimitError` when it is too long, or ends early."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise LimitError("the upload was cut off")
        piece = message.get("body", b"")
        size += len(piece)
        if size > MOST:
            raise LimitError("http: request body too large")
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a whole reply."""
    status, body, headers = reply
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
