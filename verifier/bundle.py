"""Sigstore bundles v0.3, and everything else that one stored record renders to.

A *record* is what the ledger keeps of one signature. A bundle is that record
with a proof: an envelope, the hint of its key, and one log entry (sigstore
protobuf-specs, sigstore_bundle.proto).

This verifier reads exactly the shape that it writes: a managed key, one DSSE
envelope with one signature, one `hashedrekord` 0.0.2 entry.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple, Self

from verifier import dsse, limits
from verifier._strict import Fields, b64, b64encode, decimal, json_object
from verifier.checkpoint import Checkpoint
from verifier.dsse import Envelope
from verifier.entry import KIND, VERSION, Entry
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


class Record(NamedTuple):
    """One signature as it is stored: made once, rendered often.

    `body` is the signed message, `entry` the canonical body of its leaf.
    """

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    form: str
    entry: bytes
    body: bytes

    def bundle(self, proof: InclusionProof, note: str, log_id: bytes) -> Bundle:
        """Render as a bundle under `note`, the signed checkpoint that `proof` leads to.

        Raises:
            MalformedError: this record is not of a form that has a bundle.
        """
        payload_type, payload = dsse.parse_pae(self.body)
        if payload_type != dsse.IN_TOTO:
            raise UnsupportedError(f"no bundle holds a payload of type {payload_type[:80]!r}")
        entry = Entry.parse(self.entry)
        return Bundle(
            Envelope(payload, entry.signature), entry.key.hint, log_id, self.entry, proof, note
        )


class Bundle(NamedTuple):
    """A parsed bundle. Nothing in it is trusted yet.

    `timestamps` are RFC 3161 responses for other clients; ours never reads them.
    """

    envelope: Envelope
    hint: str
    log_id: bytes
    entry: bytes
    proof: InclusionProof
    note: str
    timestamps: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse the JSON of a bundle.

        Raises:
            LimitError: too large, too deep, too many.
            UnsupportedError: another version or kind of bundle.
            CheckpointMismatchError: its two copies of size or root disagree.
            MalformedError: any other shape.
        """
        fields = Fields(json_object(data, limit=limits.BUNDLE), "bundle")
        media_type = fields.text("mediaType")
        if media_type != MEDIA_TYPE:
            raise UnsupportedError(f"expected mediaType {MEDIA_TYPE}, found {media_type[:80]!r}")
        material = fields.inside("verificationMaterial")
        if fields.has("messageSignature") or not fields.has("dsseEnvelope"):
            raise UnsupportedError("expected a bundle with a dsseEnvelope and nothing else signed")
        envelope = Envelope.parse(fields.inside("dsseEnvelope"))
        fields.done()
        hint = _hint(material)
        timestamps = _timestamps(material)
        entries = material.items("tlogEntries", most=limits.TIMESTAMPS)
        material.done()
        if len(entries) != 1:
            raise UnsupportedError(f"expected one log entry, found {len(entries)}")
        return cls(envelope, hint, *_log_entry(entries[0]), timestamps)

    def json(self) -> bytes:
        """Render as compact JSON, with keys in the order that the specification lists them."""
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
        material: dict[str, object] = {
            "publicKey": {"hint": self.hint},
            "tlogEntries": [log_entry],
        }
        if self.timestamps:
            stamps = [{"signedTimestamp": b64encode(t)} for t in self.timestamps]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        bundle = {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": material,
            "dsseEnvelope": self.envelope.json(),
        }
        return json.dumps(bundle, separators=(",", ":"), ensure_ascii=False).encode()

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
