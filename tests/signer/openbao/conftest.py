"""One OpenBao for all tests that leave it as it is, and what they need to log in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signer.keys import CheckedKey, open_key, waiting
from signer.keys.transit import client, lease
from tests.signer.openbao.server import Bao, secret

Open = Callable[..., CheckedKey]


@pytest.fixture(scope="session")
def shared_bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A server, with its engine and its logins mounted."""
    server = Bao(tmp_path_factory.mktemp("bao"))
    try:
        server.start()
        server.found()
        yield server
    finally:
        server.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait ten times as long for a server: the machine is busy, and time is not what is tested."""
    for module, name in (
        (client, "_CONNECT_S"),
        (client, "_SILENCE_S"),
        (client, "_WHOLE_S"),
        (waiting, "PATIENCE_S"),
    ):
        monkeypatch.setattr(module, name, 10 * getattr(module, name))


@pytest.fixture
def bao(shared_bao: Bao, patient: None) -> Bao:
    """The same server, and nobody remembers which credentials it refused."""
    lease._REFUSALS = lease._Refusals()
    return shared_bao


@pytest.fixture
def opened(bao: Bao, tmp_path: Path) -> Iterator[Open]:
    """Open a key by its name, with a token that may sign; it is closed in the end."""
    secret(tmp_path / "token", bao.token())
    keys = []

    def open_(name: str, query: str = "auth=token&token-source=file:token") -> CheckedKey:
        uri = f"openbao://{bao.plain}/transit/keys/{name}?tls=off&{query}"
        keys.append(open_key(uri, tmp_path))
        return keys[-1]

    yield open_
    for key in keys:
        key.close()
