"""A SoftHSM token for each test, and a library before it that can be told to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.keys.token.library import Library
from tests.signer.hsm.softhsm import MODULE, SoftToken, soft_token

SHIM = Path(__file__).with_name("shim.c")


class Shim:
    """The library before SoftHSM; `order` is a word of shim.c, or nothing."""

    def __init__(self, orders: Path, calls: Path) -> None:
        self._orders, self._calls = orders, calls
        self.order("")

    def order(self, word: str) -> None:
        """Let it fail like this from now on."""
        fresh = self._orders.with_suffix(".fresh")
        fresh.write_text(word)
        fresh.replace(self._orders)

    def calls(self, letter: str) -> int:
        """Return how many calls there were: I(nitialize), O(pen), L(ogin), S(ign)."""
        return self._calls.read_text().count(letter) if self._calls.exists() else 0


@pytest.fixture
def token(tmp_path: Path) -> Iterator[SoftToken]:
    """An empty token, and nobody holds its library at the end."""
    with soft_token(tmp_path / "hsm") as token:
        yield token
        assert not any(library._users for library in Library._held.values())


@pytest.fixture(scope="session")
def shim_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    if shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    module = tmp_path_factory.mktemp("shim") / "shim.so"
    command = ("gcc", "-std=gnu11", "-shared", "-fPIC", "-o", module, SHIM, "-ldl")
    subprocess.run(command, check=True)
    return module


@pytest.fixture
def shim(token: SoftToken, shim_module: Path, monkeypatch: pytest.MonkeyPatch) -> Shim:
    """A shim that fails as told; the URIs of `token` lead through it."""
    orders, calls = token.directory / "orders", token.directory / "calls"
    monkeypatch.setitem(os.environ, "SHIM_MODULE", str(MODULE))
    monkeypatch.setitem(os.environ, "SHIM_ORDERS", str(orders))
    monkeypatch.setitem(os.environ, "SHIM_CALLS", str(calls))
    token.module = shim_module
    return Shim(orders, calls)
