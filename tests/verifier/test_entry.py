"""Ledger entries: one canonical body for each signature, and what is no such body."""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import Literal

import pytest

from tests.verifier.certificates import certificate
from tests.verifier.making import Signer, refused, rows
from tests.verifier.paths import put
from verifier import limits
from verifier._strict import b64encode
from verifier.dsse import IN_TOTO, pae
from verifier.entry import Entry, certified_key, check_same
from verifier.merkle import InclusionProof
from verifier.publickey import PublicKey, ed25519
from verifier.record import Record

MESSAGE = b"a message"
SIGNER = Signer()
GOOD = Entry.of(MESSAGE, SIGNER.sign(MESSAGE), SIGNER.public)
RECORD = ("spec", "hashedRekordV002")
OTHER_ORDER = b'{"kind":"hashedrekord",' + GOOD.body()[1:].replace(b'"kind":"hashedrekord",', b"")


def changed(path: tuple[str, ...], value: object) -> bytes:
    """Return the good body, written anew with one field changed."""
    document = put(json.loads(GOOD.body()), path, value)
    return json.dumps(document, separators=(",", ":")).encode()


def test_body() -> None:
    """
    The body is Rekor's canonical JSON, byte for byte.
    """
    expected = (
        '{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":'
        f'{{"algorithm":"SHA2_256","digest":"{b64encode(hashlib.sha256(MESSAGE).digest())}"}},'
        f'"signature":{{"content":"{b64encode(GOOD.signature)}","verifier":{{"keyDetails":'
        f'"PKIX_ECDSA_P256_SHA_256","publicKey":{{"rawBytes":"{b64encode(SIGNER.public.spki)}"}}'
        "}}}}}"
    )

    body = GOOD.body()

    assert expected.encode() == body
    assert body == Entry.parse(body).body()


@pytest.mark.parametrize(
    ("name", "details", "algorithm", "size"),
    [
        ("ecdsa-p384", "PKIX_ECDSA_P384_SHA_384", "SHA2_384", 48),
        ("ed25519", "PKIX_ED25519", "SHA2_512", 64),
        ("rsa-2048", "PKIX_RSA_PKCS1V15_2048_SHA256", "SHA2_256", 32),
        ("ml-dsa-65", "ML_DSA_65", "SHA2_256", 32),
    ],
)
def test_other_algorithms(name: str, details: str, algorithm: str, size: int) -> None:
    """
    Each algorithm is logged under its own name, with the digest that it uses.
    """
    signer = Signer(name)
    entry = Entry.of(MESSAGE, signer.sign(MESSAGE), signer.public)
    record = json.loads(entry.body())["spec"]["hashedRekordV002"]

    assert entry == Entry.parse(entry.body())
    assert details == record["signature"]["verifier"]["keyDetails"]
    assert (algorithm, size) == (record["data"]["algorithm"], len(entry.data_digest))


@pytest.mark.parametrize(
    ("body", "code"),
    rows(
        ("nothing", b"", "malformed"),
        ("list", b"[]", "malformed"),
        ("empty object", b"{}", "malformed"),
        ("space at the end", GOOD.body() + b" ", "malformed"),
        ("newline at the end", GOOD.body() + b"\n", "malformed"),
        ("space inside", GOOD.body().replace(b'":"', b'": "', 1), "malformed"),
        ("escaped key", GOOD.body().replace(b"kind", b"k\\u0069nd", 1), "malformed"),
        ("other order", OTHER_ORDER, "malformed"),
        ("key twice", GOOD.body().replace(b"{", b'{"kind":"hashedrekord",', 1), "duplicate-key"),
        ("other kind", changed(("kind",), "dsse"), "unsupported-version"),
        ("other version", changed(("apiVersion",), "0.0.1"), "unsupported-version"),
        ("kind null", changed(("kind",), None), "malformed"),
        ("spec null", changed(("spec",), None), "malformed"),
        ("unknown field", changed(("more",), ""), "malformed"),
        ("unknown field, deeper", changed((*RECORD, "more"), ""), "malformed"),
        ("other algorithm", changed((*RECORD, "data", "algorithm"), "SHA2_512"), "malformed"),
        ("digest, no Base64", changed((*RECORD, "data", "digest"), "x"), "bad-base64"),
        ("signature null", changed((*RECORD, "signature", "content"), None), "malformed"),
        (
            "other key details",
            changed((*RECORD, "signature", "verifier", "keyDetails"), "PKIX_ED25519"),
            "malformed",
        ),
        (
            "no key",
            changed((*RECORD, "signature", "verifier", "publicKey", "rawBytes"), "AAAA"),
            "unsupported-key",
        ),
        (
            "weak key",
            changed(
                (*RECORD, "signature", "verifier", "publicKey", "rawBytes"),
                "MCowBQYDK2VwAyEA" + "A" * 43 + "=",
            ),
            "weak-key",
        ),
        ("too long", b" " * (limits.ENTRY + 1), "over-limit"),
    ),
)
def test_bad_bodies(body: bytes, code: str) -> None:
    """
    A body that we would not print is no entry.
    """
    refused(code, lambda: Entry.parse(body))


OTHER = Signer()


@pytest.mark.parametrize(
    ("other", "fields"),
    rows(
        ("digest", GOOD._replace(data_digest=bytes(32)), {"digest"}),
        ("signature", GOOD._replace(signature=SIGNER.sign(b"x")), {"signature"}),
        ("key", GOOD._replace(key=OTHER.public), {"key"}),
        (
            "everything",
            Entry.of(b"x", OTHER.sign(b"x"), OTHER.public),
            {"digest", "signature", "key"},
        ),
    ),
)
def test_what_differs(other: Entry, fields: set[str]) -> None:
    """
    An entry of another signature is refused, and the message names what differs.
    """
    message = refused("entry-mismatch", lambda: check_same(GOOD, other.body())).message

    assert fields == {field for field in ("digest", "signature", "key") if field in message}


@pytest.mark.parametrize(
    "body",
    rows(
        ("nothing", b""),
        ("text", b"x"),
        ("other kind", changed(("kind",), "dsse")),
        ("other spelling", GOOD.body() + b" "),
        ("no key", changed((*RECORD, "signature", "verifier", "publicKey", "rawBytes"), "AAAA")),
        ("huge", b"[" * 100_000),
    ),
)
def test_bodies_that_are_no_entries(body: bytes) -> None:
    """
    Whatever else is in the bundle's place for the body, it is not this signature's entry.
    """
    refused("entry-mismatch", lambda: check_same(GOOD, body))


def test_same() -> None:
    """
    The body that a signature makes is accepted.
    """
    check_same(GOOD, GOOD.body())


@pytest.mark.parametrize(
    ("body", "code"),
    rows(
        ("other type", pae("text/plain", b"{}"), "unsupported-version"),
        ("no message", b"{}", "malformed"),
    ),
)
def test_records_without_a_bundle(body: bytes, code: str) -> None:
    """
    Only a record of an in-toto statement renders to a bundle.
    """
    record = Record(0, "bundle", GOOD.body(), body)

    refused(code, lambda: record.bundle(InclusionProof(0, 1, ()), "", b""))


def test_record_renders_to_a_bundle() -> None:
    """
    A record and a proof make the bundle of its signature, with the hint of its key.
    """
    message = pae(IN_TOTO, b"{}")
    entry = Entry.of(message, SIGNER.sign(message), SIGNER.public)
    proof = InclusionProof(0, 1, ())
    bundle = Record(0, "bundle", entry.body(), message).bundle(proof, "note", bytes(32))

    assert (b"{}", entry.signature) == bundle.envelope[:2]
    assert (SIGNER.public.hint, bytes(32), entry.body(), proof, "note") == bundle[1:6]


def test_weak_keys_are_not_logged() -> None:
    """
    An entry cannot even be made for a key under which anyone can sign.
    """
    refused("weak-key", lambda: Entry.of(b"", b"", ed25519(bytes(32))))


LEAF = certificate(SIGNER.public)
CERTIFIED = Entry.of(MESSAGE, GOOD.signature, SIGNER.public, LEAF)


def test_certified_body() -> None:
    """
    Under a certificate its DER stands in the place of the key, as Rekor has it.
    """
    key = f'"publicKey":{{"rawBytes":"{b64encode(SIGNER.public.spki)}"}}'
    expected = (
        GOOD.body().decode().replace(key, f'"x509Certificate":{{"rawBytes":"{b64encode(LEAF)}"}}')
    )

    assert expected.encode() == CERTIFIED.body() != GOOD.body()
    assert CERTIFIED == Entry.parse(CERTIFIED.body())


@pytest.mark.parametrize("serial", [b"\0", b"\xff"], ids=["zero", "negative"])
@pytest.mark.parametrize("action", ["ignore", "error"])
def test_serial_numbers(action: Literal["ignore", "error"], serial: bytes) -> None:
    """
    A certificate whose serial number no authority may give is refused, whether or not the
    library's warning about it is an error.
    """
    bad = LEAF.replace(b"\x02\x01\x4d", b"\x02\x01" + serial, 1)
    assert bad != LEAF

    with warnings.catch_warnings():
        warnings.simplefilter(action)
        refused("bad-certificate", lambda: certified_key(bad))


@pytest.mark.parametrize(
    ("certificate", "code"),
    rows(
        ("none", b"", "bad-certificate"),
        ("text", b"certificate", "bad-certificate"),
        ("a key", SIGNER.public.spki, "bad-certificate"),
        ("cut off", LEAF[:-1], "bad-certificate"),
        ("something after it", LEAF + b"\0", "bad-certificate"),
        ("longer length", LEAF.replace(b"\x30\x82", b"\x30\x83\0", 1), "bad-certificate"),
        ("open length", b"\x30\x80" + LEAF[4:] + bytes(2), "bad-certificate"),
        ("version 2", LEAF.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\1"), "bad-certificate"),
        ("unknown curve", LEAF.replace(b"\x06\x08\x2a", b"\x06\x08\x2b"), "bad-certificate"),
        ("too long", bytes(limits.CERTIFICATE + 1), "over-limit"),
    ),
)
def test_no_certificates(certificate: bytes, code: str) -> None:
    """
    What is no certificate of a key that we know makes no entry.
    """
    place = (*RECORD, "signature", "verifier", "x509Certificate", "rawBytes")
    document = put(json.loads(CERTIFIED.body()), place, b64encode(certificate))
    body = json.dumps(document, separators=(",", ":")).encode()

    refused(code, lambda: Entry.parse(body))
    refused(code, lambda: certified_key(certificate))


def test_certified_key() -> None:
    """
    A certificate is of one key.
    """
    assert SIGNER.public == certified_key(LEAF)


def test_one_verifier() -> None:
    """
    An entry has a key or a certificate, and not both.
    """
    verifier = (*RECORD, "signature", "verifier")
    both = put(json.loads(CERTIFIED.body()), (*verifier, "publicKey"), {"rawBytes": "AAAA"})

    refused("malformed", lambda: Entry.parse(json.dumps(both, separators=(",", ":")).encode()))


def test_other_certificate() -> None:
    """
    An entry under another certificate of the same key is another entry.
    """
    other = CERTIFIED._replace(certificate=certificate(SIGNER.public, 78))
    message = refused("entry-mismatch", lambda: check_same(CERTIFIED, other.body())).message
    assert "certificate" in message

    refused("entry-mismatch", lambda: check_same(GOOD, CERTIFIED.body()))


def test_certificates_of_keys_for_notes() -> None:
    """
    A certificate does not make a key for checkpoints sign entries.
    """
    key: PublicKey = Signer("ml-dsa-44").public

    refused("unsupported-key", lambda: Entry.of(MESSAGE, b"", key, LEAF))
