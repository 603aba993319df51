"""A registry that lies: it sends what a test tells it to, byte by byte, and no more than that.

`HostileRegistry` is a double of nobody: what it does, no honest registry does.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

SLACK = 10  # on a machine that is busy, nothing is timed closer than this
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
JSON = {"Content-Type": "application/json"}


class Asked(NamedTuple):
    """One request that came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Sends = Callable[[Asked], Iterable[bytes]]


def answer(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> list[bytes]:
    """An honest answer, after which the connection goes on."""
    said = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return [f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body]


def told(value: Any, headers: Mapping[str, str] | None = None, media_type: str = "") -> list[bytes]:
    """An honest answer in JSON."""
    kind = {"Content-Type": media_type or "application/json"}
    return answer(200, json.dumps(value).encode(), {**kind, **(headers or {})})


def moved(location: str, status: int = 307) -> list[bytes]:
    """A redirect."""
    return answer(status, b"", {"Location": location})


class HostileRegistry:
    """Listens on loopback while it is entered; `sends` says what goes out for a path or method.

    What is not in `sends` is answered with 404, without words.
    """

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.sends: dict[str, Sends] = {}
        self.holds: dict[str, threading.Event] = {}  # whose bodies are not read before it is set
        self.asked: list[Asked] = []
        self.connections = 0
        self._over = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.connections += 1
                with contextlib.suppress(OSError):
                    while outer._one(self):
                        pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

        self._server = Server((host, 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.host, self.port = host, self._server.server_address[1]
        self.address = f"{host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def slowly(self, pieces: Iterable[bytes], pause_s: float) -> Iterator[bytes]:
        """Send `pieces`, with a pause after each, until the test is over."""
        for piece in pieces:
            yield piece
            if self._over.wait(pause_s):
                return

    def to(self, path: str) -> list[Asked]:
        """Return what was asked of `path`."""
        return [one for one in self.asked if one.path == path]

    def _one(self, handler: socketserver.StreamRequestHandler) -> bool:
        line = handler.rfile.readline(1 << 16)
        if not line.strip():
            return False
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (raw := handler.rfile.readline(1 << 16)).strip():
            name, _, value = raw.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if held := self.holds.get(f"{method} {target.partition('?')[0]}"):
            held.wait()
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(method, target, headers, body)
        self.asked.append(asked)
        send = self.sends.get(f"{method} {asked.path}") or self.sends.get(asked.path)
        for piece in send(asked) if send else answer(404):
            if method == "HEAD":  # is answered without its body
                piece = piece.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"  # noqa: PLW2901
            handler.wfile.write(piece)
            handler.wfile.flush()
        return True


@contextlib.contextmanager
def bounded(*, seconds: float, mebibytes: float) -> Iterator[None]:
    """Assert that what is done meanwhile needs no more than that, times `SLACK`."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        took, most = time.monotonic() - began, tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()
    assert took <= seconds * SLACK, f"took {took:.1f} s"
    assert most <= mebibytes * SLACK, f"needed {most:.0f} MiB"
