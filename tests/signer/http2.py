"""HTTP/2 by hand: frames that no client library would send.

with Raw(address) as raw:
    raw.send(frame(PING, bytes(8)))
    assert GOAWAY == raw.until(GOAWAY).kind
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple, Self

PATIENCE_S = 60
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    *(0, 1, 3, 4, 6, 7, 8, 9),
)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 6
REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11
LARGEST = 16_384  # of a frame, unless somebody allowed more


class Frame(NamedTuple):
    """What came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """Return a frame (RFC 9113 section 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def headers(pairs: list[tuple[str, str]]) -> bytes:
    """Return a header block of literals without indexing (RFC 7541 section 6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in pairs)


def request(method: str, *more: tuple[str, str]) -> bytes:
    """Return the header block of a call."""
    pairs = [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "x")]
    return headers([*pairs, ("content-type", "application/grpc"), ("te", "trailers"), *more])


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    left, out = len(raw) - 127, b"\x7f"
    while left >= 128:
        out += bytes([left % 128 + 128])
        left //= 128
    return out + bytes([left]) + raw


class Raw:
    """A connection to a server of HTTP/2, over TLS if `context` is given.

    It answers pings, when `polite`.
    """

    def __init__(
        self, address: str, context: ssl.SSLContext | None = None, *, polite: bool = False
    ) -> None:
        """Connect, and say that we speak HTTP/2."""
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self._polite = polite
        self._read = self.socket.makefile("rb")
        self.send(PREFACE + frame(SETTINGS))

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close it, whatever the peer thinks."""
        self._read.close()
        self.socket.close()

    def send(self, raw: bytes) -> None:
        """Send these bytes."""
        self.socket.sendall(raw)

    def frames(self) -> Iterator[Frame]:
        """Yield what comes, until the server closes the connection."""
        while len(head := self._read.read(9)) == 9:
            size = int.from_bytes(head[:3], "big")
            stream = int.from_bytes(head[5:], "big")
            one = Frame(head[3], head[4], stream, self._read.read(size))
            if self._polite and one.kind == PING and not one.flags & ACK:
                self.send(frame(PING, one.payload, ACK))
            yield one

    def until(self, kind: int) -> Frame:
        """Return the next frame of a kind; fails if the connection ends before."""
        for one in self.frames():
            if one.kind == kind and not (kind in {SETTINGS, PING} and one.flags & ACK):
                return one
        raise AssertionError(f"the connection ended before a frame of kind {kind}")

    def settings(self) -> dict[int, int]:
        """Return what the server allows, and say that we have read it."""
        payload = self.until(SETTINGS).payload
        self.send(frame(SETTINGS, flags=ACK))
        six = range(0, len(payload), 6)
        return {
            int.from_bytes(payload[i : i + 2], "big"): int.from_bytes(payload[i + 2 : i + 6], "big")
            for i in six
        }


def code(one: Frame) -> int:
    """Return the error code of RST_STREAM or GOAWAY."""
    return int.from_bytes(one.payload[-4:] if one.kind == RST_STREAM else one.payload[4:8], "big")
