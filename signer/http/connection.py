"""One HTTP connection: who is at its other end, and what it may cost.

A request's line and headers have to come within seconds, its body within two minutes, and who
does not read what is sent is left. Nobody keeps a connection for long, so that each comes back
to the certificate that is in force. The application finds in its scope, beside ASGI's own:

    sealbook.certificate  DER of the certificate that the peer has shown, checked by TLS; or None
    client                the peer itself, never what a header says
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CERTIFICATE = "sealbook.certificate"
_HEAD_S, _BODY_S = 10.0, 120.0
_AGE_S, _GRACE_S = 300.0, 150.0  # a body that is under way then may still come, and be answered
_UNREAD_S = 20.0
_MOST_HEAD = 16 << 10  # bytes of request line and headers
_MOST_HEADERS = 64
_MOST_SILENT = 64 << 10  # bytes that are neither the end of a head nor body
_BODY = json.dumps(
    {
        "code": "headers-too-large",
        "message": f"expected at most {_MOST_HEAD} bytes and {_MOST_HEADERS} headers",
        "hint": "",
    }
).encode()
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)


class TooMuchError(Exception):
    """More headers than a request may have; the parser hands it to nobody but us."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with an end to everything that a peer could draw out."""

    def __init__(self, *args: Any, **more: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*args, **more)
        self._certificate: bytes | None = None
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._old: asyncio.TimerHandle | None = None
        self._head = 0
        self._silent = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at who is there, and begin to wait."""
        super().connection_made(transport)
        secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if secured is not None:
            self._certificate = secured.getpeercert(binary_form=True)
        self._old = self.loop.call_later(_AGE_S, self._end)
        self._wait(_HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        for timer in (self._late, self._unread, self._old):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a peer that sends on and on, and nothing in it, is left."""
        self._silent += len(data)
        super().data_received(data)
        if self._silent > _MOST_SILENT and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """Begin a request, and its clock."""
        super().on_message_begin()
        self.scope.update({CERTIFICATE: self._certificate})  # type: ignore[misc]
        self._in_head, self._head, self._silent = True, 0, 0
        self._wait(_HEAD_S)

    def on_url(self, url: bytes) -> None:
        """Count the request line with the headers."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; what comes behind a body in its clothes is refused."""
        if not self._in_head or len(self.headers) >= _MOST_HEADERS:
            raise TooMuchError
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, if there is one."""
        self._in_head, self._silent = False, 0
        self._wait(_BODY_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing: the answer is ours to give."""
        self._silent = 0
        self._stop_waiting()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Look whether the peer reads at all."""
        super().pause_writing()
        if self._unread is None:
            self._look_at_reading(-1)

    def resume_writing(self) -> None:
        """Look no more: the peer reads."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or has more headers than one may have."""
        if self._in_head and self._head <= _MOST_HEAD and len(self.headers or ()) < _MOST_HEADERS:
            super().send_400_response(msg)
        else:
            self._refuse()

    def _refuse(self) -> None:
        """End the connection; the peer is told, unless an answer is on its way already."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            self.transport.abort()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > _MOST_HEAD:
            raise TooMuchError

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _look_at_reading(self, before: int) -> None:
        """Leave a peer that has read nothing since the last look."""
        now = self.transport.get_write_buffer_size()
        if now == before:
            self.transport.abort()
            return
        self._unread = self.loop.call_later(_UNREAD_S, self._look_at_reading, now)

    def _end(self) -> None:
        """Take no further request on this connection; one under way may end."""
        self.shutdown()
        self._old = self.loop.call_later(_GRACE_S, self.transport.abort)
