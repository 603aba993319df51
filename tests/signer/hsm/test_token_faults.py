"""A faulty HSM: nothing bad is released, there is one clear error, and no storm of retries."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from signer.errors import KeyUnavailableError
from signer.keys import CheckedKey, create_key
from signer.keys.home import DEADLINE_S, Role
from signer.keys.workers import Workers
from tests.signer.asking import eventually, refused
from tests.signer.hsm.conftest import Shim
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, SoftToken
from verifier.errors import SealbookError

pytestmark = NEEDS_SOFTHSM

SESSIONS = 3


@pytest.fixture
def key(token: SoftToken, shim: Shim) -> Iterator[CheckedKey]:
    """The key `release` of a token that has also `other`; both are P-256."""
    token.make("EC:prime256v1", "release", "01")
    token.make("EC:prime256v1", "other", "02")
    with token.key("object=release", f"sessions={SESSIONS}") as key:
        eventually(lambda: shim.calls("S") >= SESSIONS + 1)  # each session proves its key
        yield key
        shim.order("")


def storm(key: CheckedKey, seconds: float) -> Counter[str]:
    """Sign from ten threads for a while; return how often it worked, and the codes."""
    until = time.monotonic() + seconds

    def go() -> Counter[str]:
        seen: Counter[str] = Counter()
        while time.monotonic() < until:
            try:
                key.public.verify(key.sign(b"message"), b"message")
                seen["signed"] += 1
            except SealbookError as e:
                seen[e.code] += 1
        return seen

    with ThreadPoolExecutor(10) as threads:
        return sum((f.result() for f in [threads.submit(go) for _ in range(10)]), Counter())


@pytest.mark.parametrize("order", ["wrong", "other", "short"])
def test_a_bad_signature_is_not_released(key: CheckedKey, shim: Shim, order: str) -> None:
    """
    A wrong signature, another key's, and half a one reach nobody; the key is out of use then,
    and the token is not asked again.
    """
    shim.order(order)
    refused("key-failed", lambda: key.sign(b"message"))
    asked = shim.calls("S")
    shim.order("")

    for _ in range(100):
        refused("key-failed", lambda: key.sign(b"message"))
    assert asked == shim.calls("S")


@pytest.mark.parametrize("order", ["removed", "general"])
def test_a_device_that_fails_is_not_stormed(key: CheckedKey, shim: Shim, order: str) -> None:
    """
    While every signature fails callers hear that at once, the token is asked a few times a
    second, and when it works again so do they.
    """
    before = {letter: shim.calls(letter) for letter in "ILS"}
    shim.order(order)
    seen = storm(key, 1.5)

    assert {"key-unavailable"} == set(seen)
    assert seen["key-unavailable"] > 1000
    # Each session at once, then after 0.2, 0.4 and 0.8 s, each time twice at most: in the
    # library as it is, and in one that was begun anew.
    assert shim.calls("S") - before["S"] <= 10 * SESSIONS
    assert shim.calls("I") - before["I"] <= 10
    assert shim.calls("L") - before["L"] <= shim.calls("I") - before["I"]

    shim.order("")
    eventually(lambda: _signs(key))
    assert {"signed"} == set(storm(key, 0.2))


def test_silence_costs_a_caller_two_seconds(key: CheckedKey, shim: Shim) -> None:
    """
    A token that says nothing for five seconds costs each caller two at most, is asked once in
    each session, and serves again when it has come to itself.
    """
    before = shim.calls("S")
    shim.order("silent")
    began = time.monotonic()
    refused("key-unavailable", lambda: key.sign(b"message"))
    assert time.monotonic() - began < 10 * DEADLINE_S
    seen = storm(key, DEADLINE_S)
    assert {"key-unavailable"} == set(seen)
    assert shim.calls("S") - before <= SESSIONS
    shim.order("")

    eventually(lambda: _signs(key))
    assert isinstance(key.workers, Workers)
    eventually(lambda: key.workers._serving == SESSIONS)
    assert {"signed"} == set(storm(key, 0.2))


def test_a_key_that_was_closed_in_a_call_can_be_opened_again(token: SoftToken, shim: Shim) -> None:
    """
    A key may be closed, twice even, while its token says nothing; once that call is back the key
    can be opened again.
    """
    token.make("EC:prime256v1", "release", "01")
    with token.key("object=release", "sessions=1") as key:
        shim.order("silent")
        refused("key-unavailable", lambda: key.sign(b"message"))
        key.close()
    shim.order("")

    def opens() -> bool:
        with suppress(KeyUnavailableError), token.key("object=release") as again:
            again.sign(b"message")
            return True
        return False

    eventually(opens)


def test_a_key_that_was_swapped_is_refused(token: SoftToken, key: CheckedKey) -> None:
    """
    When the token is back with another key under the same id, nothing is signed with it.
    """
    token.vanish()
    eventually(lambda: not _signs(key))
    token.come_back()
    token.tool("--delete-object", "--type", "privkey", "--id", "01")
    token.tool("--delete-object", "--type", "pubkey", "--id", "01")
    token.make("EC:prime256v1", "release", "01")

    codes = Counter[str]()
    eventually(lambda: codes.update(storm(key, 0.05)) or {"key-object", "key-failed"} & set(codes))
    # What was signed was so before the swap, by the right key: `storm` verifies.
    assert set(codes) <= {"signed", "key-unavailable", "key-object", "key-failed"}


def test_a_token_without_copyable_makes_keys(token: SoftToken, shim: Shim) -> None:
    """
    Where a token does not know CKA_COPYABLE, a key is made without it, and guarded all the same.
    """
    shim.order("plain")
    made = create_key(token.uri(), token.directory, Role("plain", "approve"), "ecdsa-p256")
    made.close()

    assert "false" == made.attributes["CKA_EXTRACTABLE"]


def _signs(key: CheckedKey) -> bool:
    try:
        key.sign(b"x")
    except KeyUnavailableError:
        return False
    return True
