"""A service with a key that lives in a real OpenBao."""

from __future__ import annotations

import tomllib

import pytest

from tests.signer.asking import REPOSITORY, digest, eventually, item, order
from tests.signer.openbao.conftest import Open
from tests.signer.openbao.server import Bao, secret
from tests.signer.rotating import announce, install, switch, versions
from tests.signer.running import running, start_refused
from tests.signer.world import World
from verifier.repository import Scope
from verifier.trust.listed import TrustedKey, keys_by_hint


@pytest.fixture
def far(world: World, bao: Bao, opened: Open) -> World:
    """A service that lets callers ask for the key "far", which lives in the server."""
    name = bao.key("far")
    uri = f"openbao://{bao.plain}/transit/keys/{name}?version=1&auth=token&tls=off"
    secret(world.directory / "keys" / "token", bao.token())
    with world.config.open("a") as file:
        file.write(f'\n[signing.keys.far]\nuri = "{uri}&token-source=file:keys/token"\n')
    key = opened(name, "version=1&auth=token&token-source=file:token")
    trusted = TrustedKey("far", "approve", key.public, (Scope("*"),))
    keys = keys_by_hint([*world.trust.keys.values(), trusted])
    world._trust_file.write_bytes(world.trust._replace(keys=keys).json())
    return world


def test_sign(far: World) -> None:
    """
    What the server signed is logged and verifies, one by one and many at once.
    """
    with running(far) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY, key="far"))
        batch = service.asking(
            lambda client: client.sign_batch(REPOSITORY, [item(n) for n in range(2, 40)], key="far")
        )

        assert "far" == service.verify(signed).key
        assert 38 == len(set(service.indices(batch)))


def test_away(far: World, bao: Bao) -> None:
    """
    While the server is sealed its key is unavailable and all others sign; then it signs again.
    """
    ask = order(1, key="far").SerializeToString()
    with running(far) as service:
        bao.seal()
        try:
            answer = service.raw(ask)
            other = service.asking(lambda client: client.sign(digest(2), REPOSITORY))
        finally:
            bao.unseal()
        eventually(lambda: "OK" == service.raw(ask).status)

        assert ("UNAVAILABLE", "key-unavailable") == (answer.status, answer.code)
        assert "release" == service.verify(other).key
        assert "far (healthy)" in far.command("status").stdout


def test_rotation(far: World, bao: Bao) -> None:
    """
    A key is rotated to its next version in the server, and a restart opens the same versions.
    """
    secret(far.directory / "keys" / "token", bao.token("makes"))
    latest = bao.read("transit/keys/far")["latest_version"]
    section = tomllib.loads(far.config.read_text())["signing"]["keys"]["far"]
    uri = section["uri"].replace("version=1&", f"version={latest + 1}&")
    with running(far) as service:
        announce(service, "far", uri=uri, algorithm="ecdsa-p256")
        install(service)
        before = service.asking(lambda client: client.sign(digest(1), REPOSITORY, key="far"))
        switch(service, "far")
        after = service.asking(lambda client: client.sign(digest(2), REPOSITORY, key="far"))
        bao.write("transit/keys/far/rotate")  # by whoever may, and of no concern to us
    with running(far) as service:
        later = service.asking(lambda client: client.sign(digest(3), REPOSITORY, key="far"))
        second = versions(service, "far")["far@2"]

        assert ["far"] * 3 == [service.verify(signed).key for signed in (before, after, later)]
        assert ("active", str(latest + 1)) == (second.standing, second.attributes["version"])
        assert second.fingerprint == service.server.keys.keys["far"].public.fingerprint


def test_no_start(far: World, bao: Bao) -> None:
    """
    A service does not start with a key that it may not use, and says which and why.
    """
    secret(far.directory / "keys" / "token", bao.token("default"))

    assert "transit/keys/far" in start_refused(far, "key-access")
