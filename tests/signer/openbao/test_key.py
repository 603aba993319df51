"""Keys in a real OpenBao: they sign as ours do, and those that are not guarded are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.errors import KeyFailedError, KeyHomeError, KeyUnavailableError
from signer.keys import CheckedKey, create_key, open_key
from signer.keys.home import Role
from tests.signer.asking import refused
from tests.signer.openbao.conftest import Open
from tests.signer.openbao.server import Bao, secret

ROLE = Role("release", "approve")
MAKING = "auth=token&token-source=file:making"


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072"])
def test_signs(bao: Bao, opened: Open, kind: str) -> None:
    """
    A key of each algorithm signs what its public half verifies, and tells what it is.
    """
    key = opened(bao.key(f"signs-{kind}", kind))

    key.public.verify(key.sign(b"message"), b"message")
    key.public.verify(key.sign(b""), b"")
    assert kind == key.public.algorithm.name == key.attributes["type"]
    assert ("1", "by the server", "no", "no") == tuple(
        key.attributes[name] for name in ("version", "made", "deletable", "exportable")
    )


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "rsa-3072"])
def test_signs_digests(bao: Bao, opened: Open, kind: str) -> None:
    """
    A signature over a hash is one over the message, and only the right length is a hash.
    """
    key = opened(bao.key(f"digest-{kind}", kind))
    digest = hashlib.new(key.public.algorithm.hash_name, b"message").digest()

    key.public.verify(key.sign_digest(digest), b"message")
    for other in (b"", digest[:-1], digest + b"\0", b"message"):
        refused("key-failed", lambda other=other: key._key.sign_digest(other))  # type: ignore[misc]


def test_ed25519_signs_messages(bao: Bao, opened: Open) -> None:
    """
    A key that signs whole messages takes large ones, says what is too large, and no hash.
    """
    key = opened(bao.key("messages", "ed25519"))
    large = bytes(1 << 20)

    key.public.verify(key.sign(large), large)
    refused("key-failed", lambda: key._key.sign_digest(bytes(32)))
    refused("key-failed", lambda: key._key.sign(bytes(24 << 20)))
    key.public.verify(key.sign(b"message"), b"message")


def test_pinned_version(bao: Bao, opened: Open) -> None:
    """
    A key is one version: the one that is named, or the newest when it was opened, for ever.
    """
    name = bao.key("versions")
    first = opened(name)
    bao.write(f"transit/keys/{name}/rotate")
    second = opened(name)
    again = opened(name, "version=1&auth=token&token-source=file:token")

    assert first.public == again.public != second.public
    for key, version in ((first, "1"), (second, "2"), (again, "1")):
        key.public.verify(key.sign(b"message"), b"message")
        assert version == key.attributes["version"]
        assert f"?version={version}&" in key.attributes["uri"]


def test_opened_by_its_own_uri(bao: Bao, opened: Open, tmp_path: Path) -> None:
    """
    The URI that an opened key tells opens the same key again, whatever is newer.
    """
    name = bao.key("own")
    key = opened(name)
    bao.write(f"transit/keys/{name}/rotate")
    again = open_key(key.attributes["uri"], tmp_path)
    again.close()

    assert key.public == again.public


def _nothing(_: Bao, __: str) -> None:
    pass


def _rotate(bao: Bao, name: str, **config: object) -> None:
    bao.write(f"transit/keys/{name}/rotate")
    bao.write(f"transit/keys/{name}/config", **config)


@pytest.mark.parametrize(
    ("made", "then", "says"),
    [
        ({"exportable": True}, _nothing, "exportable"),
        ({"allow_plaintext_backup": True}, _nothing, "allow_plaintext_backup"),
        ({"kind": "ed25519", "derived": True}, _nothing, "derived"),
        ({"kind": "aes256-gcm96"}, _nothing, "aes256-gcm96"),
        ({"kind": "ecdsa-p521"}, _nothing, "ecdsa-p521"),
        ({}, lambda bao, name: _rotate(bao, name, min_decryption_version=2), "no such version"),
        ({}, lambda bao, name: _rotate(bao, name, min_encryption_version=2), "signs no more"),
    ],
    ids=["exportable", "backup", "derived", "symmetric", "curve", "archived", "past"],
)
def test_refused(bao: Bao, opened: Open, made: dict[str, Any], then: Any, says: str) -> None:
    """
    A key that can leave the server, is not one key, or does not sign is refused.
    """
    name = bao.key(f"refused-{hashlib.sha256(says.encode()).hexdigest()[:8]}", **made)
    then(bao, name)
    query = "version=1&auth=token&token-source=file:token"

    assert says in refused("key-object", lambda: opened(name, query)).message


def test_deletable(bao: Bao, opened: Open) -> None:
    """
    A key that may be deleted is not refused: its attributes say so.
    """
    name = bao.key("deletable")
    bao.write(f"transit/keys/{name}/config", deletion_allowed=True)

    assert "yes" == opened(name).attributes["deletable"]


def test_not_there(bao: Bao, opened: Open) -> None:
    """
    A key or a version that is not there is refused, and so is an engine.
    """
    name = bao.key("there")

    assert "no key" in refused("key-object", lambda: opened("nowhere")).message
    query = "version=2&auth=token&token-source=file:token"
    assert "no such version" in refused("key-object", lambda: opened(name, query)).message


def test_gone(bao: Bao, opened: Open) -> None:
    """
    A key that is gone signs no more, and one that takes its place does not sign for it.
    """
    name = bao.key("gone")
    key = opened(name)
    bao.write(f"transit/keys/{name}/config", deletion_allowed=True)
    bao.call("DELETE", f"transit/keys/{name}")
    refused("key-unavailable", lambda: key.sign(b"message"))
    bao.key(name)

    for _ in range(20):
        with pytest.raises((KeyHomeError, KeyUnavailableError, KeyFailedError)):
            key.sign(b"message")


@pytest.fixture
def making(bao: Bao, tmp_path: Path) -> Iterator[Callable[..., CheckedKey]]:
    """Make a key by its name and more of its URI; it is closed in the end."""
    secret(tmp_path / "making", bao.token("makes"))
    keys = []

    def make(name: str, algorithm: str = "ecdsa-p256", more: str = "") -> CheckedKey:
        uri = f"openbao://{bao.plain}/transit/keys/{name}?{more}{MAKING}&tls=off"
        keys.append(create_key(uri, tmp_path, ROLE, algorithm))
        return keys[-1]

    yield make
    for key in keys:
        key.close()


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072"])
def test_made(bao: Bao, making: Callable[..., CheckedKey], algorithm: str) -> None:
    """
    A key that is made signs, and cannot leave the server.
    """
    key = making(f"made-{algorithm}", algorithm)

    key.public.verify(key.sign(b"message"), b"message")
    assert (algorithm, "1") == (key.public.algorithm.name, key.attributes["version"])
    found = bao.read(f"transit/keys/made-{algorithm}")
    assert not any(
        found[flag] for flag in ("exportable", "allow_plaintext_backup", "deletion_allowed")
    )


def test_made_once(bao: Bao, making: Callable[..., CheckedKey]) -> None:
    """
    A key that is there is not made again, and the hint names the version that could be.
    """
    making("once")
    for more in ("", "version=1&"):
        error = refused("key-exists", lambda more=more: making("once", more=more))  # type: ignore[misc]
        assert "version=2" in error.hint

    assert 1 == bao.read("transit/keys/once")["latest_version"]


def test_next_version(bao: Bao, making: Callable[..., CheckedKey]) -> None:
    """
    The next version of a key is made beside the old one, which goes on signing.
    """
    first = making("next")
    second = making("next", more="version=2&")

    assert first.public != second.public
    for key, version in ((first, "1"), (second, "2")):
        key.public.verify(key.sign(b"message"), b"message")
        assert version == key.attributes["version"]
    refused("key-exists", lambda: making("next", more="version=2&"))
    assert 2 == bao.read("transit/keys/next")["latest_version"]


@pytest.mark.parametrize(
    ("name", "algorithm", "more"),
    [
        ("leap", "ecdsa-p256", "version=3&"),
        ("leap", "ecdsa-p384", "version=2&"),
        ("unmade", "ecdsa-p256", "version=2&"),
        ("unmade", "ml-dsa-65", ""),
        ("unmade", "ecdsa-p521", ""),
    ],
)
def test_not_made(
    bao: Bao, making: Callable[..., CheckedKey], name: str, algorithm: str, more: str
) -> None:
    """
    No version is left out, none is of another algorithm, and nothing is left of an attempt.
    """
    bao.key("leap")

    refused("key-object", lambda: making(name, algorithm, more))
    assert 1 == bao.read("transit/keys/leap")["latest_version"]
    assert name == "leap" or "unmade" not in bao.call("LIST", "transit/keys")["data"]["keys"]


def test_made_without_the_right(bao: Bao, tmp_path: Path) -> None:
    """
    Who may sign may not make keys, if the policies are those of the documentation.
    """
    secret(tmp_path / "making", bao.token("signs"))
    uri = f"openbao://{bao.plain}/transit/keys/right?{MAKING}&tls=off"

    refused("key-access", lambda: create_key(uri, tmp_path, ROLE, "ecdsa-p256"))
    assert "right" not in bao.call("LIST", "transit/keys")["data"]["keys"]
