"""A server that answers as OpenBao would, unless it is told to answer otherwise.

    with Lying() as server:
        server.says["sign"] = lambda answer: answer(200, {"data": {"signature": "vault:v1:AAAA"}})

Its key is in this process, so that a test can make it sign wrongly.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Answering(BaseHTTPRequestHandler):
    """One connection, over which several requests may come."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        lying = self.server.lying
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = json.loads(raw) if raw else {}
        kind = next(part for part in ("lookup-self", "sign", "keys") if part in self.path)
        lying.asked.append((kind, dict(self.headers), request))
        with lying.lock:
            say = lying.says.get(kind)
        (say or getattr(lying, kind.replace("-", "_")))(self, request)

    def send(self, status: int, body: object = None, **headers: str) -> None:
        """Send an answer; a body of bytes as it is."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    lying: Lying
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # whoever asked has gone


Say = Callable[[Answering, dict[str, Any]], object]


class Lying:
    """Listens at `address`; `says` is how it answers what, `asked` what it was asked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.says: dict[str, Say] = {}
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.private = ec.generate_private_key(ec.SECP256R1())
        self._server = _Server(("127.0.0.1", 0), Answering)
        self._server.lying = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def lookup_self(self, answer: Answering, _: dict[str, Any]) -> None:
        """Say that the token is for ever."""
        answer.send(200, {"data": {"ttl": 0, "renewable": False}})

    def keys(self, answer: Answering, _: dict[str, Any]) -> None:
        """Describe the key."""
        answer.send(200, {"data": self.description()})

    def description(self, **more: object) -> dict[str, object]:
        """Return the description of the key, with more or other fields."""
        pem = self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "type": "ecdsa-p256",
            "latest_version": 2,
            "min_encryption_version": 0,
            "exportable": False,
            "allow_plaintext_backup": False,
            "derived": False,
            "deletion_allowed": False,
            "keys": {"2": {"public_key": pem.decode()}},
            **more,
        }

    def sign(self, answer: Answering, request: dict[str, Any]) -> None:
        """Sign."""
        answer.send(200, {"data": {"signature": self.signature(request)}})

    def signature(self, request: dict[str, Any], version: str = "v2") -> str:
        """Return the signature that was asked for, as that of a version."""
        scheme = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        made = self.private.sign(base64.b64decode(request["input"]), scheme)
        return f"vault:{version}:{base64.b64encode(made).decode()}"
