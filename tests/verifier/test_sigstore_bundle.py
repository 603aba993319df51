"""Foreign bundles as JSON: three versions, what may be left out, and what may not be there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier.foreign import MEDIA_TYPES, Foreign, b64
from tests.verifier.making import refused, rows
from tests.verifier.paths import GONE, Path, inside, put
from verifier.sigstore.bundle import ForeignBundle

FOREIGN = Foreign("hashedrekord", "0.0.1", version="0.2")
MATERIAL: Path = ("verificationMaterial",)
ENTRY: Path = (*MATERIAL, "tlogEntries", 0)
PROOF: Path = (*ENTRY, "inclusionProof")
PROMISE: Path = (*ENTRY, "inclusionPromise", "signedEntryTimestamp")
DATA: Path = (*MATERIAL, "timestampVerificationData")
GOOD = put(FOREIGN.document, (*DATA, "rfc3161Timestamps"), [{"signedTimestamp": b64(b"stamp")}])
MESSAGE = Foreign(envelope=False).document
OLD = "application/vnd.dev.sigstore.bundle+json;version="
CERTIFICATE = {"rawBytes": b64(b"der")}


def parse(document: object) -> ForeignBundle:
    return ForeignBundle.parse(json.dumps(document).encode())


def signed_by(place: str, value: object, version: str = "0.2") -> dict[str, Any]:
    """Return the good bundle with another field in the place of its hint."""
    gone = put(GOOD, (*MATERIAL, "publicKey"), GONE)
    typed: dict[str, Any] = put(gone, ("mediaType",), MEDIA_TYPES[version])
    typed["verificationMaterial"][place] = value
    return typed


def test_old_spelling_of_the_third_version() -> None:
    """
    Version 0.3 has two media types.
    """
    assert 3 == parse(put(GOOD, ("mediaType",), OLD + "0.3")).version


def test_what_it_holds() -> None:
    """
    A bundle is read into its parts.
    """
    found = parse(GOOD)
    entry = found.entries[0]

    assert (FOREIGN.key.hint, b"", ()) == (found.hint, found.certificate, found.above)
    assert (b"stamp",) == found.timestamps
    assert FOREIGN.logged == entry.body
    assert (1004, "hashedrekord", "0.0.1") == (entry.index, entry.kind, entry.version)


def test_certificates() -> None:
    """
    The first certificate of a chain is the signer's; version 0.3 has it alone.
    """
    chain = {"certificates": [CERTIFICATE, {"rawBytes": b64(b"above")}]}
    old = parse(signed_by("x509CertificateChain", chain))
    new = parse(signed_by("certificate", CERTIFICATE, "0.3"))

    assert (b"der", (b"above",)) == (old.certificate, old.above)
    assert (b"der", (), "") == (new.certificate, new.above, new.hint)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path[-1])
        for path in (
            (*DATA, "rfc3161Timestamps"),
            DATA,
            (*ENTRY, "inclusionPromise"),
            (*ENTRY, "logIndex"),
            (*ENTRY, "integratedTime"),
            (*PROOF, "logIndex"),
            (*PROOF, "treeSize"),
            (*PROOF, "hashes"),
            PROOF,
            (*MATERIAL, "tlogEntries"),
            (*MATERIAL, "publicKey", "hint"),
        )
    ],
)
def test_left_out(path: Path) -> None:
    """
    What is zero or empty may be left out, as programs in Go do, or null: that is the same.
    """
    assert parse(put(GOOD, path, GONE)) == parse(put(GOOD, path, None))


def test_digest_left_out() -> None:
    """
    A bundle of a message need not show its hash.
    """
    shown: Path = ("messageSignature", "messageDigest")

    assert parse(put(MESSAGE, shown, GONE)) == parse(put(MESSAGE, shown, None))


@pytest.mark.parametrize(
    ("code", "path", "value"),
    rows(
        ("media type", "unsupported-version", ("mediaType",), "application/json"),
        ("version 99.9", "unsupported-version", ("mediaType",), OLD + "99.9"),
        ("both contents", "malformed", ("messageSignature",), MESSAGE["messageSignature"]),
        ("no content", "malformed", ("dsseEnvelope",), GONE),
        ("null content", "malformed", ("dsseEnvelope",), None),
        ("two signatures", "over-limit", ("dsseEnvelope", "signatures"), [{"sig": "AAAA"}] * 2),
        ("payload type", "unsupported-version", ("dsseEnvelope", "payloadType"), "text/plain"),
        ("key and certificate", "malformed", (*MATERIAL, "certificate"), CERTIFICATE),
        ("no signer", "malformed", (*MATERIAL, "publicKey"), GONE),
        ("long hint", "over-limit", (*MATERIAL, "publicKey", "hint"), "x" * 129),
        ("number as number", "malformed", (*ENTRY, "logIndex"), 1004),
        ("negative index", "bad-integer", (*ENTRY, "logIndex"), "-1"),
        ("index with zero", "bad-integer", (*ENTRY, "logIndex"), "01"),
        ("time with fraction", "bad-integer", (*ENTRY, "integratedTime"), "1.5"),
        ("short log id", "bad-base64", (*ENTRY, "logId", "keyId"), b64(bytes(4))),
        ("no log id", "malformed", (*ENTRY, "logId"), GONE),
        ("null log id", "malformed", (*ENTRY, "logId"), None),
        ("no body", "malformed", (*ENTRY, "canonicalizedBody"), GONE),
        ("large body", "over-limit", (*ENTRY, "canonicalizedBody"), b64(bytes((1 << 20) + 1))),
        ("empty promise", "over-limit", PROMISE, ""),
        ("long promise", "over-limit", PROMISE, b64(bytes(8193))),
        ("short root", "bad-base64", (*PROOF, "rootHash"), b64(bytes(31))),
        ("no root", "malformed", (*PROOF, "rootHash"), GONE),
        ("path of a number", "malformed", (*PROOF, "hashes"), [1]),
        ("long path", "over-limit", (*PROOF, "hashes"), [b64(bytes(32))] * 64),
        ("no checkpoint", "malformed", (*PROOF, "checkpoint"), GONE),
        ("empty checkpoint", "malformed", (*PROOF, "checkpoint", "envelope"), ""),
        (
            "many timestamps",
            "over-limit",
            (*DATA, "rfc3161Timestamps"),
            [{"signedTimestamp": ""}] * 33,
        ),
        ("many entries", "over-limit", (*MATERIAL, "tlogEntries"), [{}] * 33),
        ("no material", "malformed", MATERIAL, GONE),
    ),
)
def test_refused(code: str, path: Path, value: object) -> None:
    """
    A bundle that has not the shape of its version is refused.
    """
    refused(code, lambda: parse(put(GOOD, path, value)))


@pytest.mark.parametrize(
    ("code", "path", "value"),
    rows(
        ("empty signature", "over-limit", ("signature",), ""),
        ("long signature", "over-limit", ("signature",), b64(bytes(8193))),
        ("signature in other Base64", "bad-base64", ("signature",), "-_-_"),
        ("another hash", "unsupported-version", ("messageDigest", "algorithm"), "SHA2_384"),
        ("short digest", "bad-base64", ("messageDigest", "digest"), b64(bytes(31))),
    ),
)
def test_message_refused(code: str, path: Path, value: object) -> None:
    """
    So is one of a message.
    """
    refused(code, lambda: parse(put(MESSAGE, ("messageSignature", *path), value)))


@pytest.mark.parametrize(
    ("code", "place", "value", "version"),
    rows(
        (
            "chain in version 0.3",
            "unsupported-version",
            "x509CertificateChain",
            {"certificates": [CERTIFICATE]},
            "0.3",
        ),
        ("empty chain", "bad-certificate", "x509CertificateChain", {"certificates": []}, "0.1"),
        (
            "long chain",
            "over-limit",
            "x509CertificateChain",
            {"certificates": [CERTIFICATE] * 17},
            "0.1",
        ),
        ("empty certificate", "bad-certificate", "certificate", {"rawBytes": ""}, "0.3"),
        ("large certificate", "over-limit", "certificate", {"rawBytes": b64(bytes(16385))}, "0.3"),
    ),
)
def test_certificate_refused(code: str, place: str, value: object, version: str) -> None:
    """
    So is one with no certificate, with too much of one, or with a chain in version 0.3.
    """
    refused(code, lambda: parse(signed_by(place, value, version)))


@pytest.mark.parametrize("document", [GOOD, MESSAGE], ids=["envelope", "message"])
@pytest.mark.parametrize("value", ["1", None], ids=["text", "null"])
def test_unknown_field(document: dict[str, Any], value: object) -> None:
    """
    No object in a bundle has a field that nobody reads, not even null.
    """
    for param in inside(document, dict, top=True):
        path = param.values[0]
        refused("unknown-field", lambda p=path: parse(put(document, (*p, "more"), value)))


def test_key_twice() -> None:
    """
    A key that occurs twice is refused, for two readers could see two values.
    """
    text = json.dumps(GOOD)

    refused("duplicate-key", lambda: ForeignBundle.parse(('{"mediaType":"x",' + text[1:]).encode()))


def test_too_large() -> None:
    """
    What is larger than any attestation is refused before it is read.
    """
    refused("over-limit", lambda: ForeignBundle.parse(b" " * ((24 << 20) + 1)))
