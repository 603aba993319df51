"""A witness over HTTP, as a plain ASGI callable: what it reads, for how long, and from where.

    POST /add-checkpoint                 cosign a checkpoint that grew
    POST /sign-subtree                   cosign a part of a cosigned tree
    GET  /<hex SHA-256(origin)>/checkpoint   the newest cosigned checkpoint of a log
    GET  /health                         "ok"

Anybody may ask: what counts is the log's signature in the request. So a body is
capped before it is read, and must be there within seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from ledger.errors import DamagedError, LedgerError, StorageFailedError
from ledger.witness.judge import Answer, Judge
from ledger.witness.wire import BODY
from verifier.errors import SealbookError

READ_S = 10.0  # for a whole body

_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Witness:
    """The ASGI application of one witness."""

    def __init__(
        self,
        judge: Judge,
        on_failure: Callable[[LedgerError], None],
        *,
        read_s: float = READ_S,
    ) -> None:
        """Answer with what `judge` says.

        `on_failure` is told when the disk failed: the process must end then.
        """
        self._judge = judge
        self._on_failure = on_failure
        self._read_s = read_s
        self._posts = {"/add-checkpoint": judge.add_checkpoint, "/sign-subtree": judge.sign_subtree}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert scope["type"] == "http"
        method, path = scope["method"], scope["path"]
        answer, headers, close = await self._answer(method, path, scope["headers"], receive)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    (b"content-type", answer.media_type.encode()),
                    (b"content-length", str(len(answer.body)).encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                    *headers,
                    # What is left of a body that we do not want must not be read either.
                    *([(b"connection", b"close")] if close else []),
                ],
            }
        )
        body = b"" if method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], receive: Receive
    ) -> tuple[Answer, list[tuple[bytes, bytes]], bool]:
        """Return the answer, headers of its own, and whether to close the connection."""
        allowed = "POST" if path in self._posts else "GET, HEAD"
        asked = _CHECKPOINT.fullmatch(path)
        if path not in self._posts and not asked and path != "/health":
            return Answer(404, b"there is nothing here\n"), [], True
        if method not in allowed.split(", "):
            return Answer(405, b"not so\n"), [(b"allow", allowed.encode())], True
        if path == "/health":
            return Answer(200, b"ok\n"), [], False
        if asked:
            origin_hash = bytes.fromhex(asked[1])
            return await self._judged(self._judge.checkpoint, origin_hash), [], False
        body = await self._read(headers, receive)
        if isinstance(body, Answer):
            return body, [], True
        return await self._judged(self._posts[path], body), [], False

    async def _judged(self, judge: Callable[[bytes], Answer], body: bytes) -> Answer:
        try:
            # The disk and the signatures take milliseconds: on a thread, not on the loop.
            return await asyncio.to_thread(judge, body)
        except SealbookError as e:
            if isinstance(e, DamagedError | StorageFailedError):
                self._on_failure(e)
            return Answer(503, f"nothing was cosigned: {e.code}\n".encode())

    async def _read(
        self, headers: Iterable[tuple[bytes, bytes]], receive: Receive
    ) -> bytes | Answer:
        """Return the body, or the refusal of one that is too large or too slow."""
        too_large = Answer(413, f"expected at most {BODY} bytes\n".encode())
        told = dict(headers).get(b"content-length", b"0")
        if len(told) > 18 or not told.isdigit() or int(told) > BODY:
            return too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return Answer(400, b"the request ended early\n")
                    body += message.get("body", b"")
                    if len(body) > BODY:
                        return too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            return Answer(408, f"expected the request within {self._read_s:g} s\n".encode())
        return bytes(body)
