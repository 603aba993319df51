"""Sigstore bundles v0.3: an envelope, the hint of its key, and one log entry.

Exactly one shape is read: one DSSE envelope with one signature, one `hashedrekord` 0.0.2
entry, and the hint of a managed key; or, when asked for, a certificate in its place, which
others judge. What else Sigstore's clients make is read by `verifier.sigstore`.

Spec: sigstore protobuf-specs, sigstore_bundle.proto.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, b64encode, base64_pieces, decimal, json_object
from verifier.checkpoint import Checkpoint
from verifier.dsse import Envelope
from verifier.entry import KIND, VERSION
from verifier.errors import (
    CheckpointMismatchError,
    LimitError,
    MalformedError,
    UnknownKeyError,
    UnsupportedError,
)
from verifier.merkle import Hash, InclusionProof
from verifier.note import Note
from verifier.proof import TlogProof

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = '"payload":"'  # once in a bundle: within its values a quote is escaped


class Bundle(NamedTuple):
    """A parsed bundle. Nothing in it is trusted yet.

    `timestamps` are RFC 3161 responses for other clients; ours never reads them. With
    a `certificate` (DER) there is no hint.
    """

    envelope: Envelope
    hint: str
    log_id: bytes
    entry: bytes
    proof: InclusionProof
    note: str
    timestamps: tuple[bytes, ...] = ()
    certificate: bytes = b""

    @classmethod
    def parse(cls, data: bytes, limit: int = limits.BUNDLE, *, certified: bool = False) -> Self:
        """Parse the JSON of a bundle of at most `limit` bytes; `certified`: under a certificate.

        Raises:
            LimitError: too large, too deep, too many.
            UnsupportedError: another version or kind of bundle.
            CheckpointMismatchError: its two copies of size or root disagree.
            MalformedError: any other shape.
        """
        fields = Fields(json_object(data, limit=limit), "bundle")
        media_type = fields.text("mediaType")
        if media_type != MEDIA_TYPE:
            raise UnsupportedError(f"expected mediaType {MEDIA_TYPE}, found {media_type[:80]!r}")
        material = fields.inside("verificationMaterial")
        if fields.has("messageSignature") or not fields.has("dsseEnvelope"):
            raise UnsupportedError("expected a bundle with a dsseEnvelope and nothing else signed")
        envelope = Envelope.parse(fields.inside("dsseEnvelope"))
        fields.done()
        certificate = _certificate(material) if certified else b""
        hint = "" if certified else _hint(material)
        timestamps = _timestamps(material)
        entries = material.items("tlogEntries", most=limits.TIMESTAMPS)
        material.done()
        if len(entries) != 1:
            raise UnsupportedError(f"expected one log entry, found {len(entries)}")
        return cls(envelope, hint, *_log_entry(entries[0]), timestamps, certificate)

    def json(self) -> bytes:
        """Render as compact JSON, with keys in the order that the specification lists them."""
        return self._text(b64encode(self.envelope.payload)).encode()

    def pieces(self, payload: Iterable[bytes]) -> Iterator[bytes]:
        """Render the same as `json` would, around a payload that comes in pieces."""
        before, field, after = self._text("").partition(_PAYLOAD)
        yield (before + field).encode()
        yield from base64_pieces(payload)
        yield after.encode()

    def _text(self, payload: str) -> str:
        index = str(self.proof.index)
        checkpoint = self.checkpoint
        log_entry = {
            "logIndex": index,
            "logId": {"keyId": b64encode(self.log_id)},
            "kindVersion": {"kind": KIND, "version": VERSION},
            "inclusionProof": {
                "logIndex": index,
                "rootHash": b64encode(checkpoint.root),
                "treeSize": str(self.proof.tree_size),
                "hashes": [b64encode(h) for h in self.proof.path],
                "checkpoint": {"envelope": self.note},
            },
            "canonicalizedBody": b64encode(self.entry),
        }
        material: dict[str, object] = (
            {"certificate": {"rawBytes": b64encode(self.certificate)}}
            if self.certificate
            else {"publicKey": {"hint": self.hint}}
        )
        material["tlogEntries"] = [log_entry]
        if self.timestamps:
            stamps = [{"signedTimestamp": b64encode(t)} for t in self.timestamps]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        bundle = {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": material,
            "dsseEnvelope": {**self.envelope.json(), "payload": payload},
        }
        return json.dumps(bundle, separators=(",", ":"), ensure_ascii=False)

    @property
    def checkpoint(self) -> Checkpoint:
        """The tree that the note speaks of; raises `MalformedError` if it is no checkpoint."""
        return _checkpoint(self.note)

    def tlog_proof(self) -> TlogProof:
        """Render the proof alone, as C2SP tools read it."""
        return TlogProof(self.proof.index, self.proof.path, Note.parse(self.note))


@lru_cache(maxsize=16)  # many bundles are rendered under one checkpoint
def _checkpoint(note: str) -> Checkpoint:
    return Checkpoint.parse(Note.parse(note).text)


def _hint(material: Fields) -> str:
    for other in ("certificate", "x509CertificateChain"):
        if material.has(other):
            raise UnsupportedError("expected a managed key, found a certificate")
    key = material.inside("publicKey")
    hint = key.text("hint")
    key.done()
    if not hint:
        raise UnknownKeyError("expected the hint of a key, found an empty one")
    if len(hint) > limits.ANNOTATION_KEY:
        raise LimitError(f"expected a hint of at most {limits.ANNOTATION_KEY} characters")
    return hint


def _certificate(material: Fields) -> bytes:
    fields = material.inside("certificate")
    certificate = b64(fields.text("rawBytes"))
    fields.done()
    return certificate


def has_certificate(data: bytes) -> bool:
    """Whether `data` may be a bundle under a certificate. `parse` says for sure."""
    return b'"certificate"' in data or b'"x509CertificateChain"' in data


def _timestamps(material: Fields) -> tuple[bytes, ...]:
    if not material.has("timestampVerificationData"):
        return ()
    data = material.inside("timestampVerificationData")
    found = data.items("rfc3161Timestamps", most=limits.TIMESTAMPS)
    data.done()
    stamps = []
    for i, value in enumerate(found):
        stamp = Fields(value, f"rfc3161Timestamps[{i}]")
        stamps.append(b64(stamp.text("signedTimestamp")))
        stamp.done()
    return tuple(stamps)


def _log_entry(value: object) -> tuple[bytes, bytes, InclusionProof, str]:
    """Return log id, canonical body, proof and checkpoint note of one log entry."""
    fields = Fields(value, "bundle.tlogEntries[0]")
    kind_version = fields.inside("kindVersion")
    kind, version = kind_version.text("kind"), kind_version.text("version")
    kind_version.done()
    if (kind, version) != (KIND, VERSION):
        raise UnsupportedError(f"expected {KIND} {VERSION}, found {kind[:40]!r} {version[:40]!r}")
    log = fields.inside("logId")
    log_id = b64(log.text("keyId"), size=32)
    log.done()
    index = decimal(fields.text("logIndex"))
    entry = b64(fields.text("canonicalizedBody"))
    proof = fields.inside("inclusionProof")
    fields.done()
    inner_index, tree_size = decimal(proof.text("logIndex")), decimal(proof.text("treeSize"))
    root = Hash(b64(proof.text("rootHash"), size=Hash.SIZE))
    hashes = proof.items("hashes", most=limits.PATH)
    if not all(isinstance(h, str) for h in hashes):
        raise MalformedError("inclusionProof.hashes: expected only strings")
    path = tuple(Hash(b64(h, size=Hash.SIZE)) for h in hashes)
    envelope = proof.inside("checkpoint")
    proof.done()
    note = envelope.text("envelope")
    envelope.done()
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    if inner_index != index:
        raise MalformedError(f"the entry says index {index}, its proof says {inner_index}")
    if (checkpoint.tree_size, checkpoint.root) != (tree_size, root):
        raise CheckpointMismatchError(
            f"the proof is for size {tree_size} and root {root.hex()}, "
            f"the checkpoint for {checkpoint.tree_size} and {checkpoint.root.hex()}"
        )
    return log_id, entry, InclusionProof(index, tree_size, path), note
