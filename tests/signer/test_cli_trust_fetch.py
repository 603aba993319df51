"""`sealbook trust sync`: where files come from, and no more of them than may be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.signer.asking import digest
from tests.signer.commands import ROOT as CHECKOUT
from tests.signer.commands import check_refused, one
from tests.signer.revoking import Image, revoke, sign
from tests.signer.roots import (
    OLD,
    good,
    sha256,
)
from tests.signer.running import running
from tests.signer.syncing import kept, sync, unchanged
from tests.signer.test_tls import use_tls
from tests.signer.world import World
from verifier import limits


@pytest.fixture
def pinned(world: World) -> World:
    """A founded service whose trust files somebody pinned in `kept`."""
    good(sync(world, "--pin", sha256(world.directory / OLD)))
    return world


@contextmanager
def answering(status: int, *headers: tuple[str, str], slow: bool = False) -> Iterator[str]:
    """Serve one answer to every question; a slow one never ends."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for header in headers:
                self.send_header(*header)
            self.end_headers()
            while slow and not stopped.wait(0.05):
                self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


def test_from_a_service(world: World) -> None:
    """
    From a running service comes what was revoked since, whose proof is in the ledger.
    """
    with running(world) as service:
        url = f"http://{service.addresses.http}/"
        good(sync(world, "--first", source=url))
        sign(service, 1)
        revoke(service, image=Image(digest=digest(1), repository=""))
        said = good(sync(world, source=url))
        shown = good(world.command("trust", "show", "kept"))
        value = one(world.command("trust", "show", "kept", "--json"))

    assert "~ status version " in said
    assert f"+ revoked: {digest(1)} in *, by entry 2: a mistake" in said
    assert f"    {digest(1)} in *, by entry 2: a mistake [proven]" in shown
    assert ["proven"] == [row["proof"] for row in value["status"]["revocations"]]
    assert 3 == value["status"]["tree_size"]
    unchanged(world, "unreachable", source=url)


def test_over_tls(world: World) -> None:
    """
    Over TLS the server's certificate has to be good by `--ca`.
    """
    use_tls(world)
    with running(world) as service:
        url = f"https://{service.addresses.http}"
        check_refused(sync(world, "--first", source=url), "unreachable")
        good(sync(world, "--first", "--ca", "tls.pem", source=url))

    assert (world.directory / OLD).read_bytes() == kept(world)["trust.json"]


def test_what_it_needs(pinned: World) -> None:
    """
    From a directory files are taken on the base install, and from a URL with httpx and no more.
    """
    code = (
        "import sys; from signer import cli\n"
        "assert 0 == cli.main(['trust', 'sync', '.', 'kept'])\n"
        "assert not {'httpx', 'grpc', 'pydantic', 'rich'} & set(sys.modules), sys.modules\n"
        "cli.main(['trust', 'sync', 'http://127.0.0.1:1', 'kept'])\n"
        "assert not {'grpc', 'pydantic', 'starlette'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pinned.directory,
        env={"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert "(unreachable)" in done.stderr


def test_no_trust_file(pinned: World, tmp_path: Path) -> None:
    """
    A source without a trust file, or none at all, changes nothing.
    """
    unchanged(pinned, "bad-request", source=tmp_path)
    unchanged(pinned, "source", source=tmp_path / "none")


@pytest.mark.parametrize("name", ["trust.json", "status.json", "policy.toml"])
def test_too_large(pinned: World, name: str) -> None:
    """
    No more of a file is read than may be in it.
    """
    most = {"trust.json": limits.TRUST_FILE, "status.json": limits.STATUS_FILE}
    usb = pinned.directory / "usb"
    shutil.copytree(pinned.directory / "kept", usb)
    with (usb / name).open("wb") as file:
        file.truncate(most.get(name, limits.POLICY) + 1)

    unchanged(pinned, "source", source=usb)


def test_redirect(pinned: World) -> None:
    """
    A redirect is not followed, to whatever host.
    """
    with running(pinned) as service:
        elsewhere = f"http://{service.addresses.http}/v1/trust.json"
        with answering(302, ("location", elsewhere)) as url:
            assert "found 302" in unchanged(pinned, "source", source=url)


def test_server_that_never_ends(pinned: World) -> None:
    """
    A server that sends a byte now and then is given up when the time for all of it is over.
    """
    with answering(200, slow=True) as url:
        said = unchanged(pinned, "unreachable", "--timeout", 1, source=url)

    assert "no answer in 0." in said


def test_json_of_a_refusal(pinned: World) -> None:
    """
    A refusal is JSON too, with its code.
    """
    done = sync(pinned, "--json", source="none")
    assert "source" == json.loads(done.stdout)["error"]
