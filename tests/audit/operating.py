"""An operator with root over a real service, and an outsider with a trust file of their own.

operator = Operator(tmp_path)
outsider = Outsider(tmp_path, operator)
with operator.serve() as service:
sign(service, 1, 4)
assert [] == outsider.audit(service)
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from signer.client import Signed
from signer.client.credentials import Credentials
from signer.client.source import GrpcSource
from tests.ledger.making import edit
from tests.signer.asking import REPOSITORY, item
from tests.signer.commands import ROOT, Done, sealbook
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

Findings = list[tuple[str, int | None]]


class Operator:
    """Owns machine, keys and database; only what was shown to others is out of reach."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.world = found_in(home / "service")

    def serve(self, world: World | None = None) -> AbstractContextManager[InProcess]:
        """Run the service, or a copy of it."""
        return running(world or self.world)

    def copy(self, name: str) -> World:
        """Copy the whole stopped service, and take the copy over."""
        target = self.home / name
        shutil.copytree(self.world.directory, target, ignore=shutil.ignore_patterns("run"))
        copied = World(target)
        adopted = copied.command("ledger", "adopt")
        assert 0 == adopted.returncode, adopted.stderr
        return copied

    def edit(self, sql: str, *values: object) -> None:
        """Change the database under the running service."""
        edit(self.world.directory / "ledger" / "ledger.db", sql, *values)

    def export(self, service: InProcess, folder: Path, *more: object) -> Path:
        """Write the static tree of a running service, up to what it shows now."""
        note = self.home / "shown"
        with GrpcSource(service.addresses.grpc, Credentials(service.token)) as source:
            note.write_text(source.checkpoint() or "")
        done = service.command("ledger", "export", folder, "--checkpoint", note, *more)
        assert 0 == done.returncode, done.stderr
        return folder


class Outsider:
    """Has pinned the trust file once, and a disk that the operator does not reach."""

    def __init__(self, home: Path, operator: Operator, name: str = "outsider") -> None:
        self.home = home / name
        self.home.mkdir()
        self.trust = self.home / "trust.json"
        self.trust.write_bytes((operator.world.directory / "trust.json").read_bytes())
        self.token = operator.world.directory / "token"
        self.evidence = self.home / "evidence"

    def run(self, *args: object) -> Done:
        """Run `sealbook audit` on something."""
        where = ("--state", self.home / "pin.json", "--evidence", self.evidence, "--json")
        return sealbook("audit", *args, "--trust", self.trust, *where)

    def audit(self, service: InProcess, *more: object, grpc: bool = False) -> Findings:
        """Audit a running service by its tiles, or over gRPC."""
        if grpc:
            where: tuple[object, ...] = ("--service", service.addresses.grpc)
        else:
            where = (f"http://{service.addresses.http}",)
        return self.findings(self.run(*where, "--token-file", self.token, *more))

    def findings(self, done: Done) -> Findings:
        """Return code and index of what an audit found; the exit code says the same."""
        values = [json.loads(line) for line in done.stdout.splitlines()]
        found = [(v["finding"]["code"], v["finding"]["index"]) for v in values if "finding" in v]
        assert (1 if found else 0) == done.returncode, done.stderr
        return found

    def proven(self) -> list[str]:
        """Have a stranger check each evidence file, and return the claims that are proven."""
        claims = []
        for path in sorted(self.evidence.glob("*")):
            done = subprocess.run(
                [sys.executable, "-m", "verifier", "evidence", "--trust", self.trust, path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert 0 == done.returncode, done.stderr
            claims.append(json.loads(path.read_bytes())["claim"])
        return claims


def sign(service: InProcess, start: int, stop: int) -> list[Signed]:
    """Have the images from `start` to before `stop` approved."""
    found: list[Any] = []
    for first in range(start, stop, 256):
        items = [item(n) for n in range(first, min(stop, first + 256))]
        found += service.asking(lambda client, wanted=items: client.sign_batch(REPOSITORY, wanted))
    assert all(isinstance(signed, Signed) for signed in found)
    return found


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP, as any web server would."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
