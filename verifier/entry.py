"""Ledger entries: the canonical body of Rekor's `hashedrekord` 0.0.2.

    {"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":
    {"algorithm":"SHA2_256","digest":"<b64>"},"signature":{"content":"<b64>","verifier":
    {"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"<b64 SPKI>"}}}}}}

(one line, RFC 8785). `digest` is the hash of the signed message; an envelope is
logged by the hash of its pre-authentication encoding. Only digests and
signatures are logged, so nobody can poison the ledger with content.

Spec: rekor-tiles api/proto/rekor/v2, byte-equal to that server's answers.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64, b64encode, json_object
from verifier.errors import (
    EntryMismatchError,
    MalformedError,
    UnsupportedError,
    VerificationError,
)
from verifier.publickey import PublicKey

KIND = "hashedrekord"
VERSION = "0.0.2"


class Entry(NamedTuple):
    """Who signed which hash, and how."""

    data_digest: bytes
    signature: bytes
    key: PublicKey

    @classmethod
    def of(cls, message: bytes, signature: bytes, key: PublicKey) -> Self:
        """Make the entry for `signature` by `key` over `message`.

        Raises:
            UnsupportedKeyError: a key that signs checkpoints only.
        """
        key.check_for_entries()
        digest = hashlib.new(key.algorithm.hash_name, message).digest()
        return cls(digest, signature, key)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse a canonical body.

        Raises:
            UnsupportedError: another kind or version of entry.
            MalformedError: `Entry.parse(body).body()` would not be `body`.
            UnsupportedKeyError: a key that we do not know, or that signs checkpoints only.
        """
        fields = Fields(json_object(body, limit=limits.ENTRY), "entry")
        kind, version = fields.text("kind"), fields.text("apiVersion")
        if (kind, version) != (KIND, VERSION):
            raise UnsupportedError(
                f"expected {KIND} {VERSION}, found {kind[:40]!r} {version[:40]!r}"
            )
        spec = fields.inside("spec").inside("hashedRekordV002")
        digest = b64(spec.inside("data").text("digest"))
        signature = spec.inside("signature")
        content = b64(signature.text("content"))
        spki = b64(signature.inside("verifier").inside("publicKey").text("rawBytes"))
        entry = cls(digest, content, PublicKey(spki))
        entry.key.check_for_entries()
        size = hashlib.new(entry.key.algorithm.hash_name).digest_size
        if entry.body() != body or len(digest) != size:
            raise MalformedError("the entry is not in its canonical form")
        return entry

    def body(self) -> bytes:
        """Print the canonical body, whose leaf hash is in the tree: the inverse of `parse`."""
        algorithm = self.key.algorithm
        return (
            f'{{"apiVersion":"{VERSION}","kind":"{KIND}","spec":{{"hashedRekordV002":{{"data":'
            f'{{"algorithm":"{algorithm.data_algorithm}","digest":"{b64encode(self.data_digest)}"}}'
            f',"signature":{{"content":"{b64encode(self.signature)}","verifier":'
            f'{{"keyDetails":"{algorithm.key_details}","publicKey":'
            f'{{"rawBytes":"{b64encode(self.key.spki)}"}}}}}}}}}}}}'
        ).encode()


def check_same(expected: Entry, found: bytes) -> None:
    """Check that the body `found` in a bundle is the one that its signature makes.

    Raises:
        EntryMismatchError: it is not; the message names the field.
    """
    if expected.body() == found:
        return
    try:
        other = Entry.parse(found)
    except VerificationError as e:
        raise EntryMismatchError(f"the bundle carries another kind of entry: {e}") from e
    differs = [
        field
        for field, ours, theirs in (
            ("digest", expected.data_digest, other.data_digest),
            ("signature", expected.signature, other.signature),
            ("key", expected.key.spki, other.key.spki),
        )
        if ours != theirs
    ]
    raise EntryMismatchError(f"the logged {' and '.join(differs)} differ from the bundle's own")
