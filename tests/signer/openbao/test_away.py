"""A real OpenBao that is sealed, killed, frozen or unreachable, under load."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from signer.keys import CheckedKey, open_key
from signer.keys.home import DEADLINE_S
from tests.signer.asking import eventually, refused
from tests.signer.commands import free_address
from tests.signer.openbao.server import Bao, secret
from tests.signer.test_tls import make_certificate
from verifier.errors import SealbookError

THREADS = 4
QUERY = "auth=token&token-source=file:token"


class Load:
    """Threads that sign, and what came of it: "signed" or the code of a refusal, and when."""

    def __init__(self, key: CheckedKey) -> None:
        self.key = key
        self.came: Counter[str] = Counter()
        self.longest_s = 0.0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._sign) for _ in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self) -> None:
        """Return when there are new signatures."""
        self._wait("signed")

    def stops(self) -> None:
        """Return when there are new refusals."""
        self._wait("key-unavailable")

    def _wait(self, code: str) -> None:
        before = self.came[code]
        eventually(lambda: self.came[code] > before + THREADS)

    def _sign(self) -> None:
        while not self._ending.wait(0.02):
            since = time.monotonic()
            try:
                self.key.public.verify(self.key.sign(b"message"), b"message")
                code = "signed"
            except SealbookError as e:
                code = e.code
            with self._lock:
                self.came[code] += 1
                self.longest_s = max(self.longest_s, time.monotonic() - since)


@pytest.fixture(scope="module")
def own_bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A server that remembers, and that tests may kill."""
    server = Bao(tmp_path_factory.mktemp("own"), durable=True)
    try:
        server.start()
        server.found()
        yield server
    finally:
        server.close()


@pytest.fixture
def key(own_bao: Bao, tmp_path: Path) -> Iterator[CheckedKey]:
    """A key in it."""
    secret(tmp_path / "token", own_bao.token())
    name = own_bao.key("release")
    key = open_key(f"openbao://{own_bao.plain}/transit/keys/{name}?{QUERY}&tls=off", tmp_path)
    yield key
    key.close()


def test_sealed_and_killed(own_bao: Bao, key: CheckedKey) -> None:
    """
    While the server is away calls fail in time, and when it is back signing goes on by itself.
    """
    with Load(key) as load:
        for _ in range(2):
            own_bao.seal()
            load.stops()
            own_bao.unseal()
            load.goes_on()
        own_bao.stop()
        load.stops()
        own_bao.start()
        load.goes_on()

    assert {"signed", "key-unavailable"} == set(load.came)
    assert load.longest_s < 10 * DEADLINE_S
    assert key.healthy


def test_frozen(own_bao: Bao, key: CheckedKey) -> None:
    """
    A server that takes calls and says nothing holds nobody, and later signs again.
    """
    assert own_bao._process is not None
    with Load(key) as load:
        os.kill(own_bao._process.pid, signal.SIGSTOP)
        try:
            load.stops()
        finally:
            os.kill(own_bao._process.pid, signal.SIGCONT)
        load.goes_on()

    assert {"signed", "key-unavailable"} == set(load.came)
    assert load.longest_s < 10 * DEADLINE_S


def test_kept_connections_are_lost(own_bao: Bao, key: CheckedKey) -> None:
    """
    A restart that nobody noticed costs no call: dead connections are not used again.
    """
    for _ in range(20):
        key.sign(b"message")
    own_bao.stop()
    own_bao.start()

    for _ in range(20):
        key.public.verify(key.sign(b"message"), b"message")


def test_nobody_there(tmp_path: Path) -> None:
    """
    A key at an address where nobody listens is not opened, and the message names the address.
    """
    secret(tmp_path / "token", "s.token")
    address = free_address()
    uri = f"openbao://{address}/transit/keys/release?{QUERY}&tls=off"

    assert address in refused("key-unavailable", lambda: open_key(uri, tmp_path)).message


def test_nobody_answers(tmp_path: Path) -> None:
    """
    An address that takes connections and says nothing is given up in time.
    """
    secret(tmp_path / "token", "s.token")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"openbao://127.0.0.1:{listener.getsockname()[1]}/transit/keys/release?{QUERY}"
        since = time.monotonic()
        refused("key-unavailable", lambda: open_key(uri, tmp_path))

    assert time.monotonic() - since < 10 * DEADLINE_S


def test_tls(bao: Bao, tmp_path: Path) -> None:
    """
    A server is believed when its certificate leads to the roots that were named, and only then.
    """
    secret(tmp_path / "token", bao.token())
    make_certificate(tmp_path)
    name = bao.key("tls")
    uri = f"openbao://{bao.address}/transit/keys/{name}?{QUERY}"
    key = open_key(f"{uri}&ca={bao.ca}", tmp_path)
    key.public.verify(key.sign(b"message"), b"message")
    key.close()

    for other in (uri, f"{uri}&ca=tls.pem"):
        error = refused("key-unavailable", lambda other=other: open_key(other, tmp_path))  # type: ignore[misc]
        assert "certificate verify failed" in error.message
    named = uri.replace("127.0.0.1", "localhost") + f"&ca={bao.ca}"
    assert "localhost" in refused("key-unavailable", lambda: open_key(named, tmp_path)).message
    refused("key-uri", lambda: open_key(f"{uri}&ca=none.pem", tmp_path))
    refused("key-uri", lambda: open_key(f"{uri}&ca=token", tmp_path))


def test_no_proxy(bao: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A token goes to the server that is named, whatever proxy the environment names.
    """
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{free_address()}")
    secret(tmp_path / "token", bao.token())
    name = bao.key("proxy")

    open_key(f"openbao://{bao.plain}/transit/keys/{name}?{QUERY}&tls=off", tmp_path).close()
