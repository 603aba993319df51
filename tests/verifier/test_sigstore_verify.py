"""Foreign bundles under a managed key: each kind of entry, and each reason to refuse it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from tests.verifier.foreign import (
    ARTIFACT,
    HOST,
    INTEGRATED_AT,
    KINDS,
    PAYLOAD,
    Foreign,
    b64,
    compact,
    sha256,
    statement,
)
from tests.verifier.making import Signer, refused, rows, verdict
from tests.verifier.paths import GONE, Path, get, put
from verifier.algorithms import ECDSA_P256
from verifier.digest import Digest
from verifier.sigstore.artifact import Artifact, check_signed
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.verify import Logged

KIND = pytest.mark.parametrize("kind", KINDS, ids=" ".join)
ENTRY: Path = ("verificationMaterial", "tlogEntries", 0)


def leaves(value: Any, path: Path = ()) -> list[Path]:
    """Return the path of each string in `value`."""
    if isinstance(value, str):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [found for key, one in items for found in leaves(one, (*path, key))]


@KIND
@pytest.mark.parametrize("version", ["0.2", "0.3"])
def test_yes(kind: tuple[str, str], version: str) -> None:
    """
    An envelope is judged under every kind of entry, and where it is logged is told.
    """
    foreign = Foreign(*kind, version=version)
    first = not foreign.second
    origin = f"{HOST} - 2605736670972794746" if first else HOST

    assert Logged(origin, 4, 7, INTEGRATED_AT if first else 0) == foreign.judge()


@pytest.mark.parametrize("kind", KINDS[:2], ids=" ".join)
@pytest.mark.parametrize("digest_alone", [False, True])
def test_message(kind: tuple[str, str], *, digest_alone: bool) -> None:
    """
    A message is judged by its bytes, or by its digest alone.
    """
    assert Foreign(*kind, envelope=False, digest_alone=digest_alone).judge()


@pytest.mark.parametrize("algorithm", ["ecdsa-p384", "ed25519", "rsa-2048", "ml-dsa-65"])
def test_other_algorithms(algorithm: str) -> None:
    """
    Keys of every algorithm are judged; of one that signs no SHA-256 a digest is not enough.
    """
    assert Foreign(algorithm=algorithm).judge()
    assert Foreign(algorithm=algorithm, envelope=False).judge()

    alone = Foreign(algorithm=algorithm, envelope=False, digest_alone=True)
    if algorithm == "rsa-2048":
        assert alone.judge()
    else:
        refused("unsupported-key", alone.judge)


def test_changed_file() -> None:
    """
    A file that is another one when it is read again is refused, whichever of them was signed.
    """
    foreign = Foreign(algorithm="ed25519", envelope=False)
    bundle = ForeignBundle.parse(json.dumps(foreign.document).encode())
    artifact = Artifact(Digest.of(ARTIFACT), lambda: b"another")

    refused("digest-mismatch", lambda: check_signed(bundle, foreign.key, artifact))


def test_who_signed_is_left_to_others() -> None:
    """
    Without a key only what is signed is asked: the artifact's digest is in it.
    """
    other = Artifact(Digest.of(b"another"))
    for envelope in (True, False):
        document = Foreign(envelope=envelope).document
        bundle = ForeignBundle.parse(json.dumps(document).encode())

        check_signed(bundle, None, Artifact(Digest.of(ARTIFACT)))
        refused("digest-mismatch", lambda b=bundle: check_signed(b, None, other))


def test_signature_first() -> None:
    """
    Nothing in an envelope is read before its signature was checked.
    """
    foreign = Foreign(payload=b"[", signature=b"none")

    refused("bad-signature", foreign.judge)


def test_message_without_an_artifact() -> None:
    """
    What a message is about is asked of whoever has it; an envelope says it itself.
    """
    found = [
        ForeignBundle.parse(json.dumps(Foreign(envelope=envelope).document).encode())
        for envelope in (True, False)
    ]

    check_signed(found[0], None, None)
    refused("malformed", lambda: check_signed(found[1], None, None))


@KIND
@pytest.mark.parametrize("other", KINDS, ids=" ".join)
def test_kind_of_another(kind: tuple[str, str], other: tuple[str, str]) -> None:
    """
    An entry is not judged as of another kind than its body has.
    """
    foreign = Foreign(*kind, promise=False)
    foreign.body = foreign.logged
    foreign.kind, foreign.kind_version = other

    if kind == other:
        assert foreign.judge()
    else:
        foreign.global_index = foreign.index
        assert verdict(foreign.judge) in {"entry-mismatch", "malformed"}


@pytest.mark.parametrize("kind", KINDS[2:], ids=" ".join)
def test_message_under_an_envelope_entry(kind: tuple[str, str]) -> None:
    """
    A message is not logged as an envelope is.
    """
    refused("unsupported-version", Foreign(*kind, envelope=False).judge)


@pytest.mark.parametrize(
    ("kind", "version"), [("dsse", "0.0.2"), ("intoto", "0.0.1"), ("hashedrekord", "0.0.3")]
)
def test_unknown_kind(kind: str, version: str) -> None:
    """
    Kinds of entries that no log here has are refused by name.
    """
    assert version in refused("unsupported-version", Foreign(kind, version).judge).message


@KIND
def test_every_leaf_of_the_body(kind: tuple[str, str]) -> None:
    """
    Of a body, logged and proven, no value may differ, but for the hash of a text nobody has.
    """
    good = json.loads(Foreign(*kind).logged)
    free = []
    for path in leaves(good):
        value = get(good, path)
        foreign = Foreign(*kind)
        mine = json.loads(foreign.logged)
        other = "00" * 32 if path[-1] == "value" else "A" * 8 if len(value) > 12 else value + "x"
        foreign.body = compact(put(mine, path, other))
        if verdict(foreign.judge) == "yes":
            free.append(path)

    own = {
        "dsse": ("spec", "envelopeHash", "value"),
        "intoto": ("spec", "content", "hash", "value"),
    }
    assert free == ([own[kind[0]]] if kind[0] in own else [])


@KIND
def test_field_more_in_the_body(kind: tuple[str, str]) -> None:
    """
    A body with one field more is not the one that this signature makes.
    """
    foreign = Foreign(*kind)
    foreign.body = compact({**json.loads(foreign.logged), "more": "1"})

    refused("entry-mismatch", foreign.judge)


@KIND
def test_twin_of_the_signature(kind: tuple[str, str]) -> None:
    """
    A second good signature over the same is in no log, only the first is.
    """
    foreign = Foreign(*kind)
    foreign.body = foreign.logged
    foreign.signature = twin_of(foreign.signed)

    refused("entry-mismatch", foreign.judge)


def twin_of(signature: bytes) -> bytes:
    """Return the other signature that whoever has one can make."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, ECDSA_P256.order - s)


@KIND
def test_another_signer(kind: tuple[str, str]) -> None:
    """
    A bundle that another key signed, and that is logged as that key's, is refused.
    """
    foreign = Foreign(*kind)
    document = foreign.document
    foreign.key = Signer().public

    refused("bad-signature", lambda: foreign.judge(document))


@pytest.mark.parametrize(
    ("code", "payload"),
    rows(
        (
            "version 0.1",
            "yes",
            statement({"sha256": sha256(ARTIFACT).hex()}, kind="https://in-toto.io/Statement/v0.1"),
        ),
        ("second subject", "yes", statement({"sha512": "00"}, {"sha256": sha256(ARTIFACT).hex()})),
        ("another digest", "digest-mismatch", statement({"sha256": "00" * 32})),
        ("another hash", "digest-mismatch", statement({"sha512": sha256(ARTIFACT).hex()})),
        ("digest in capitals", "bad-digest", statement({"sha256": sha256(ARTIFACT).hex().upper()})),
        ("no subject", "malformed", statement()),
        ("no type", "malformed", compact(put(json.loads(PAYLOAD), ("_type",), GONE))),
        ("version 2", "unsupported-version", statement({}, kind="https://in-toto.io/Statement/v2")),
        (
            "no predicate type",
            "malformed",
            compact(put(json.loads(PAYLOAD), ("predicateType",), "")),
        ),
        ("no statement", "malformed", b"[]"),
    ),
)
def test_statement(code: str, payload: bytes) -> None:
    """
    An envelope is about what one of its subjects is by SHA-256, in a version that we know.
    """
    assert code == verdict(Foreign(payload=payload).judge)


def test_message_digest() -> None:
    """
    The hash that a bundle shows has to be the artifact's; it need not show any.
    """
    foreign = Foreign(envelope=False)
    shown: Path = ("messageSignature", "messageDigest")

    assert foreign.judge(put(foreign.document, shown, GONE))
    wrong = put(foreign.document, (*shown, "digest"), b64(bytes(32)))
    refused("digest-mismatch", lambda: foreign.judge(wrong))
    other = put(foreign.document, (*shown, "algorithm"), "SHA2_512")
    refused("unsupported-version", lambda: foreign.judge(other))


def test_other_message() -> None:
    """
    A signature of another message is refused.
    """
    foreign = Foreign(envelope=False, artifact=b"another")
    document = put(foreign.document, ("messageSignature", "messageDigest"), GONE)

    refused("bad-signature", lambda: foreign.judge(document))
