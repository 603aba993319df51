"""Foreign readers: a client of C2SP logs that knows nothing of us reads what we publish."""

from __future__ import annotations

import random
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.ledger import foreign
from tests.ledger.example_log import EXAMPLE, KEY, VKEY, from_folder, from_store
from tests.ledger.foreign import Fetch, Log, judge
from tests.ledger.hosting import NGINX, nginx, python_server
from tests.ledger.making import ORIGIN, script
from tests.ledger.planted import empty, plant
from tests.signer.asking import REPOSITORY, item
from tests.signer.running import Process, serving
from tests.signer.world import init


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 600, 4097, 65_535, 65_536, 65_537])
def test_larger_trees(size: int) -> None:
    """
    Where tiles and levels fill up, a foreign client reads on.
    """
    store = empty(EXAMPLE)
    plant(store, [b"%d" % i for i in range(size)])

    judge(Log(from_store(store, size), VKEY), random.Random(size))


def test_older_checkpoint() -> None:
    """
    A client that still holds an older checkpoint finds the widths that it implies.
    """
    store = empty(EXAMPLE)
    plant(store, [b"%d" % i for i in range(1000)])
    for size in (1, 17, 255, 256, 300, 700, 999):
        old = KEY.checkpoint(store, size).encode()
        judge(Log(_holding(old, from_store(store, 1000)), VKEY), random.Random(size))


def _holding(checkpoint: bytes, fetch: Fetch) -> Fetch:
    """Fetch what `fetch` does, for a client that still holds this checkpoint."""
    return lambda path: checkpoint if path == "checkpoint" else fetch(path)


def test_the_client_is_foreign() -> None:
    """
    The client loads nothing of ours, so that no mistake of ours can excuse another.
    """
    code = "import sys, tests.ledger.foreign\nfor name in sys.modules: print(name)"
    loaded = {name.partition(".")[0] for name in script(code)}

    assert "cryptography" in loaded
    assert loaded.isdisjoint({"verifier", "ledger", "signer"})


@pytest.mark.parametrize("what", ["entry", "leaf", "inner", "checkpoint", "signature"])
def test_the_client_is_no_fool(what: str) -> None:
    """
    What a foreign client accepts means something: a log with one bit changed, it refuses.
    """
    store = empty(EXAMPLE)
    plant(store, [b"%d" % i for i in range(600)])
    honest = from_store(store, 600)

    def fetch(path: str) -> bytes | None:
        content = honest(path)
        targets = {"entry": "tile/entries/001", "leaf": "tile/0/001", "inner": "tile/1/000.p/2"}
        if content is None or path != targets.get(what, "checkpoint"):
            return content
        at = {"checkpoint": len(EXAMPLE) + 2, "signature": len(content) - 9}.get(what, 40)
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    with pytest.raises(Exception):  # noqa: B017  whichever of its checks finds it
        judge(Log(fetch, VKEY), random.Random(1))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service in a process of its own, with 302 entries."""
    with serving(init(tmp_path_factory.mktemp("live") / "service")) as service:
        with service.client() as client:
            for some in (range(150), range(150, 300)):
                client.sign_batch(REPOSITORY, [item(n) for n in some])
        yield service


def vkey_of(service: Process) -> str:
    """The Ed25519 verifier key of a service's ledger, as its trust file has it."""
    vkeys = [str(log.checkpoint_key) for log in service.trust.logs]
    [ed25519] = [vkey for vkey in vkeys if vkey.split("+", 2)[2].startswith("A")]
    return ed25519


@pytest.mark.parametrize("prefix", ["/", "/api/v2/"])
def test_service(live: Process, prefix: str) -> None:
    """
    A foreign client reads a running service over HTTP, at both of its prefixes.
    """
    log = Log(foreign.over_http(live.addresses.http, prefix), vkey_of(live))
    found = judge(log, random.Random(1))

    assert (ORIGIN, 302) == (log.head.origin, len(found))
    assert live.verify(_signed_again(live, 17)).index == 19


def _signed_again(service: Process, n: int) -> object:
    """Ask for an image that was approved, which is answered with what is there."""
    with service.client() as client:
        return client.sign(item(n).digest, REPOSITORY)


@pytest.fixture(scope="module")
def exported(live: Process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the running service."""
    www = tmp_path_factory.mktemp("exported") / "www"
    done = live.command("ledger", "export", www)
    assert 0 == done.returncode, done.stderr
    return www


def test_exported_folder(live: Process, exported: Path) -> None:
    """
    A foreign client reads an export as files, and finds what the service serves.
    """
    log = Log(from_folder(exported), vkey_of(live))
    served = Log(foreign.over_http(live.addresses.http), vkey_of(live))

    assert judge(log, random.Random(2)) == served.entries()
    assert served.head == log.head


def test_exported_over_http(live: Process, exported: Path) -> None:
    """
    An export that a plain web server serves is a log to a foreign client.
    """
    with python_server(exported) as address:
        assert 302 == len(judge(Log(foreign.over_http(address), vkey_of(live)), random.Random(3)))


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_exported_by_nginx(live: Process, exported: Path) -> None:
    """
    An export behind nginx is a log to a foreign client, described as the specification wants it.
    """
    with nginx(exported) as address:
        assert 302 == len(judge(Log(foreign.over_http(address), vkey_of(live)), random.Random(4)))
        for path, media_type, cached in (
            ("/checkpoint", "text/plain; charset=utf-8", "public, max-age=1"),
            ("/tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("/tile/0/001.p/46", "application/octet-stream", "public, max-age=31536000, immutable"),
        ):
            connection = HTTPConnection(address)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            told = (
                answer.status,
                answer.getheader("Content-Type"),
                answer.getheader("Cache-Control"),
            )
            assert (200, media_type, cached) == told
