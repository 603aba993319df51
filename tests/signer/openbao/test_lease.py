"""The life of a token, with a server's answers made here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from signer.errors import KeyUnavailableError
from signer.keys.transit import lease as room
from signer.keys.transit.client import Client
from signer.keys.transit.lease import Lease
from signer.keys.transit.login import Login, Token
from tests.signer.asking import eventually


class Counting(Login):
    """Gives tokens of a second, and counts them."""

    NEEDS = ()
    MAKES = False
    REFUSED_S = 1.0

    def __init__(self) -> None:
        super().__init__("", {}, Path())
        self.made = 0

    @staticmethod
    def checked(name: str, value: str) -> str:  # noqa: ARG004
        return value

    def credentials(self) -> tuple[str, ...]:
        return ()

    def log_in(self, client: Client, credentials: tuple[str, ...]) -> Token:  # noqa: ARG002
        self.made += 1
        return Token(f"token {self.made}", 1, renewable=True)


class Nobody:
    """A client that is not used."""

    def close(self) -> None:
        pass


@pytest.fixture
def login() -> Counting:
    """A way to have tokens."""
    return Counting()


@pytest.fixture
def held(login: Counting, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Lease]]:
    """Hold a token whose renewals come out as `renewed` says."""
    leases = []

    def hold(renewed: Callable[[Token], Token | None]) -> Lease:
        monkeypatch.setattr(room, "renewed", lambda _, token: renewed(token))
        leases.append(Lease(cast("Client", Nobody()), login, "server"))
        return leases[-1]

    yield hold
    for lease in leases:
        lease.close()


def test_renewal_fails(login: Counting, held: Callable[..., Lease]) -> None:
    """
    A renewal that the server does not answer is tried again, with no other token meanwhile.
    """
    tries = count(1)
    tried = []

    def renewed(token: Token) -> Token:
        tried.append(token)
        if next(tries) < 3:
            raise KeyUnavailableError("the server is away")
        return token

    lease = held(renewed)
    eventually(lambda: len(tried) > 3)

    assert (1, "token 1") == (login.made, lease.token.text)


@pytest.mark.parametrize("lease_s", [None, 0], ids=["refused", "cut"])
def test_renewal_ends(login: Counting, held: Callable[..., Lease], lease_s: int | None) -> None:
    """
    A token that is not renewed, or for less than half of its time, is replaced at once.
    """
    tried = []

    def renewed(token: Token) -> Token | None:
        tried.append(token.text)
        return None if lease_s is None else Token(token.text, lease_s, renewable=True)

    lease = held(renewed)
    eventually(lambda: lease.token.text == "token 3")

    assert ["token 1", "token 2"] == tried[:2]


def test_forever(login: Counting, held: Callable[..., Lease]) -> None:
    """
    A token without an end is left alone.
    """
    login.log_in = lambda *_: Token("root", 0, renewable=False)  # type: ignore[method-assign]
    lease = held(lambda token: token)
    lease._renew_at = 0.0
    lease._renew()

    assert "root" == lease.token.text
