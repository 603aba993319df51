"""ML-DSA-44 keys: their one encoding, and that they sign checkpoints only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from tests.verifier.making import EXPIRES, ORIGIN, NoteSigner, Signer, World, public, refused, rows
from tests.verifier.paths import put
from tests.verifier.pinned import APPROVER, DOCUMENT, GOOD, parse
from verifier._strict import b64encode
from verifier.entry import Entry
from verifier.note import ML_DSA, NoteKey
from verifier.publickey import PublicKey, ml_dsa_44
from verifier.trust.listed import PURPOSES, TrustedKey, TrustedLog, keys_by_hint
from verifier.trusted_root import trusted_root
from verifier.verify import Verifier

KEY = Signer("ml-dsa-44")
SPKI = b64encode(KEY.public.spki)
PREFIX = KEY.public.spki[:-1312]


def test_encodings() -> None:
    """
    A key is the same from its SPKI, from its 1312 bytes, and from the PEM that it prints.
    """
    key = KEY.public

    assert ("ml-dsa-44", 1312) == (key.algorithm.name, len(key.raw))
    assert {key} == {ml_dsa_44(key.raw), PublicKey(key.spki), PublicKey.from_pem(key.pem())}


@pytest.mark.parametrize(
    ("spki", "code"),
    rows(
        ("no key", PREFIX, "unsupported-key"),
        ("a byte less", KEY.public.spki[:-1], "unsupported-key"),
        ("a byte more", KEY.public.spki + b"\0", "unsupported-key"),
        ("t1 is zero", PREFIX + b"\1" * 32 + bytes(1280), "weak-key"),
        ("all zero", PREFIX + bytes(1312), "weak-key"),
        (
            "parameters null",
            bytes.fromhex("30820534300d060960864801650304031105000382052100") + KEY.public.raw,
            "unsupported-key",
        ),
    ),
)
def test_other_encodings(spki: bytes, code: str) -> None:
    """
    A key of another length or spelling is refused, and so is one without a secret.
    """
    refused(code, lambda: PublicKey(spki))


@pytest.mark.parametrize("kind", [mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey])
def test_other_sizes(kind: Any) -> None:
    """
    The larger kinds of ML-DSA are not in the table.
    """
    key = kind.generate().public_key()

    refused("unsupported-key", lambda: public(key))


@pytest.mark.parametrize("bit", [0, 7, 8 * 1000, 8 * 2420 - 1])
def test_flipped_bit(bit: int) -> None:
    """
    A signature with any bit flipped, or a byte missing or more, does not verify.
    """
    good = bytearray(KEY.sign(b"message"))
    KEY.public.verify(bytes(good), b"message")
    good[bit // 8] ^= 1 << bit % 8
    for bad in (good, good[:-1], good + b"\0", b""):
        refused("bad-signature", lambda bad=bad: KEY.public.verify(bytes(bad), b"message"))


def test_no_entry_is_made() -> None:
    """
    What such a key signed is no ledger entry.
    """
    refused("unsupported-key", lambda: Entry.of(b"x", KEY.sign(b"x"), KEY.public))


@pytest.mark.parametrize("details", ["", "ML_DSA_44", "PKIX_ML_DSA_44", "PKIX_ED25519"])
def test_no_entry_is_read(details: str) -> None:
    """
    An entry that names such a key is refused, whatever it calls the algorithm.
    """
    signer = Signer()
    body = Entry.of(b"x", signer.sign(b"x"), signer.public).body().decode()
    body = body.replace(b64encode(signer.public.spki), SPKI)
    body = body.replace(signer.public.algorithm.key_details, details)

    refused("unsupported-key", lambda: Entry.parse(body.encode()))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_key_of_the_trust_root(purpose: str) -> None:
    """
    No key of a trust root is of this kind, for whatever purpose; nor can a program make one so.
    """
    document = put(put(DOCUMENT, ("keys", 0, "key"), SPKI), ("keys", 0, "purpose"), purpose)

    refused("unsupported-key", lambda: parse(document))
    refused("unsupported-key", lambda: keys_by_hint([TrustedKey("a", purpose, KEY.public, ())]))


def test_no_promise() -> None:
    """
    A log promises with a key that Rekor's clients know.
    """
    refused("unsupported-key", lambda: parse(put(DOCUMENT, ("logs", 0, "promise_key"), SPKI)))


def test_no_approval() -> None:
    """
    A bundle whose entry such a key signed is refused, were the key even pinned past the parser.
    """
    world = World()
    world.key = world.key._replace(public=KEY.public)
    trust = GOOD._replace(keys={KEY.public.hint: world.key}, expires=EXPIRES)
    world.hint = KEY.public.hint
    world.signature = KEY.sign(world.envelope.message)
    world.logged = b"{}"
    judge = Verifier(trust, clock=lambda: world.now)
    refused(
        "unsupported-key",
        lambda: judge.verify(world.bundle.json(), world.digest, world.repository),
    )


def test_checkpoint_keys() -> None:
    """
    As a further row of its log such a key is pinned, found again, and left out for Sigstore.
    """
    log = NoteSigner(ORIGIN, ML_DSA)
    root = GOOD._replace(logs=(*GOOD.logs, TrustedLog(ORIGIN, log.key)))

    assert root == parse(json.loads(root.json()))
    assert NoteKey.of(ORIGIN, log.key.public) == log.key == root.log_keys(ORIGIN)[1]
    assert trusted_root(GOOD) == trusted_root(root)
    assert APPROVER.public in root.publics()
    assert log.key.public in root.publics()
