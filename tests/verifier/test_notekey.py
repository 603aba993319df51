"""Verifier keys of signed notes: `<name>+<key id>+<Base64 of kind and key>`."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.verifier import examples
from tests.verifier.catalogue.roles import TWINS, twins
from tests.verifier.making import NoteSigner, Signer, public, refused
from verifier import note as notes
from verifier._strict import b64encode
from verifier.note import COSIGNATURE, ECDSA, ED25519, NoteKey

NAME, HEX_ID, MATERIAL = examples.NOTE_VKEY.split("+", 2)


def vkey(name: str, kind: int, key: bytes) -> str:
    """Write a verifier key with the right id for anything but ECDSA."""
    identity = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).hexdigest()[:8]
    return f"{name}+{identity}+{b64encode(bytes([kind]) + key)}"


def ecdsa_vkey(spki: bytes) -> str:
    """Write a verifier key of kind 2 around whatever is in `spki`."""
    material = b64encode(bytes([ECDSA]) + spki)
    return f"x.example+{hashlib.sha256(spki).hexdigest()[:8]}+{material}"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (examples.NOTE_VKEY, ED25519),
        (examples.LOG_VKEY, ED25519),
        (examples.ECDSA_VKEY, ECDSA),
        (examples.WITNESS_VKEY, COSIGNATURE),
        (examples.COSIGNER_VKEY, COSIGNATURE),
    ],
)
def test_published_keys(text: str, kind: int) -> None:
    """
    Published verifier keys parse, with their published key id, and print to the same text.
    """
    key = NoteKey.parse(text)

    assert text == str(key)
    assert (kind, text.split("+")[1]) == (key.kind, key.key_id.hex())
    assert key.log_id.startswith(key.key_id)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "malformed", id="nothing"),
        pytest.param(f"{NAME}+{HEX_ID}", "malformed", id="two parts"),
        pytest.param(f"+{HEX_ID}+{MATERIAL}", "malformed", id="no name"),
        pytest.param(f"a b+{HEX_ID}+{MATERIAL}", "malformed", id="space in the name"),
        pytest.param(f"a\u3000b+{HEX_ID}+{MATERIAL}", "malformed", id="wide space in the name"),
        pytest.param(f"a\ud800b+{HEX_ID}+{MATERIAL}", "malformed", id="surrogate in the name"),
        pytest.param(f"x{NAME}+{HEX_ID}+{MATERIAL}", "malformed", id="id of another name"),
        pytest.param(f"{NAME}+530d903b+{MATERIAL}", "malformed", id="another id"),
        pytest.param(f"{NAME}+{HEX_ID.upper()}+{MATERIAL}", "malformed", id="upper case"),
        pytest.param(f"{NAME}+{HEX_ID}0+{MATERIAL}", "malformed", id="9 digits"),
        pytest.param(f"{NAME}++{MATERIAL}", "malformed", id="no id"),
        pytest.param(f"{NAME}+{HEX_ID}+", "unsupported-key", id="no material"),
        pytest.param(f"{NAME}+{HEX_ID}+AQ==", "unsupported-key", id="no key"),
        pytest.param(f"{NAME}+{HEX_ID}++{MATERIAL}", "bad-base64", id="two pluses"),
        pytest.param(f"{examples.NOTE_VKEY}\n", "bad-base64", id="newline"),
        pytest.param(f"{examples.NOTE_VKEY} ", "bad-base64", id="space"),
        pytest.param(f"{examples.NOTE_VKEY}+x", "bad-base64", id="four parts"),
        pytest.param(f"{NAME}+{HEX_ID}+{'A' * 20_000}", "malformed", id="too long"),
        pytest.param(vkey("x", ED25519, b"\x11" * 31), "unsupported-key", id="31 bytes"),
        pytest.param(vkey("x", ED25519, b"\x11" * 33), "unsupported-key", id="33 bytes"),
        pytest.param(vkey("x", ED25519, bytes(32)), "weak-key", id="weak key"),
        pytest.param(vkey("x", COSIGNATURE, bytes(32)), "weak-key", id="weak witness"),
        *(
            pytest.param(vkey("x", kind, b"\x11" * 32), "unsupported-key", id=f"kind {kind}")
            for kind in (0, 3, 5, 7, 0xFA, 0xFF)
        ),
        pytest.param(ecdsa_vkey(b"x"), "unsupported-key", id="ecdsa without a key"),
    ],
)
def test_malformed(text: str, code: str) -> None:
    """
    A verifier key of any other form, or with an id that is not its own, is refused.
    """
    refused(code, lambda: NoteKey.parse(text))


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa-2048"])
def test_kind_2_is_ecdsa(algorithm: str) -> None:
    """
    A verifier key of kind 2 with a key of another algorithm is refused.
    """
    key = NoteSigner("x").key.public
    if algorithm != key.algorithm.name:
        key = public(rsa.generate_private_key(65537, 2048).public_key())

    refused("unsupported-key", lambda: NoteKey.parse(ecdsa_vkey(key.spki)))


def test_key_id_of_ecdsa_leaves_out_the_name() -> None:
    """
    The id of an ECDSA key is the hash of the key alone, as Rekor makes it.
    """
    key = Signer().public
    one, two = NoteKey.of("one.example", key), NoteKey.of("two.example", key)

    assert hashlib.sha256(key.spki).digest() == one.log_id == two.log_id


def test_key_id_depends_on_name_and_kind() -> None:
    """
    One Ed25519 key has another id under another name, and another as a witness.
    """
    raw = NoteSigner("one.example").key.public.raw
    keys = [
        NoteKey.parse(vkey(name, kind, raw))
        for name in ("one.example", "two.example")
        for kind in (ED25519, COSIGNATURE)
    ]

    assert len(keys) == len({key.key_id for key in keys})


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "\x7f", "x" * 256])
def test_bad_names(name: str) -> None:
    """
    A log cannot be given a name that its notes could not carry.
    """
    refused("malformed", lambda: NoteKey.of(name, Signer().public))


def test_longest_name() -> None:
    """
    A name has up to 255 bytes, not characters: cosignatures count it in one byte.
    """
    key = Signer().public

    assert NoteKey.of("\u00e9" * 127, key) == NoteKey.parse(str(NoteKey.of("\u00e9" * 127, key)))
    refused("malformed", lambda: NoteKey.of("\u00e9" * 128, key))


@pytest.mark.parametrize("curve", [ec.SECP384R1(), None], ids=["p384", "rsa"])
def test_log_keys(curve: ec.EllipticCurve | None) -> None:
    """
    A log signs with Ed25519 or P-256; other keys are not for notes.
    """
    private = ec.generate_private_key(curve) if curve else rsa.generate_private_key(65537, 2048)

    refused("unsupported-key", lambda: NoteKey.of("x", public(private.public_key())))


@pytest.mark.parametrize("kind", TWINS)
def test_keys_of_one_id(kind: int) -> None:
    """
    Two keys of one name and one id can be found by trying; each alone can be pinned, not both.
    """
    one, two = (signer.key for signer in twins(kind))

    assert one.public != two.public
    assert (one.name, one.key_id) == (two.name, two.key_id)
    notes.refuse_ambiguous([one, one])
    notes.refuse_ambiguous([two])
    refused("ambiguous-key", lambda: notes.refuse_ambiguous([one, two]))
