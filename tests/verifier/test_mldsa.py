"""ML-DSA keys: their one encoding; those of ML-DSA-44 sign checkpoints and nothing else."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from tests.verifier.making import EXPIRES, ORIGIN, NoteSigner, Signer, World, public, refused, rows
from tests.verifier.paths import put
from tests.verifier.pinned import APPROVER, DOCUMENT, GOOD, parse
from verifier._strict import b64, b64encode
from verifier.entry import Entry
from verifier.note import ML_DSA, NoteKey
from verifier.publickey import PublicKey, ml_dsa_44
from verifier.trust.listed import PURPOSES, TrustedKey, TrustedLog, keys_by_hint
from verifier.trusted_root import trusted_root
from verifier.verify import Verifier

KEY, LARGER = Signer("ml-dsa-44"), Signer("ml-dsa-65")
SPKI = b64encode(KEY.public.spki)
PREFIX, LARGER_PREFIX = KEY.public.spki[:-1312], LARGER.public.spki[:-1952]


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
        ("ML-DSA-65, no key", LARGER_PREFIX, "unsupported-key"),
        ("ML-DSA-65, a byte less", LARGER.public.spki[:-1], "unsupported-key"),
        ("ML-DSA-65, a byte more", LARGER.public.spki + b"\0", "unsupported-key"),
        ("ML-DSA-65, t1 is zero", LARGER_PREFIX + b"\1" * 32 + bytes(1920), "weak-key"),
        (
            "ML-DSA-65, parameters null",
            bytes.fromhex("308207b4300d06096086480165030403120500038207a100")
            + LARGER.public.spki[-1952:],
            "unsupported-key",
        ),
        (
            "ML-DSA-44 in the name of ML-DSA-65",
            LARGER_PREFIX + KEY.public.raw,
            "unsupported-key",
        ),
    ),
)
def test_other_encodings(spki: bytes, code: str) -> None:
    """
    A key of another length or spelling is refused, and so is one without a secret.
    """
    refused(code, lambda: PublicKey(spki))


def test_other_sizes() -> None:
    """
    The largest kind of ML-DSA is not in the table.
    """
    key = mldsa.MLDSA87PrivateKey.generate().public_key()

    refused("unsupported-key", lambda: public(key))


@pytest.mark.parametrize("signer", [KEY, LARGER], ids=["44", "65"])
@pytest.mark.parametrize("bit", [0, 7, 8 * 1000, -1])
def test_flipped_bit(signer: Signer, bit: int) -> None:
    """
    A signature with any bit flipped, or a byte missing or more, does not verify.
    """
    good = bytearray(signer.sign(b"message"))
    signer.public.verify(bytes(good), b"message")
    assert signer.public.algorithm.signature_size == len(good)
    good[bit // 8] ^= 1 << bit % 8
    for bad in (good, good[:-1], good + b"\0", b""):
        refused("bad-signature", lambda bad=bad: signer.public.verify(bytes(bad), b"message"))


def test_other_context() -> None:
    """
    A signature under a context, even ours under the name of its format, is none.
    """
    for context in (b"x", b"DSSEv1", bytes(255)):
        signature = LARGER._key.sign(b"message", context)
        refused("bad-signature", lambda made=signature: LARGER.public.verify(made, b"message"))


def test_known_answer() -> None:
    """
    From the seed 00 01 .. 1f comes the key of RFC 9881's own example, in its spelling.
    """
    seed = bytes(range(32))
    key = public(mldsa.MLDSA65PrivateKey.from_seed_bytes(seed).public_key())

    assert "b8b62131bfbe84433efb2273d7f5b87f7a22854a2cfd366fc2aead86d837c52d" == key.fingerprint


def test_entries_of_the_larger_kind() -> None:
    """
    ML-DSA-65 signs entries: the message itself, of which the SHA-256 is logged.
    """
    entry = Entry.of(b"x", LARGER.sign(b"x"), LARGER.public)
    said = json.loads(entry.body())["spec"]["hashedRekordV002"]

    assert entry == Entry.parse(entry.body())
    assert "ML_DSA_65" == said["signature"]["verifier"]["keyDetails"]
    assert ("SHA2_256", hashlib.sha256(b"x").digest()) == (
        said["data"]["algorithm"],
        b64(said["data"]["digest"]),
    )


def test_no_notes_of_the_larger_kind() -> None:
    """
    Neither a log nor a witness has a key of ML-DSA-65: signed notes know none.
    """
    refused("unsupported-key", lambda: NoteKey.of(ORIGIN, LARGER.public))
    refused("unsupported-key", lambda: LARGER.public.raw)


def test_approval_of_the_larger_kind() -> None:
    """
    A bundle that a key of ML-DSA-65 signed and logged is judged like any other.
    """
    world = World(signer=LARGER)

    assert "release" == world.verify().key
    assert world.trust == parse(json.loads(world.trust.json()))


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
