"""Somebody else's timestamp authority: `openssl ts` behind a real HTTP server on loopback.

    with OpensslAuthority(tmp_path) as authority:
        OutsideAuthority(authority.url, authority.chain, HttpTransport()).stamp(b"signature")

What it is asked, what it answers and how can be changed by a test.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.signer.authorities import TIME_STAMPING, Foreign, pem

OPENSSL = shutil.which("openssl") or "openssl"
_CONFIG = """\
[tsa]
serial = serial
crypto_device = builtin
signer_cert = leaf.pem
certs = root.pem
signer_key = key.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
ess_cert_id_alg = sha256
"""


class Reply(NamedTuple):
    """What goes back over HTTP."""

    body: bytes
    status: int = 200
    media_type: str = "application/timestamp-reply"


class Asked(NamedTuple):
    """What came over HTTP."""

    body: bytes
    media_type: str


class OpensslAuthority:
    """Answers whatever `openssl ts -reply` answers, unless `reply` is replaced."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        key, somebody = ec.generate_private_key(ec.SECP256R1()), Foreign()
        leaf = somebody.certified(key.public_key(), purposes=(TIME_STAMPING,), critical=True)
        self.pem = pem([leaf, somebody.root])
        self.chain = tuple(c.public_bytes(Encoding.DER) for c in (leaf, somebody.root))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files = {
            "leaf.pem": pem([leaf]),
            "root.pem": pem([somebody.root]),
            "key.pem": private,
            "tsa.conf": _CONFIG.encode(),
        }
        directory.mkdir(exist_ok=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
        self.asked: list[Asked] = []
        self.reply: Callable[[bytes], Reply] = lambda query: Reply(self.answer(query))
        self.gone = threading.Event()  # when nobody waits for an answer any more
        self._lock = threading.Lock()  # openssl keeps the serial number in a file
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsr"

    def answer(self, query: bytes) -> bytes:
        """Return the response of openssl to a query (DER)."""
        with self._lock:
            (self._directory / "query").write_bytes(query)
            command = (OPENSSL, "ts", "-reply", "-config", "tsa.conf", "-section", "tsa")
            files = ("-queryfile", "query", "-out", "reply")
            subprocess.run([*command, *files], cwd=self._directory, capture_output=True, check=True)
            return (self._directory / "reply").read_bytes()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gone.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                authority.asked.append(Asked(body, self.headers["content-type"]))
                reply = authority.reply(body)
                self.send_response(reply.status)
                self.send_header("content-type", reply.media_type)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler
