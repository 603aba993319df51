"""Bait: an image that nobody signed, in a registry of its own on loopback.

Each bait is new, so that no runtime has it, and no cache a word about it. It can be pulled under
any repository and tag, by whoever asks: that it is refused is what has to be seen. It has one
empty layer and would run nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG = "bait"
REPOSITORY = "sealbook-check/unsigned"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_EMPTY_TAR = bytes(10240)
_TLS = b"\x16"  # the first byte of a handshake


class Bait(NamedTuple):
    """The image and where it is served."""

    address: str
    digest: str

    @property
    def reference(self) -> str:
        """Its name, as a runtime is told."""
        return f"{self.address}/{REPOSITORY}:{TAG}"


@contextmanager
def laid() -> Iterator[Bait]:
    """Serve a bait meanwhile, over plain HTTP, to this machine alone."""
    blobs, digest = _image()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # Who speaks TLS is told in HTTP that there is none, and containerd tries without.
            if self.connection.recv(1, socket.MSG_PEEK) == _TLS:
                self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            else:
                super().handle()

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            kind, content = _answered(self.path, blobs, digest)
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "application/json")
            self.send_header("Content-Length", str(len(content)))
            if kind:
                self.send_header("Docker-Content-Digest", _digest(content))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield Bait(f"127.0.0.1:{server.server_address[1]}", digest)
        finally:
            server.shutdown()


def _answered(path: str, blobs: dict[str, tuple[str, bytes]], digest: str) -> tuple[str, bytes]:
    """Return type and content of what is asked for; no type when there is none."""
    path = path.partition("?")[0]
    if path in ("/v2", "/v2/"):
        return "application/json", b"{}"
    asked = path.rpartition("/")[2]
    if path.endswith(f"/manifests/{TAG}"):
        return blobs[digest]
    if asked in blobs and ("/manifests/" in path or "/blobs/" in path):
        return blobs[asked]
    return "", b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'


def _image() -> tuple[dict[str, tuple[str, bytes]], str]:
    layer = gzip.compress(_EMPTY_TAR, mtime=0)
    config = {
        "architecture": _MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Labels": {"sealbook.check": secrets.token_hex(16)}},
        "rootfs": {"type": "layers", "diff_ids": [_digest(_EMPTY_TAR)]},
    }
    configured = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, configured),
        "layers": [_descriptor(LAYER, layer)],
    }
    content = json.dumps(manifest).encode()
    blobs = {
        _digest(content): (MANIFEST, content),
        _digest(configured): (CONFIG, configured),
        _digest(layer): (LAYER, layer),
    }
    return blobs, _digest(content)


def _descriptor(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
