"""Every way to spoil a good bundle by one field, without any key.

Each tamper has a name that never depends on the bundle's contents, such as
"entry.logIndex: next", so that a table of exceptions can list it. A judge that
accepts one does not look at that field.

For bundles as the service makes them: Sigstore v0.3, a statement with a named
subject in a DSSE envelope, one signature by a P-256 key, one hashedrekord 0.0.2
entry, a checkpoint without extension lines. The log's signature comes first.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import TypeAlias

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
ORIGIN_LINE, SIZE_LINE, ROOT_LINE, BLANK_LINE, SIGNATURE_LINE = range(5)


def tampers(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a copy of `bundle` with exactly one field changed, for each tamper.

    Raises:
        AssertionError: a tamper changed nothing, so it would prove nothing.
    """
    good = json.loads(bundle)
    entry = good["verificationMaterial"]["tlogEntries"][0]
    for name, path, change in (
        *_envelope(),
        *_material(),
        *_proof(hashes=len(entry["inclusionProof"]["hashes"])),
        *_checkpoint(),
        *_body(),
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
    yield "hint: other", (*material, "publicKey", "hint"), flip
    yield "key: gone", (*material, "publicKey"), to(GONE)
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


def _proof(hashes: int) -> Iterator[Tamper]:
    """The path from the entry to the root."""
    proof = ("verificationMaterial", "tlogEntries", 0, "inclusionProof")
    yield "proof: gone", proof, to(GONE)
    yield "proof.logIndex: next", (*proof, "logIndex"), increment
    yield "proof.treeSize: next", (*proof, "treeSize"), increment
    yield "proof.rootHash: last bit", (*proof, "rootHash"), flip
    for i in range(hashes):
        yield f"proof.hashes[{i}]: last bit", (*proof, "hashes", i), flip
    yield "proof.hashes: one fewer", (*proof, "hashes"), lambda path: path[:-1]
    extra = encoded(bytes(32))
    yield "proof.hashes: one more", (*proof, "hashes"), lambda path: [*path, extra]
    yield "proof.checkpoint: gone", (*proof, "checkpoint"), to(GONE)


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
    body = ("verificationMaterial", "tlogEntries", 0, "canonicalizedBody")
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
    verifier = (*signature, "verifier")
    details = (*verifier, "keyDetails")
    yield "body.keyDetails: other", body, inside(details, to("PKIX_ECDSA_P384_SHA_384"))
    yield "body.key: last bit", body, inside((*verifier, "publicKey", "rawBytes"), flip)
