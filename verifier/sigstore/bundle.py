"""Sigstore bundles of the versions 0.1, 0.2 and 0.3, whoever made them.

Signed is a message, of which the bundle has at most the hash, or a DSSE envelope; by a key
of which it has a hint, or under a certificate. In its one log entry are an inclusion proof
under a checkpoint, or a promise, or both. What programs in Go leave out because it is zero
or empty is zero or empty; a field that nobody knows is refused.

Spec: sigstore protobuf-specs, sigstore_bundle.proto and sigstore_rekor.proto.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, decimal, json_object
from verifier.dsse import Envelope
from verifier.errors import CertificateError, LimitError, MalformedError, UnsupportedError
from verifier.merkle import Hash, InclusionProof

_VERSIONS = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
    "application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
    "application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
    "application/vnd.dev.sigstore.bundle.v0.3+json": 3,
}
_CHAIN = 16  # certificates
_OPTIONAL = frozenset(
    (
        "certificate",
        "checkpoint",
        "dsseEnvelope",
        "hashes",
        "hint",
        "inclusionPromise",
        "inclusionProof",
        "integratedTime",
        "logIndex",
        "messageDigest",
        "messageSignature",
        "publicKey",
        "rfc3161Timestamps",
        "timestampVerificationData",
        "tlogEntries",
        "treeSize",
        "x509CertificateChain",
    )
)
_HASH, _HASH_SIZE, _ID_SIZE = "SHA2_256", 32, 32


class Message(NamedTuple):
    """A signature over bytes that are elsewhere; `digest` is their SHA-256, or empty."""

    digest: bytes
    signature: bytes


class Proof(NamedTuple):
    """That an entry is in a tree whose root a checkpoint commits to; nothing is trusted yet."""

    inclusion: InclusionProof
    root: Hash
    note: str


class LogEntry(NamedTuple):
    """What a log is said to have. `index` counts over all trees of a log of Rekor v1.

    `integrated_at` is POSIX seconds, and counts only under a `promise`; 0 and b"" are none.
    """

    log_id: bytes
    kind: str
    version: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    integrated_at: int
    promise: bytes
    proof: Proof | None
    body: bytes


class ForeignBundle(NamedTuple):
    """A parsed bundle. `certificate` is DER, and empty when a key signed that has `hint`.

    Who is shown `above` it, in versions before 0.3, is trusted for nothing.
    """

    version: int  # the digit after "0."
    signed: Message | Envelope
    hint: str
    certificate: bytes
    above: tuple[bytes, ...]
    entries: tuple[LogEntry, ...]
    timestamps: tuple[bytes, ...]  # RFC 3161 responses, DER

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse the JSON of a bundle.

        Raises:
            LimitError: too large, too deep, too many.
            UnsupportedError: another version or kind of bundle.
            CertificateError: a place for certificates, and none in it.
            MalformedError: any other shape.
        """
        value = json_object(data, limit=limits.ATTESTATION)
        fields = Fields(_without_nulls(value), "bundle")
        media_type = fields.text("mediaType")
        if media_type not in _VERSIONS:
            raise UnsupportedError(
                f"expected a bundle of version 0.1 to 0.3, found {media_type[:80]!r}"
            )
        version = _VERSIONS[media_type]
        material = fields.inside("verificationMaterial")
        signed = _signed(fields)
        fields.done()
        hint, chain = _hint_or_chain(material, version)
        timestamps = _timestamps(material)
        found = _items(material, "tlogEntries", limits.TIMESTAMPS)
        material.done()
        entries = tuple(_log_entry(one, i, version) for i, one in enumerate(found))
        certificate, *above = chain or [b""]
        return cls(version, signed, hint, certificate, tuple(above), entries, timestamps)


def _signed(fields: Fields) -> Message | Envelope:
    if fields.has("messageSignature") is fields.has("dsseEnvelope"):
        raise MalformedError("expected either a messageSignature or a dsseEnvelope")
    if fields.has("dsseEnvelope"):
        return Envelope.parse(fields.inside("dsseEnvelope"))
    message = fields.inside("messageSignature")
    digest = b""
    if message.has("messageDigest"):
        hashed = message.inside("messageDigest")
        algorithm = hashed.text("algorithm")
        if algorithm != _HASH:
            raise UnsupportedError(f"expected a digest of {_HASH}, found {algorithm[:40]!r}")
        digest = b64(hashed.text("digest"), size=_HASH_SIZE)
        hashed.done()
    signature = b64(message.text("signature"))
    message.done()
    if not 0 < len(signature) <= limits.SIGNATURE:
        raise LimitError(f"expected a signature of 1 to {limits.SIGNATURE} bytes")
    return Message(digest, signature)


def _hint_or_chain(material: Fields, version: int) -> tuple[str, list[bytes]]:
    """Return the hint of a key, or the certificates: one of them says who signed."""
    places = ("publicKey", "certificate", "x509CertificateChain")
    found = [place for place in places if material.has(place)]
    if len(found) != 1:
        raise MalformedError(f"expected one of {', '.join(places)}, found {len(found)}")
    if found == ["publicKey"]:
        key = material.inside("publicKey")
        hint = key.text("hint") if key.has("hint") else ""
        key.done()
        if len(hint) > limits.ANNOTATION_KEY:
            raise LimitError(f"expected a hint of at most {limits.ANNOTATION_KEY} characters")
        return hint, []
    if found == ["certificate"]:
        return "", [_certificate(material.inside("certificate"))]
    if version >= 3:
        raise UnsupportedError("expected a certificate alone in a bundle of version 0.3")
    chain = material.inside("x509CertificateChain")
    certificates = [
        _certificate(Fields(one, f"x509CertificateChain[{i}]"))
        for i, one in enumerate(_items(chain, "certificates", _CHAIN))
    ]
    chain.done()
    if not certificates:
        raise CertificateError("expected a certificate, found an empty chain")
    return "", certificates


def _certificate(fields: Fields) -> bytes:
    der = b64(fields.text("rawBytes"))
    fields.done()
    if not der:
        raise CertificateError("expected a certificate, found an empty one")
    if len(der) > limits.CERTIFICATE:
        raise LimitError(f"expected at most {limits.CERTIFICATE} bytes of certificate")
    return der


def _timestamps(material: Fields) -> tuple[bytes, ...]:
    if not material.has("timestampVerificationData"):
        return ()
    data = material.inside("timestampVerificationData")
    stamps = []
    for i, value in enumerate(_items(data, "rfc3161Timestamps", limits.TIMESTAMPS)):
        stamp = Fields(value, f"rfc3161Timestamps[{i}]")
        stamps.append(b64(stamp.text("signedTimestamp")))
        stamp.done()
    data.done()
    return tuple(stamps)


def _log_entry(value: object, i: int, version: int) -> LogEntry:
    fields = Fields(value, f"bundle.tlogEntries[{i}]")
    log = fields.inside("logId")
    log_id = b64(log.text("keyId"), size=_ID_SIZE)
    log.done()
    named = fields.inside("kindVersion")
    kind, entry_version = named.text("kind"), named.text("version")
    named.done()
    index, integrated_at = _count(fields, "logIndex"), _count(fields, "integratedTime")
    promise = b""
    if fields.has("inclusionPromise"):
        promised = fields.inside("inclusionPromise")
        promise = b64(promised.text("signedEntryTimestamp"))
        promised.done()
        if not 0 < len(promise) <= limits.SIGNATURE:
            raise LimitError(f"expected a promise of 1 to {limits.SIGNATURE} bytes")
    proof = None
    if fields.has("inclusionProof"):
        proof = _proof(fields.inside("inclusionProof"), version)
    body = b64(fields.text("canonicalizedBody"))
    fields.done()
    if len(body) > limits.BUNDLE:
        raise LimitError(f"expected at most {limits.BUNDLE} bytes of entry, found {len(body)}")
    return LogEntry(log_id, kind, entry_version, index, integrated_at, promise, proof, body)


def _proof(fields: Fields, version: int) -> Proof | None:
    """Return a proof; of version 0.1 one without a checkpoint, which proves nothing, is none."""
    index, tree_size = _count(fields, "logIndex"), _count(fields, "treeSize")
    root = Hash(b64(fields.text("rootHash"), size=Hash.SIZE))
    hashes = _items(fields, "hashes", limits.PATH)
    if not all(isinstance(one, str) for one in hashes):
        raise MalformedError("inclusionProof.hashes: expected only strings")
    path = tuple(Hash(b64(one, size=Hash.SIZE)) for one in hashes)
    note = ""
    if fields.has("checkpoint"):
        checkpoint = fields.inside("checkpoint")
        note = checkpoint.text("envelope")
        checkpoint.done()
    fields.done()
    if not note:
        if version > 1:
            raise MalformedError("expected a checkpoint in the inclusion proof, found none")
        return None
    return Proof(InclusionProof(index, tree_size, path), root, note)


def _without_nulls(value: Any) -> Any:
    """Return `value` without the fields that may be absent and are null, which means the same."""
    if isinstance(value, dict):
        return {
            name: _without_nulls(one)
            for name, one in value.items()
            if one is not None or name not in _OPTIONAL
        }
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _items(fields: Fields, name: str, most: int) -> list[Any]:
    return fields.items(name, most=most) if fields.has(name) else []


def _count(fields: Fields, name: str) -> int:
    return decimal(fields.text(name)) if fields.has(name) else 0
