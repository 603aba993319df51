"""Every way to spoil a good bundle by one field, without any key.

Each tamper has a name that never depends on the bundle's contents, such as
"entry.logIndex: next", so that a table of exceptions can list it. A judge that
accepts one does not look at that field.

For bundles as the service makes them: Sigstore v0.3, a statement with a named
subject in a DSSE envelope, one signature by a P-256 key or under a certificate
of one, one hashedrekord 0.0.2 entry, a checkpoint without extension lines whose
first signature is the log's, at most one timestamp.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from tests.interop.edits import (
    GONE,
    Change,
    Path,
    edited,
    encoded,
    flip,
    flip_at,
    increment,
    inside,
    line,
    raw,
    to,
    twice,
    twin,
    word,
)

Tamper: TypeAlias = tuple[str, Path, Change]

KEY_HINT_SIZE = 4
BODY: Path = ("verificationMaterial", "tlogEntries", 0, "canonicalizedBody")
LOGGED_BY = ("spec", "hashedRekordV002", "signature", "verifier")

# Where fields stand in DER. An uncompressed P-256 key: BIT STRING of 66 bytes, 0 bits unused.
P256_SPKI = bytes.fromhex("03420004")
# TimeStampResp { PKIStatusInfo { INTEGER 0 …: the first integer there is.
PKI_STATUS = bytes.fromhex("0201")
# messageImprint's hash: the first OCTET STRING of 32 bytes.
SHA256_IMPRINT = bytes.fromhex("0420")
# genTime, "YYYYMMDDHHMMSSZ".
GENERALIZED_TIME = bytes.fromhex("180f")

ORIGIN_LINE, SIZE_LINE, ROOT_LINE, BLANK_LINE, SIGNATURE_LINE = range(5)


def tampers(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a copy of `bundle` with exactly one field changed, for each tamper.

    Raises:
        AssertionError: a tamper changed nothing, so it would prove nothing.
    """
    good = json.loads(bundle)
    material = good["verificationMaterial"]
    certified = "certificate" in material
    for name, path, change in (
        *_envelope(),
        *_material(),
        *(_certificate() if certified else _key()),
        *_proof(material["tlogEntries"][0]["inclusionProof"]),
        *_checkpoint(),
        *_body(),
        *(_body_certificate() if certified else _body_key()),
        *(_timestamp() if "timestampVerificationData" in material else ()),
    ):
        bad = edited(copy.deepcopy(good), path, change)
        assert bad != good, f"{name} changed nothing"
        yield name, json.dumps(bad, separators=(",", ":")).encode()


def _envelope() -> Iterator[Tamper]:
    """What was signed, and the signature."""
    envelope = ("dsseEnvelope",)
    yield "envelope: gone", envelope, to(GONE)
    payload = (*envelope, "payload")
    yield "payload: last bit", payload, flip
    yield "payload: empty", payload, to("")
    yield "payload: trailing space", payload, raw(lambda text: text + b" ")
    subject = ("subject", 0)
    yield "payload.digest: other", payload, inside((*subject, "digest", "sha256"), to("0" * 64))
    yield "payload.name: other", payload, inside((*subject, "name"), to("other.example/app"))
    yield "payload.predicateType: other", payload, inside(("predicateType",), to("other"))
    yield "payloadType: other", (*envelope, "payloadType"), to("application/json")
    signatures = (*envelope, "signatures")
    yield "signatures: none", signatures, to([])
    yield "signatures: twice", signatures, twice
    yield "signature: last bit", (*signatures, 0, "sig"), flip
    yield "signature: empty", (*signatures, 0, "sig"), to("")
    yield "signature: valid twin", (*signatures, 0, "sig"), raw(twin)
    yield "signature.keyid: other", (*signatures, 0), lambda one: {**one, "keyid": "other"}


def _material() -> Iterator[Tamper]:
    """The frame of the bundle, and what names the log and the place in it."""
    yield "bundle: unknown field", (), lambda bundle: {**bundle, "other": "1"}
    yield "mediaType: other type", ("mediaType",), to("application/json")
    later = "application/vnd.dev.sigstore.bundle.v0.9+json"
    yield "mediaType: later version", ("mediaType",), to(later)
    material = ("verificationMaterial",)
    yield "entries: none", (*material, "tlogEntries"), to([])
    yield "entries: twice", (*material, "tlogEntries"), twice
    entry = (*material, "tlogEntries", 0)
    yield "entry.logIndex: next", (*entry, "logIndex"), increment
    yield "entry.logIndex: gone", (*entry, "logIndex"), to(GONE)
    yield "entry.logId: last bit", (*entry, "logId", "keyId"), flip
    yield "entry.logId: gone", (*entry, "logId"), to(GONE)
    yield "entry.kind: other", (*entry, "kindVersion", "kind"), to("dsse")
    yield "entry.version: other", (*entry, "kindVersion", "version"), to("0.0.1")
    yield "entry.kindVersion: gone", (*entry, "kindVersion"), to(GONE)
    yield "entry.integratedTime: set", entry, lambda one: {**one, "integratedTime": "1700000000"}
    promise = {"signedEntryTimestamp": encoded(b"promise")}
    yield "entry.inclusionPromise: false", entry, lambda one: {**one, "inclusionPromise": promise}


def _key() -> Iterator[Tamper]:
    """What names a managed key."""
    key = ("verificationMaterial", "publicKey")
    yield "hint: other", (*key, "hint"), flip
    yield "key: gone", key, to(GONE)


def _certificate() -> Iterator[Tamper]:
    """The signer's certificate: its signature is at its end, its key near its start."""
    certificate = ("verificationMaterial", "certificate")
    yield "certificate: gone", certificate, to(GONE)
    raw_bytes = (*certificate, "rawBytes")
    yield "certificate: empty", raw_bytes, to("")
    yield "certificate.signature: last bit", raw_bytes, flip
    yield "certificate.key: last bit", raw_bytes, raw(_flip_after(P256_SPKI, 64))
    yield (
        "certificate.identity: other",
        raw_bytes,
        raw(lambda der: der.replace(b"/keys/", b"/kexs/")),
    )
    yield "certificate: trailing byte", raw_bytes, raw(lambda der: der + b"\0")


def _timestamp() -> Iterator[Tamper]:
    """The RFC 3161 response over the signature: hash, then time, and its signature at its end."""
    data = ("verificationMaterial", "timestampVerificationData")
    stamps = (*data, "rfc3161Timestamps")
    yield "timestamps: gone", data, to(GONE)
    yield "timestamps: none", stamps, to([])
    yield "timestamps: twice", stamps, twice
    stamp = (*stamps, 0, "signedTimestamp")
    yield "timestamp: empty", stamp, to("")
    yield "timestamp.status: rejection", stamp, raw(_flip_after(PKI_STATUS, 0))
    yield "timestamp.hash: last bit", stamp, raw(_flip_after(SHA256_IMPRINT, 31))
    yield "timestamp.time: other", stamp, raw(_flip_after(GENERALIZED_TIME, 13))
    yield "timestamp.signature: last bit", stamp, flip


def _proof(good: Mapping[str, Any]) -> Iterator[Tamper]:
    """The path from the entry to the root, which is as long in trees of several sizes."""
    proof = ("verificationMaterial", "tlogEntries", 0, "inclusionProof")
    yield "proof: gone", proof, to(GONE)
    yield "proof.logIndex: next", (*proof, "logIndex"), increment
    index, size, hashes = int(good["logIndex"]), int(good["treeSize"]), len(good["hashes"])
    if hashes == _path_length(index, size + 1):
        yield "proof.treeSize: next", (*proof, "treeSize"), increment
    yield "proof.treeSize: four times", (*proof, "treeSize"), to(str(4 * size))
    yield "proof.rootHash: last bit", (*proof, "rootHash"), flip
    for i in range(hashes):
        yield f"proof.hashes[{i}]: last bit", (*proof, "hashes", i), flip
    yield "proof.hashes: one fewer", (*proof, "hashes"), lambda path: path[:-1]
    extra = encoded(bytes(32))
    yield "proof.hashes: one more", (*proof, "hashes"), lambda path: [*path, extra]
    yield "proof.checkpoint: gone", (*proof, "checkpoint"), to(GONE)


def _path_length(index: int, tree_size: int) -> int:
    """Return how many hashes lead from a leaf to the root (RFC 9162, 2.1.3.2)."""
    inner = (index ^ (tree_size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def _checkpoint() -> Iterator[Tamper]:
    """The signed note: origin, size, root, blank, then `— <name> <hint + signature>`."""
    proof = ("verificationMaterial", "tlogEntries", 0, "inclusionProof")
    note = (*proof, "checkpoint", "envelope")
    yield "checkpoint.origin: other", note, line(ORIGIN_LINE, lambda text: f"x{text}")
    yield "checkpoint.size: next", note, line(SIZE_LINE, increment)
    yield "checkpoint.root: last bit", note, line(ROOT_LINE, flip)
    yield "checkpoint: extension line", note, line(ROOT_LINE, lambda text: f"{text}\nmore")
    yield "checkpoint: no blank line", note, line(BLANK_LINE, to(GONE))
    yield "checkpoint.name: other", note, line(SIGNATURE_LINE, lambda t: t.replace("— ", "— x"))
    yield "checkpoint.hint: first bit", note, line(SIGNATURE_LINE, word(2, flip_at(0)))
    first = flip_at(KEY_HINT_SIZE)
    yield "checkpoint.signature: first bit", note, line(SIGNATURE_LINE, word(2, first))
    yield "checkpoint.signature: last bit", note, line(SIGNATURE_LINE, word(2, flip))
    yield "checkpoint.signature: gone", note, line(SIGNATURE_LINE, to(GONE))


def _body() -> Iterator[Tamper]:
    """The logged bytes, which repeat digest, signature and key."""
    body = BODY
    yield "body: gone", body, to(GONE)
    yield "body: trailing space", body, raw(lambda text: text + b" ")
    yield "body.apiVersion: other", body, inside(("apiVersion",), to("0.0.1"))
    yield "body.kind: other", body, inside(("kind",), to("dsse"))
    record = ("spec", "hashedRekordV002")
    algorithm = (*record, "data", "algorithm")
    yield "body.algorithm: other", body, inside(algorithm, to("SHA2_512"))
    yield "body.digest: last bit", body, inside((*record, "data", "digest"), flip)
    signature = (*record, "signature")
    yield "body.signature: last bit", body, inside((*signature, "content"), flip)
    details = (*signature, "verifier", "keyDetails")
    yield "body.keyDetails: other", body, inside(details, to("PKIX_ECDSA_P384_SHA_384"))


def _body_key() -> Iterator[Tamper]:
    yield "body.key: last bit", BODY, inside((*LOGGED_BY, "publicKey", "rawBytes"), flip)


def _body_certificate() -> Iterator[Tamper]:
    path = (*LOGGED_BY, "x509Certificate", "rawBytes")
    yield "body.certificate: last bit", BODY, inside(path, flip)


def _flip_after(marker: bytes, offset: int) -> Callable[[bytes], bytes]:
    """Flip the lowest bit of the byte that stands `offset` after the first `marker`."""

    def spoil(good: bytes) -> bytes:
        assert marker in good, marker
        spoiled = bytearray(good)
        spoiled[good.index(marker) + len(marker) + offset] ^= 1
        return bytes(spoiled)

    return spoil
