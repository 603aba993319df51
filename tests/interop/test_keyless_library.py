"""The library behind the judge of certificates: it may fail in every way, and fetches nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest
from sigstore.verify import Verifier

from tests.interop import handmade
from tests.interop.handmade.bundle import IDENTITY
from tests.interop.tampers import tampers
from tests.verifier.making import refused, verdict
from verifier.pull.keyless import SigstoreJudge

GOOD = handmade.make(certified=True)
WITHOUT = """\
import sys

sys.modules[sys.argv[1]] = None
from verifier.errors import VerificationError

try:
    import verifier.pull.keyless
except VerificationError as e:
    print(e.code, e.hint, sep="\\n")
"""


def judge(*roots: bytes) -> SigstoreJudge:
    return SigstoreJudge(*roots)


class Panic(BaseException):
    """What Rust's panics become in Python."""


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, RecursionError, Panic])
@pytest.mark.parametrize("where", ["verify_dsse", "__init__"])
def test_whatever_the_library_raises(
    monkeypatch: pytest.MonkeyPatch, where: str, error: type[BaseException]
) -> None:
    """
    However sigstore fails, the answer is no.
    """

    def fail(*_: object, **__: object) -> None:
        raise error("a bug")

    monkeypatch.setattr(Verifier, where, fail)

    refused("bad-certificate", lambda: judge(GOOD.trusted_root).certified(GOOD.bundle))


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever stops the program stops it.
    """

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Verifier, "verify_dsse", stop)

    with pytest.raises(KeyboardInterrupt):
        judge(GOOD.trusted_root).certified(GOOD.bundle)


def test_another_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If the library read another payload than we did, neither is believed.
    """
    monkeypatch.setattr(Verifier, "verify_dsse", lambda *_: ("application/vnd.in-toto+json", b"{}"))

    refused("bad-certificate", lambda: judge(GOOD.trusted_root).certified(GOOD.bundle))


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing is fetched: a judge answers where no socket can be opened.
    """

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert IDENTITY == judge(GOOD.trusted_root).certified(GOOD.bundle).identity


def test_threads() -> None:
    """
    One judge answers many threads.
    """
    found, bad = judge(GOOD.trusted_root), dict(tampers(GOOD.bundle))["timestamp.time: other"]
    said: list[str] = []

    def ask() -> None:
        said.append(verdict(lambda: found.certified(GOOD.bundle)))
        said.append(verdict(lambda: found.certified(bad)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["bad-certificate"] * 8 + ["yes"] * 8 == sorted(said)


@pytest.mark.parametrize("missing", ["sigstore", "sigstore.models", "rfc3161_client"])
def test_without_the_extra(missing: str) -> None:
    """
    Where the extra is not installed the judge cannot be had, and the hint says what to install.
    """
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, missing], capture_output=True, text=True, check=True
    )

    assert ["missing-extra", "pip install 'sealbook[keyless]'"] == done.stdout.splitlines()
