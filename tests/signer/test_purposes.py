"""A key signs for its own purpose, because nothing else can be handed to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from signer.keys import SigningKey
from signer.keys.memory import MemoryKey
from signer.keys.messages import Announcing, Approving, Attesting, Message, Unread
from tests.signer.asking import refused
from tests.signer.spoiling import CountingKey

KINDS: dict[str, type[Message]] = {"approve": Approving, "attest": Attesting, "raw": Unread}
MESSAGES: list[Callable[[bytes], bytes]] = [*KINDS.values(), Announcing, Message, bytes, bytearray]


def key_to(purpose: str) -> tuple[SigningKey, CountingKey]:
    """Return a signing key of this purpose, and what it did."""
    counting = CountingKey(MemoryKey.generate("ecdsa-p256"))
    if purpose == "raw":
        return SigningKey("k", counting, raw=True), counting
    return SigningKey("k", counting, purpose=purpose), counting


@pytest.mark.parametrize("purpose", KINDS)
def test_own_purpose(purpose: str) -> None:
    """
    A key signs messages of its purpose, whole or by their hash.
    """
    key, counting = key_to(purpose)
    message, digest = KINDS[purpose](b"message"), KINDS[purpose](b"d" * 32)

    key.public.verify(key.sign(message), b"message")
    key.public.verify_digest(key.sign_digest(digest), b"d" * 32)
    assert 2 == len(counting.signed)


@pytest.mark.parametrize(
    ("purpose", "make"),
    [
        (purpose, make)
        for purpose, make in itertools.product(KINDS, MESSAGES)
        if make is not KINDS[purpose]
    ],
)
def test_other_purposes(purpose: str, make: Callable[[bytes], bytes]) -> None:
    """
    A message for a key of another purpose, or of none, is not signed: not even the same bytes.
    """
    key, counting = key_to(purpose)
    message = make(b"d" * 32)

    refused("key-purpose", lambda: key.sign(message))  # type: ignore[arg-type]
    refused("key-purpose", lambda: key.sign_digest(message))  # type: ignore[arg-type]
    assert not counting.signed


@pytest.mark.parametrize("purpose", KINDS)
def test_announcement(purpose: str) -> None:
    """
    Every key can say that it is there, by a message that is good for nothing else.
    """
    key, counting = key_to(purpose)

    key.public.verify(key.announce(Announcing(b"here")), b"here")
    refused("key-purpose", lambda: key.announce(KINDS[purpose](b"here")))  # type: ignore[arg-type]
    assert 1 == len(counting.signed)
