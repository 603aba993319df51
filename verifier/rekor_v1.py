"""What clients of Rekor v1 read: its entries, and its promise to log them.

    {"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256",
    "value":"<hex>"}},"signature":{"content":"<b64>","publicKey":{"content":"<b64 PEM>"}}}}

    {"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":
    "<hex>"},"payloadHash":{…},"signatures":[{"signature":"<b64>","verifier":"<b64 PEM>"}]}}

(one line, RFC 8785). The first is what legacy signatures are logged as, the second
what cosign before 3 uploads of an attestation. The *promise*, their signed entry
timestamp, is ECDSA over {"body","integratedTime","logID","logIndex"}, RFC 8785 too.

Spec: github.com/sigstore/rekor, pkg/types and openapi.yaml; pkg/util for the promise.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import (
    Fields,
    b64,
    b64encode,
    canonical_json,
    hexadecimal,
    json_object,
)
from verifier.errors import MalformedError, SignatureError, UnsupportedError, UnsupportedKeyError
from verifier.publickey import Key, PublicKey

VERSION = "0.0.1"
LEGACY, ENVELOPE = "hashedrekord", "dsse"
_HASH = "sha256"
_SIZE = 32


class LegacyEntry(NamedTuple):
    """Who signed which SHA-256: `hashedrekord` 0.0.1."""

    data_digest: bytes
    signature: bytes
    key: PublicKey

    @classmethod
    def of(cls, message: bytes, signature: bytes, key: PublicKey) -> Self:
        """Make the entry for `signature` by `key` over `message`.

        Raises:
            UnsupportedKeyError: a key that does not sign SHA-256 hashes.
        """
        _check_hash(key)
        return cls(hashlib.sha256(message).digest(), signature, key)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse a canonical body.

        Raises:
            MalformedError: `LegacyEntry.parse(body).body()` would not be `body`.
            UnsupportedError: another kind, version or hash.
            UnsupportedKeyError: a key that we do not know, or that does not sign SHA-256 hashes.
        """
        spec = _spec(body, LEGACY)
        digest = _digest(spec.inside("data").inside("hash"))
        made = spec.inside("signature")
        signature = b64(made.text("content"))
        key = _key(made.inside("publicKey").text("content"))
        _check_hash(key)
        entry = cls(digest, signature, key)
        if entry.body() != body:
            raise MalformedError("the entry is not in its canonical form")
        return entry

    def body(self) -> bytes:
        """Print the canonical body, whose leaf hash is in the tree: the inverse of `parse`."""
        return (
            f'{{"apiVersion":"{VERSION}","kind":"{LEGACY}","spec":{{"data":{{"hash":'
            f'{{"algorithm":"{_HASH}","value":"{self.data_digest.hex()}"}}}},"signature":'
            f'{{"content":"{b64encode(self.signature)}","publicKey":'
            f'{{"content":"{b64encode(self.key.pem())}"}}}}}}}}'
        ).encode()


class EnvelopeEntry(NamedTuple):
    """Who signed which DSSE envelope: `dsse` 0.0.1. Hashes are SHA-256, of text and payload."""

    envelope_hash: bytes
    payload_hash: bytes
    signatures: tuple[tuple[bytes, PublicKey], ...]

    @classmethod
    def of(cls, text: bytes, payload: bytes, *signatures: tuple[bytes, PublicKey]) -> Self:
        """Make the entry for the envelope with this JSON `text`, which holds `payload`.

        Raises:
            UnsupportedKeyError: a key that signs checkpoints only.
        """
        for _, key in signatures:
            key.check_for_entries()
        hashed = [hashlib.sha256(part).digest() for part in (text, payload)]
        return cls(hashed[0], hashed[1], signatures)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse a canonical body.

        Raises:
            MalformedError: `EnvelopeEntry.parse(body).body()` would not be `body`.
            UnsupportedError, UnsupportedKeyError: another kind, or a key that we do not know.
        """
        spec = _spec(body, ENVELOPE)
        lines = [
            Fields(line, f"entry.spec.signatures[{i}]")
            for i, line in enumerate(spec.items("signatures", most=limits.TIMESTAMPS))
        ]
        entry = cls(
            _digest(spec.inside("envelopeHash")),
            _digest(spec.inside("payloadHash")),
            tuple((b64(line.text("signature")), _key(line.text("verifier"))) for line in lines),
        )
        if not lines or entry.body() != body:
            raise MalformedError("the entry is not in its canonical form")
        return entry

    def body(self) -> bytes:
        """Print the canonical body, whose leaf hash is in the tree: the inverse of `parse`."""
        lines = ",".join(
            f'{{"signature":"{b64encode(made)}","verifier":"{b64encode(key.pem())}"}}'
            for made, key in self.signatures
        )
        return (
            f'{{"apiVersion":"{VERSION}","kind":"{ENVELOPE}","spec":{{"envelopeHash":'
            f'{{"algorithm":"{_HASH}","value":"{self.envelope_hash.hex()}"}},"payloadHash":'
            f'{{"algorithm":"{_HASH}","value":"{self.payload_hash.hex()}"}},"signatures":'
            f"[{lines}]}}}}"
        ).encode()


class Promise(NamedTuple):
    """A log's word that it has an entry: the signed entry timestamp, and whose it is."""

    log_id: bytes
    signature: bytes

    @classmethod
    def make(cls, key: Key, entry: bytes, integrated_at: int, index: int) -> Self:
        """Promise that `entry` is at `index` since `integrated_at`, POSIX seconds."""
        log_id = log_id_of(key.public)
        return cls(log_id, key.sign(promise_message(entry, integrated_at, log_id, index)))

    @classmethod
    def parse(cls, stored: bytes) -> Self:
        """Read what `stored` prints; raises `MalformedError`."""
        if not _SIZE < len(stored) <= _SIZE + limits.SIGNATURE:
            raise MalformedError(f"expected a promise, found {len(stored)} bytes")
        return cls(stored[:_SIZE], stored[_SIZE:])

    def stored(self) -> bytes:
        """Print as records keep it: the log's id in 32 bytes, then the signature."""
        return self.log_id + self.signature

    def verify(self, key: PublicKey, entry: bytes, integrated_at: int, index: int) -> None:
        """Check that this promises just that, under `key`.

        Raises:
            SignatureError: it is by another key, or of something else.
        """
        if self.log_id != log_id_of(key):
            raise SignatureError("the promise is another log's")
        key.verify(self.signature, promise_message(entry, integrated_at, self.log_id, index))


def parse(body: bytes) -> LegacyEntry | EnvelopeEntry:
    """Parse a canonical body of either kind; raises like their own `parse`."""
    fields = Fields(json_object(body, limit=limits.ENTRY), "entry")
    if fields.has("kind") and fields.text("kind") == ENVELOPE:
        return EnvelopeEntry.parse(body)
    return LegacyEntry.parse(body)


def log_id_of(promise_key: PublicKey) -> bytes:
    """Return the 32 bytes by which Rekor v1 names the log of this key."""
    return hashlib.sha256(promise_key.spki).digest()


def promise_message(entry: bytes, integrated_at: int, log: bytes, index: int) -> bytes:
    """Return what a signed entry timestamp covers; `log` is 32 bytes, the time POSIX seconds."""
    return canonical_json(
        {
            "body": b64encode(entry),
            "integratedTime": integrated_at,
            "logID": log.hex(),
            "logIndex": index,
        }
    )


def _spec(body: bytes, kind: str) -> Fields:
    fields = Fields(json_object(body, limit=limits.ENTRY), "entry")
    found, version = fields.text("kind"), fields.text("apiVersion")
    if (found, version) != (kind, VERSION):
        raise UnsupportedError(f"expected {kind} {VERSION}, found {found[:40]!r} {version[:40]!r}")
    return fields.inside("spec")


def _digest(fields: Fields) -> bytes:
    algorithm = fields.text("algorithm")
    if algorithm != _HASH:
        raise UnsupportedError(f"expected {_HASH}, found {algorithm[:40]!r}")
    return hexadecimal(fields.text("value"), size=_SIZE)


def _check_hash(key: PublicKey) -> None:
    """Refuse keys whose signature is over another hash than the one that is logged."""
    if not key.signs_hashes or key.algorithm.hash_name != _HASH:
        raise UnsupportedKeyError(f"expected a key that signs SHA-256, found {key.algorithm.name}")


def _key(content: str) -> PublicKey:
    key = PublicKey.from_pem(b64(content))
    key.check_for_entries()
    return key
