"""Signing keys: a bad signature never leaves, and a key that made one is out of use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from structlog.testing import capture_logs

from signer.errors import KeyFailedError
from signer.keys import CheckedKey, SigningKey, open_key
from signer.keys.home import HomeKey
from signer.keys.homes import file
from signer.keys.memory import MemoryKey
from signer.keys.messages import Approving
from tests.signer.asking import REPOSITORY, digest, item, order, refused
from tests.signer.running import running
from tests.signer.world import World
from verifier.publickey import PublicKey


class FaultyKey:
    """A key whose `nth` signature, counted from 1, is spoiled, or fails."""

    workers = None
    attributes: Mapping[str, str] = {}

    def __init__(
        self, nth: int, error: Exception | None = None, inner: HomeKey | None = None
    ) -> None:
        self._inner = inner or MemoryKey.generate("ecdsa-p256")
        self._nth, self._error = nth, error
        self.made = 0

    @property
    def public(self) -> PublicKey:
        """The public half, which is good."""
        return self._inner.public

    def close(self) -> None:
        """Stay."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a hash, which is good."""
        return self._inner.sign_digest(digest)

    def sign(self, message: bytes) -> bytes:
        """Sign, or sign something else."""
        self.made += 1
        if self.made != self._nth:
            return self._inner.sign(message)
        if self._error is not None:
            raise self._error
        return self._inner.sign(message + b"!")


def test_checked_at_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A key that does not sign what its public half verifies is not opened.
    """
    made = {"good": FaultyKey(2), "bad": FaultyKey(1)}
    monkeypatch.setattr(file, "open_key", lambda name, _role, _base: made[name])

    assert made["good"].public == open_key("file:good", tmp_path).public
    refused("key-failed", lambda: open_key("file:bad", tmp_path))


def test_checked_one_in_64() -> None:
    """
    One signature in 64 is checked; a bad one is not released, and the key is out of use for good.
    """
    faulty = FaultyKey(128)
    key = SigningKey("release", faulty, ("bundle",))
    for n in range(127):
        key.public.verify(key.sign(Approving(b"%d" % n)), b"%d" % n)
    assert key.healthy
    refused("key-failed", lambda: key.sign(Approving(b"127")))
    for _ in range(3):
        refused("key-failed", lambda: key.sign(Approving(b"again")))

    assert (False, 128) == (key.healthy, faulty.made)


@pytest.mark.parametrize("error", [OSError("pin=1234"), RuntimeError(), KeyFailedError("gone")])
def test_key_that_fails(error: Exception) -> None:
    """
    A key that fails to sign is out of use too, and what it said is not told.
    """
    key = SigningKey("release", FaultyKey(1, error), ("bundle",))

    assert "1234" not in refused("key-failed", lambda: key.sign(Approving(b"message"))).message
    refused("key-failed", lambda: key.sign(Approving(b"message")))


def test_failed_key_in_a_service(world: World) -> None:
    """
    A key that failed refuses its callers, shows in the status, and leaves the other key in use.
    """
    world.add_key("hotfix", MemoryKey.generate("ecdsa-p256"))
    with running(world) as service:
        release = service.server.keys.keys["release"]
        release._key = CheckedKey(FaultyKey(3, inner=release._key), 1)
        before = service.tree_size
        batch = service.asking(lambda c: c.sign_batch(REPOSITORY, [item(n) for n in range(5)]))
        single = service.raw(order(6).SerializeToString())
        other = service.asking(lambda c: c.sign(digest(7), REPOSITORY, key="hotfix"))

        assert ["Signed", "Signed"] == [type(answer).__name__ for answer in batch[:2]]
        assert ["key-failed"] * 3 == [answer.code for answer in batch[2:]]
        assert ("UNAVAILABLE", "key-failed") == (single.status, single.code)
        assert "hotfix" == service.verify(other).key
        assert before + 3 == service.tree_size
        status = world.command("status").stdout
        assert "release (OUT OF USE), attest (healthy), hotfix (healthy)" in status


def test_failed_key_is_told(world: World) -> None:
    """
    The log says once that a key failed, and by what kind of error; not what that said.
    """
    with running(world) as service, capture_logs() as logged:
        release = service.server.keys.keys["release"]
        faulty = FaultyKey(1, RuntimeError("pin=1234"), inner=release._key)
        release._key = CheckedKey(faulty, 1)
        for n in range(3):
            assert "key-failed" == service.raw(order(n).SerializeToString()).code
        told = [line for line in logged if line["event"] == "a key failed, and is out of use"]

        assert ["RuntimeError"] == [line["cause"] for line in told]
        assert "1234" not in str(logged)


def test_p256(world: World) -> None:
    """
    A P-256 key signs, is logged, and verifies; the same request again is answered as before.
    """
    world.add_key("other", MemoryKey.generate("ecdsa-p256"))
    with running(world) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY, key="other"))
        again = service.asking(lambda client: client.sign(digest(1), REPOSITORY, key="other"))

        assert "other" == service.verify(signed).key
        assert signed.record == again.record


@pytest.mark.parametrize(
    "private",
    [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-384", "Ed25519"],
)
def test_algorithms_that_some_reader_refuses(world: World, private: object) -> None:
    """
    A service does not start with a key whose signatures some client could not verify, and says so.
    """
    world.add_key("other", MemoryKey(private))  # type: ignore[arg-type]

    def start() -> None:
        with running(world):
            pass

    error = refused("unsupported-key", start)
    assert "other is " in error.message
    assert "P-256" in error.hint
