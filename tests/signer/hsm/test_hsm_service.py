"""A service whose key lives in a token: it signs, and it waits out what happens to the token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from signer.client import AsyncClient
from signer.keys.home import DEADLINE_S
from tests.signer.asking import REPOSITORY, digest, eventually, refused
from tests.signer.hsm.conftest import Shim
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, PIN, SoftToken
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier.errors import SealbookError
from verifier.repository import Scope
from verifier.trust.listed import TrustedKey, keys_by_hint

pytestmark = NEEDS_SOFTHSM

PUBLISHES_S = 5.0  # at most, until an answer is durable


@pytest.fixture
def service(world: World, token: SoftToken) -> Iterator[InProcess]:
    """A service with the key `hsm` in a token, beside its keys in files."""
    token.make("EC:prime256v1", "hsm", "01")
    with token.key("object=hsm") as key:
        public = key.public
    uri = token.uri("id=%01", "sessions=1")
    with world.config.open("a") as file:
        file.write(f'\n[signing.keys.hsm]\nuri = "{uri}"\nforms = ["bundle"]\n')
    trusted = TrustedKey("hsm", "approve", public, (Scope("*"),))
    keys = keys_by_hint([*world.trust.keys.values(), trusted])
    world._trust_file.write_bytes(world.trust._replace(keys=keys).json())
    with running(world) as service:
        yield service


def sign(service: InProcess, n: int, key: str = "hsm") -> None:
    """Have image `n` approved, and judge the answer as a stranger would."""
    answer = service.asking(lambda client: client.sign(digest(n), REPOSITORY, key=key))
    service.verify(answer)


def code_of(service: InProcess, n: int) -> str:
    """Return why image `n` is not approved; empty when it is."""
    try:
        sign(service, n)
    except SealbookError as e:
        return e.code
    return ""


def test_a_token_signs_and_comes_back(service: InProcess, token: SoftToken) -> None:
    """
    A key in a token signs; without the token callers get UNAVAILABLE in time, keys in files sign
    on, and with it the service signs again, by itself.
    """
    sign(service, 1)

    token.vanish()
    began = time.monotonic()
    eventually(lambda: code_of(service, 2) == "key-unavailable")
    assert time.monotonic() - began < 10 * DEADLINE_S
    before = service.tree_size
    for n in range(3, 8):
        said = refused("key-unavailable", lambda n=n: sign(service, n))  # type: ignore[misc]
        assert PIN not in said.message + said.hint
        sign(service, n, key="release")
    assert 5 == service.tree_size - before  # what was not signed left nothing behind

    token.come_back()
    eventually(lambda: code_of(service, 2) == "")


def test_a_silent_token_stops_nobody_else(
    world: World, token: SoftToken, shim: Shim, request: pytest.FixtureRequest
) -> None:
    """
    While a token says nothing the event loop goes on: others are answered as always, and who
    waits for the token hears of it in time.
    """
    service: InProcess = request.getfixturevalue("service")
    sign(service, 1)
    shim.order("silent")

    async def both() -> tuple[list[float], float, str]:
        async with AsyncClient(service.addresses.grpc, service.token) as client:
            began = time.monotonic()
            slow = asyncio.ensure_future(client.sign(digest(2), REPOSITORY, key="hsm"))
            await asyncio.sleep(0.1)
            quick = []
            for n in range(3, 8):
                asked = time.monotonic()
                service.verify(await client.sign(digest(n), REPOSITORY, key="release"))
                quick.append(time.monotonic() - asked)
            assert not slow.done()
            try:
                await slow
            except SealbookError as e:
                return quick, time.monotonic() - began, e.code
        raise AssertionError("the silent token signed")

    quick, slow, code = service.ask(both())
    shim.order("")

    assert "key-unavailable" == code
    assert slow < 10 * DEADLINE_S
    assert max(quick) < PUBLISHES_S
    eventually(lambda: code_of(service, 9) == "")


@pytest.mark.parametrize("order", ["wrong", "other"])
def test_a_lying_token_gets_nothing_into_the_ledger(
    token: SoftToken, shim: Shim, order: str, request: pytest.FixtureRequest
) -> None:
    """
    A signature that is not the key's reaches neither the caller nor the ledger.
    """
    token.make("EC:prime256v1", "other", "02")
    service: InProcess = request.getfixturevalue("service")
    sign(service, 1)
    before = service.tree_size
    shim.order(order)

    refused("key-failed", lambda: sign(service, 2))
    shim.order("")

    refused("key-failed", lambda: sign(service, 2))
    assert before == service.tree_size
    sign(service, 3, key="release")
