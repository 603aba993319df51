"""Images that were approved, whoever hands their bundles out, and a webhook's files for them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.pull.admission.webhook import Client, Command
from tests.pull.papers import Authority, Pair
from tests.verifier.making import World
from verifier.digest import Digest
from verifier.repository import Repository
from verifier.statement import approval

_EXPIRES = 2**32


class Approved:
    """`count` images of one repository, each approved, and one more that nobody approved."""

    def __init__(self, count: int, repository: str = "registry.example/shop/web") -> None:
        self.repository = Repository(repository)
        self.world = World(expires=_EXPIRES)
        self.images = [Digest.of(f"image {i}".encode()) for i in range(count)]
        self.unsigned = Digest.of(b"signed by nobody")
        self.bundles: dict[str, bytes] = {}
        for image in self.images:
            self.world.payload = approval(self.repository, image, {})
            self.bundles[image] = self.world.bundle.json()

    def named(self, image: str) -> str:
        """Return how a pod names an image."""
        return f"{self.repository}@{image}"

    def trust(self, directory: Path) -> Path:
        """Write the trust file of it all into a directory."""
        directory.mkdir(parents=True, exist_ok=True)
        trust_file = self.world.trust.json()
        (directory / "trust.json").write_bytes(trust_file)
        return directory


class Handing:
    """A double of our service: hands out bundles, and trust files from a directory.

    `pause_s` is how long it takes; with `drips` it sends a byte a second and never ends.
    """

    def __init__(self, approved: Approved, trust: Path | None = None) -> None:
        self.approved, self.trust = approved, trust
        self.asked: Counter[str] = Counter()
        self.reported: list[dict[str, Any]] = []
        self.pause_s = 0.0
        self.drips = False
        self._lock = threading.Lock()
        handing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                handing.answer(self)

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                handing.reported += json.loads(self.rfile.read(length))["pulls"]
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, at: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(at.path)
        name = parts.path.rpartition("/")[2]
        with self._lock:
            self.asked[name] += 1
        if self.drips:
            self._drip(at)
            return
        time.sleep(self.pause_s)
        content, status = self._content(name, parse_qs(parts.query)), 200
        if content is None:
            content, status = b'{"code":"not-found","message":"none","hint":""}', 404
        at.send_response(status)
        at.send_header("content-type", "application/json")
        at.send_header("content-length", str(len(content)))
        at.end_headers()
        at.wfile.write(content)

    def _content(self, name: str, query: dict[str, list[str]]) -> bytes | None:
        if name.startswith("sha256:"):
            if name not in self.approved.bundles or query["repository"] != [
                self.approved.repository
            ]:
                return None
            page = {"bundles": [json.loads(self.approved.bundles[name])], "next": 0}
            return json.dumps(page).encode()
        if self.trust is not None and (self.trust / name).exists():
            return (self.trust / name).read_bytes()
        return None

    @staticmethod
    def _drip(at: BaseHTTPRequestHandler) -> None:
        try:
            at.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            for _ in range(60):
                at.wfile.write(b" ")
                time.sleep(1)
        except OSError:
            pass  # whoever asked has gone

    def images(self) -> dict[str, int]:
        """Return how often each image was asked about."""
        with self._lock:
            return {name: n for name, n in self.asked.items() if name.startswith("sha256:")}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Site:
    """The files of one webhook in a directory, as an operator writes them."""

    def __init__(self, directory: Path, *, service: str = "", sources: str = '["service"]') -> None:
        self.directory = directory
        self.authority = Authority(directory / "papers")
        self.pair = self.authority.issue("webhook")
        self.pair.key.chmod(0o600)
        self.pull = f'trust = "trust"\nsources = {sources}\n[cache]\nrefused_s = 0\n'
        if service:
            self.pull += f'[service]\nurl = "{service}"\n'
        self.listen = "drain_s = 0\n"
        self.more = ""

    def write(self) -> Path:
        """Write settings; return the file that the command is told."""
        (self.directory / "pull.toml").write_text(self.pull)
        path = self.directory / "admission.toml"
        path.write_text(
            f'pull = "pull.toml"\n[listen]\naddress = "127.0.0.1:0"\n'
            f'tls_certificate = "{self.pair.certificate}"\ntls_key = "{self.pair.key}"\n'
            f"{self.listen}{self.more}"
        )
        return path

    def replace(self, pair: Pair) -> None:
        """Put another certificate where ours is, the key first, as two files are replaced."""
        for new, old in ((pair.key, self.pair.key), (pair.certificate, self.pair.certificate)):
            beside = old.with_suffix(".new")
            beside.write_bytes(new.read_bytes())
            beside.chmod(0o600)
            beside.rename(old)


@contextmanager
def running(site: Site) -> Iterator[tuple[Client, Command]]:
    """The command on a site's files, and somebody who asks it."""
    with Command(site.write()) as command:
        yield Client(command.port, site.authority.certificate), command
