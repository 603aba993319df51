"""Bundles: the one shape that we write, and what other shapes are refused as."""

from __future__ import annotations

import json

import pytest

from tests.verifier.making import World, refused, rows
from tests.verifier.paths import GONE, Path, put
from verifier import limits
from verifier._strict import b64encode
from verifier.bundle import Bundle
from verifier.errors import MalformedError
from verifier.merkle import InclusionProof

GOOD = World().bundle
JSON = GOOD.json()
DOCUMENT = json.loads(JSON)
MATERIAL: Path = ("verificationMaterial",)
ENTRY: Path = (*MATERIAL, "tlogEntries", 0)
PROOF: Path = (*ENTRY, "inclusionProof")
HASHES: Path = (*PROOF, "hashes")
ENVELOPE: Path = ("dsseEnvelope",)
STAMPS: Path = (*MATERIAL, "timestampVerificationData")


def parse(document: object) -> Bundle:
    return Bundle.parse(json.dumps(document).encode())


def test_round_trip() -> None:
    """
    A bundle that is written and read again is the same bundle.
    """
    bundle = World().bundle

    assert bundle == Bundle.parse(bundle.json())


def test_timestamps_round_trip() -> None:
    """
    Timestamps are for other clients: we keep them, and write them again.
    """
    bundle = GOOD._replace(timestamps=(b"one", b"two"))

    assert bundle == Bundle.parse(bundle.json())


def test_largest_bundle() -> None:
    """
    A bundle may be as large as the limit says.
    """
    bundle = Bundle.parse(JSON + b" " * (limits.BUNDLE - len(JSON)))

    assert bundle.json() == JSON


def test_path_of_one_entry() -> None:
    """
    The only entry of a ledger has an empty path.
    """
    bundle = World(index=0, leaves=1).bundle

    assert bundle == Bundle.parse(bundle.json())
    assert InclusionProof(0, 1, ()) == bundle.proof


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mediaType", "media_type"),
        ("dsseEnvelope", "dsse_envelope"),
        ("payloadType", "payload_type"),
        ("tlogEntries", "tlog_entries"),
        ("publicKey", "public_key"),
        ("kindVersion", "kind_version"),
        ("logIndex", "log_index"),
        ("canonicalizedBody", "canonicalized_body"),
        ("hint", "Hint"),
    ],
)
def test_other_spellings_of_keys(old: str, new: str) -> None:
    """
    A key has one spelling, though other readers of protobuf's JSON take two.
    """
    with pytest.raises(MalformedError):
        Bundle.parse(JSON.replace(f'"{old}"'.encode(), f'"{new}"'.encode()))


@pytest.mark.parametrize(
    ("path", "value", "code"),
    rows(
        # B7: the version.
        *(
            (f"media type {text!r}", ("mediaType",), text, "unsupported-version")
            for text in (
                *("", f" {DOCUMENT['mediaType']}", DOCUMENT["mediaType"].upper()),
                "application/vnd.dev.sigstore.bundle+json;version=0.1",
                "application/vnd.dev.sigstore.bundle+json;version=0.3",
                "application/vnd.dev.sigstore.bundle.v0.2+json",
                "application/vnd.dev.sigstore.bundle.v0.4+json",
            )
        ),
        # B5: what is signed.
        ("both kinds of content", ("messageSignature",), {}, "unsupported-version"),
        ("no content", ENVELOPE, GONE, "unsupported-version"),
        # B6, B10: the key.
        ("certificate too", (*MATERIAL, "certificate"), {}, "unsupported-version"),
        ("chain too", (*MATERIAL, "x509CertificateChain"), {}, "unsupported-version"),
        ("neither key nor certificate", (*MATERIAL, "publicKey"), GONE, "malformed"),
        ("empty hint", (*MATERIAL, "publicKey", "hint"), "", "unknown-key"),
        ("long hint", (*MATERIAL, "publicKey", "hint"), "x" * 129, "over-limit"),
        # B11: the entries; too many are refused before any is parsed.
        ("no entry", (*MATERIAL, "tlogEntries"), [], "unsupported-version"),
        ("two entries", (*MATERIAL, "tlogEntries"), [None, None], "unsupported-version"),
        ("33 entries", (*MATERIAL, "tlogEntries"), [None] * 33, "over-limit"),
        # B18: another kind of entry.
        ("kind dsse", (*ENTRY, "kindVersion", "kind"), "dsse", "unsupported-version"),
        ("version 0.0.1", (*ENTRY, "kindVersion", "version"), "0.0.1", "unsupported-version"),
        # What Rekor v1 promises and nobody signs.
        ("time", (*ENTRY, "integratedTime"), "1700000000", "unknown-field"),
        ("promise", (*ENTRY, "inclusionPromise"), {}, "unknown-field"),
        # B19: two copies.
        ("other index", (*ENTRY, "logIndex"), "3", "malformed"),
        ("other index in the proof", (*PROOF, "logIndex"), "3", "malformed"),
        ("other size", (*PROOF, "treeSize"), "8", "checkpoint-mismatch"),
        ("other root", (*PROOF, "rootHash"), b64encode(bytes(32)), "checkpoint-mismatch"),
        # The path, cut off before it is parsed.
        ("63 hashes of junk", HASHES, ["x"] * 63, "bad-base64"),
        ("64 hashes of junk", HASHES, ["x"] * 64, "over-limit"),
        ("10,000 nulls", HASHES, [None] * 10_000, "over-limit"),
        # The checkpoint.
        ("empty note", (*PROOF, "checkpoint", "envelope"), "", "malformed"),
        ("unsigned", (*PROOF, "checkpoint", "envelope"), str(GOOD.checkpoint), "malformed"),
        # Timestamps.
        ("timestamps null", STAMPS, None, "malformed"),
        ("timestamps of another kind", STAMPS, {"rfc3161Timestamps": [], "x": 1}, "unknown-field"),
        ("no list of timestamps", STAMPS, {}, "malformed"),
        ("null among timestamps", STAMPS, {"rfc3161Timestamps": [None]}, "malformed"),
        ("33 timestamps", STAMPS, {"rfc3161Timestamps": [None] * 33}, "over-limit"),
        ("junk", STAMPS, {"rfc3161Timestamps": [{"signedTimestamp": "x"}]}, "bad-base64"),
    ),
)
def test_bad_bundles(path: Path, value: object, code: str) -> None:
    """
    A bundle of any other shape than the one that we write is refused.
    """
    refused(code, lambda: parse(put(DOCUMENT, path, value)))


@pytest.mark.parametrize(
    ("data", "code"),
    rows(
        ("nothing", b"", "malformed"),
        ("byte-order mark", b"\xef\xbb\xbf" + JSON, "malformed"),
        ("UTF-16", JSON.decode().encode("utf-16"), "malformed"),
        ("list", b"[" + JSON + b"]", "malformed"),
        ("second bundle", JSON + JSON, "malformed"),
        ("trailing NUL", JSON + b"\0", "malformed"),
        ("cut off", JSON[:-1], "malformed"),
        ("too deep", b'{"a":' * 100 + b"1" + b"}" * 100, "over-limit"),
        ("far too deep", b"[" * 100_000, "over-limit"),
        ("too large", JSON + b" " * (limits.BUNDLE - len(JSON) + 1), "over-limit"),
    ),
)
def test_bad_bytes(data: bytes, code: str) -> None:
    """
    Bytes that are no JSON object within the limits are refused before anything is looked at.
    """
    refused(code, lambda: Bundle.parse(data))


def test_roots_of_other_trees() -> None:
    """
    A bundle for a tree of which the checkpoint does not speak cannot even be read.
    """
    bad = put(DOCUMENT, (*PROOF, "checkpoint", "envelope"), World().note)

    refused("checkpoint-mismatch", lambda: parse(bad))
