"""One OpenBao for all tests that leave it as it is, and what they need to log in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signer.keys import CheckedKey, open_key
from signer.keys.transit import lease
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
def bao(shared_bao: Bao) -> Bao:
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
