"""Cosignatures: published bytes, both kinds, and everything in them that must not move."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier import examples, strategies
from tests.verifier.making import NOW, ORIGIN, NoteSigner, Signer, public, refused, rows, subtree
from verifier import cosignature, cosigned
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash
from verifier.note import COSIGNATURE, ECDSA, ED25519, ML_DSA, Note, NoteKey, NoteSignature

NAME, TIME = "example.com/witness", 1_700_000_000
TEXT = examples.CHECKPOINT
SEED = bytes(range(32))
# c2sp.org/tlog-cosignature, computed from the seed 00…1f.
PUBLIC_SHA256 = "9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46"
MESSAGE = (
    "737562747265652f76310a00136578616d706c652e636f6d2f7769746e657373000000006553f100186578616d706c"
    "652e636f6d2f6c6f672f74657374646174610000000000000000000000000000000faca6c38a90af86e5f5199ee0e4"
    "105ef2c03a05b27b8daff59e4e36eefdfcddcb"
)
MESSAGE_SHA256 = "e76c6aefb920a3bf894d5377bffe42e32bcc9da62ccf6503a486177d880d20ce"


class Seeded:
    """An ML-DSA-44 key from a seed, as `verifier.publickey.Key` wants it."""

    def __init__(self, seed: bytes) -> None:
        self._key = mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
        self.public = public(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def test_published_key() -> None:
    """
    The published seed makes the published key, key id, and verifier key of 1781 characters.
    """
    key = NoteKey.witness(NAME, Seeded(SEED).public)

    assert PUBLIC_SHA256 == hashlib.sha256(key.public.raw).hexdigest()
    assert ("bb74db26", ML_DSA, 1781) == (key.key_id.hex(), key.kind, len(str(key)))
    assert key == NoteKey.parse(str(key))


def test_published_message() -> None:
    """
    What is signed about the published checkpoint are the published 113 bytes.
    """
    point = Checkpoint.parse(TEXT)
    message = cosigned.subtree_message(NAME, TIME, point.origin, 0, 15, point.root)

    assert (MESSAGE, 113) == (message.hex(), len(message))
    assert MESSAGE_SHA256 == hashlib.sha256(message).hexdigest()
    assert message == subtree(NAME, TIME, TEXT)


def test_published_ed25519_message() -> None:
    """
    What an Ed25519 witness signs is the text with two lines before it: the published line verifies.
    """
    key, line = NoteKey.parse(examples.COSIGNER_VKEY), Note.parse(examples.COSIGNED).signatures[1]

    assert f"cosignature/v1\ntime {TIME}\n{TEXT}".encode() == cosigned.ed25519_message(TIME, TEXT)
    key.public.verify(line.signature[8:], cosigned.ed25519_message(TIME, TEXT))
    assert TIME == cosignature.time_of(line)


@pytest.mark.parametrize(
    ("signer", "kind", "length"),
    [(Signer("ed25519"), COSIGNATURE, 72), (Signer("ml-dsa-44"), ML_DSA, 2428)],
    ids=["ed25519", "ml-dsa-44"],
)
def test_cosign(signer: Signer, kind: int, length: int) -> None:
    """
    Whoever cosigns makes a line that verifies under its key, and that states its time.
    """
    key = NoteKey.witness(NAME, signer.public)
    line = cosignature.cosign(signer, NAME, TEXT, TIME)

    assert (kind, length, TIME) == (key.kind, len(line.signature), cosignature.time_of(line))
    assert (NAME, key.key_id) == line[:2]
    assert (key,) == notes.verify(Note.parse(str(Note(TEXT, (line,)))), [key])


def test_length_of_a_line() -> None:
    """
    A post-quantum line has 3244 characters of Base64, and the limits leave room for it.
    """
    line = str(cosignature.cosign(Seeded(SEED), NAME, TEXT, TIME))

    assert 3244 == len(line.split(" ")[2])


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "rsa-2048"])
def test_who_cannot_cosign(algorithm: str) -> None:
    """
    Keys of other algorithms make no cosignature.
    """
    signer = Signer(algorithm)

    refused("unsupported-key", lambda: cosignature.cosign(signer, NAME, TEXT, TIME))
    refused("unsupported-key", lambda: NoteKey.witness(NAME, signer.public))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "x" * 256])
def test_names_that_cannot_cosign(name: str) -> None:
    """
    A name that no note could carry cosigns nothing.
    """
    refused("malformed", lambda: cosignature.cosign(Seeded(SEED), name, TEXT, TIME))


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_times_that_nobody_states(time: int) -> None:
    """
    To cosign without a time, or at one that no reader takes, is a mistake in the program.
    """
    with pytest.raises(AssertionError):
        cosignature.cosign(Seeded(SEED), NAME, TEXT, time)


@pytest.mark.parametrize("text", ["text\n", f"{TEXT}more\n", TEXT[:-1], "", f"{TEXT}\n"])
def test_only_checkpoints(text: str) -> None:
    """
    An ML-DSA-44 key says something about a checkpoint of three lines, and about no other text.
    """
    witness = NoteSigner(NAME, ML_DSA)
    line = witness.sign(TEXT)

    refused("malformed", lambda: cosignature.cosign(Seeded(SEED), NAME, text, TIME))
    refused("malformed", lambda: witness.key.verify(text, line.signature))


@pytest.mark.parametrize(
    "text",
    rows(
        ("other origin", TEXT.replace("testdata", "testdatb")),
        ("other size", TEXT.replace("\n15\n", "\n16\n")),
        ("other root", TEXT.replace("rKbD", "sKbD")),
    ),
)
@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA])
def test_other_checkpoint(kind: int, text: str) -> None:
    """
    A cosignature of one checkpoint is none of another.
    """
    witness = NoteSigner(NAME, kind)

    refused("bad-signature", lambda: witness.key.verify(text, witness.sign(TEXT).signature))


@pytest.mark.parametrize(("time", "good"), [(0, 0), (1, 1), (2**63 - 1, 1), (2**63, 0)])
@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA])
def test_times(kind: int, time: int, good: int) -> None:
    """
    A cosignature without a time, or with one beyond 63 bits, says nothing about a checkpoint.
    """
    witness = NoteSigner(NAME, kind)
    line = witness.sign(TEXT, time)
    if good:
        witness.key.verify(TEXT, line.signature)
    else:
        refused("bad-signature", lambda: witness.key.verify(TEXT, line.signature))


@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA])
def test_time_is_signed(kind: int) -> None:
    """
    The time of a cosignature of either kind cannot be moved.
    """
    witness = NoteSigner(NAME, kind)
    later = (NOW + 1).to_bytes(8, "big") + witness.sign(TEXT).signature[8:]

    refused("bad-signature", lambda: witness.key.verify(TEXT, later))


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 8), slice(0, -1), slice(8, None)])
@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA])
def test_lengths(kind: int, cut: slice) -> None:
    """
    A cosignature has one length: 8 bytes of time and the signature of its algorithm.
    """
    witness = NoteSigner(NAME, kind)
    good = witness.sign(TEXT).signature

    for bad in (good[cut], good + b"\0"):
        refused("bad-signature", lambda bad=bad: witness.key.verify(TEXT, bad))


def test_subtree_is_no_checkpoint() -> None:
    """
    A post-quantum cosignature of a part of the tree does not stand for the whole.
    """
    signer, point = Seeded(SEED), Checkpoint.parse(TEXT)
    key = NoteKey.witness(NAME, signer.public)
    for start, end in ((8, 15), (0, 8), (0, 16)):
        part = cosigned.subtree_message(NAME, TIME, point.origin, start, end, point.root)
        body = TIME.to_bytes(8, "big") + signer.sign(part)
        refused("bad-signature", lambda body=body: key.verify(TEXT, body))


def test_name_is_signed() -> None:
    """
    A post-quantum cosignature is one by the name that it was made under, and by no other.
    """
    one = NoteSigner("one.example", ML_DSA, SEED)
    two = NoteSigner("two.example", ML_DSA, SEED)

    assert one.key.public == two.key.public
    refused("bad-signature", lambda: two.key.verify(TEXT, one.sign(TEXT).signature))


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE, ML_DSA])
@pytest.mark.parametrize("claimed", [ED25519, ECDSA, COSIGNATURE, ML_DSA])
def test_kinds_do_not_mix(kind: int, claimed: int) -> None:
    """
    A line is known by a key id in which its kind is counted, so no kind passes for another.
    """
    signer = NoteSigner(ORIGIN, kind)
    key = signer.key
    if claimed == ECDSA:
        other = NoteKey.of(ORIGIN, Signer().public)
    else:
        other = NoteSigner(ORIGIN, claimed).key
        if other.public.algorithm == key.public.algorithm:
            other = key._replace(kind=claimed)
    note = Note(TEXT, (signer.sign(TEXT),))
    if claimed == kind:
        assert (key,) == notes.verify(note, [other])
        return
    refused("untrusted-log", lambda: notes.verify(note, [other]))
    lied = NoteSignature(other.name, other.key_id, note.signatures[0].signature)
    refused("bad-signature", lambda: notes.verify(Note(TEXT, (lied,)), [other]))


@given(
    strategies.names, st.integers(1, 2**63 - 1), strategies.names, strategies.sizes,
    strategies.hashes,
)  # fmt: skip
def test_messages_of_checkpoints(
    cosigner: str, time: int, origin: str, tree_size: int, root: Hash
) -> None:
    """
    For whatever checkpoint the signed struct is the one that the slow twin writes.
    """
    text = str(Checkpoint(origin, tree_size, root))
    message = cosigned.subtree_message(cosigner, time, origin, 0, tree_size, root)

    assert subtree(cosigner, time, text) == message
