"""The Rekor routes as a plain ASGI application in front of everything else that HTTP serves.

A framework's request and response would cost more than the work: a client of a log
sends little and waits for one commit.
"""

from __future__ import annotations

from signer.access import Principal
from signer.errors import NotFoundError
from signer.http.refusal import is_rekors
from signer.metrics import Metrics
from signer.rekor import v1, v1_answers, v2
from signer.rekor.messages import (
    JSON,
    MOST,
    PRINCIPAL,
    Application,
    Receive,
    Reply,
    Scope,
    Send,
    read,
    send_reply,
)
from signer.rekor.reading import ENTRIES, Reading
from signer.rekor.uploads import Uploads
from verifier.publickey import Key

_CREATED = 201
_UPLOADS = {"/api/v2/log/entries": 2, ENTRIES: 1}  # path -> version


class RekorSide:
    """Answers Rekor's routes, and hands everything else to `others`."""

    def __init__(
        self, uploads: Uploads, promise_key: Key, metrics: Metrics, others: Application
    ) -> None:
        """Log through `uploads` for whoever was let in to append."""
        self._uploads = uploads
        self._reading = Reading(uploads, promise_key)
        self._metrics = metrics
        self._others = others
        self._log_id = uploads.ledger.log_key.log_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise what refuses it."""
        path = scope["path"]
        version = _UPLOADS.get(path) if scope["method"] == "POST" else None
        if version is not None:
            answer = await self._upload(version, scope, receive)
            self._metrics.count_upload(answered=True)
        elif is_rekors(path):
            handler = self._reading.handler(scope["method"], path)
            if handler is None:
                raise NotFoundError("Not Found")
            answer = await handler(scope, receive)
        else:
            await self._others(scope, receive, send)
            return
        await send_reply(send, answer)

    async def _upload(self, version: int, scope: Scope, receive: Receive) -> Reply:
        principal: Principal = scope[PRINCIPAL]
        raw = await read(receive)
        if version == 2:
            logged = await self._uploads.log(v2.parse(raw, MOST), principal)
            return _CREATED, v2.answer(logged, self._log_id), JSON
        logged = await self._uploads.log(v1.parse(raw, MOST), principal)
        name = v1_answers.uuid(logged.record.index, logged.record.entry)
        location = f"{ENTRIES}/{name}".encode()
        headers = (*JSON, (b"etag", name.encode()), (b"location", location))
        return _CREATED, await self._reading.answer(logged), headers
