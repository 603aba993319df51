"""Ledger entries: the canonical body of Rekor's `hashedrekord` 0.0.2.

    {"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":
    {"algorithm":"SHA2_256","digest":"<b64>"},"signature":{"content":"<b64>","verifier":
    {"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"<b64 SPKI>"}}}}}}

(one line, RFC 8785). Under a certificate, `x509Certificate` with its DER stands in
the place of `publicKey`. `digest` is the hash of the signed message; an envelope is
logged by the hash of its pre-authentication encoding. Only digests and
signatures are logged, so nobody can poison the ledger with content.

Entries of Rekor v1, which older clients read, are in `verifier.rekor_v1`;
`parse_any` takes either.

Spec: rekor-tiles api/proto/rekor/v2, byte-equal to that server's answers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, Self

from cryptography.exceptions import UnsupportedAlgorithm

from verifier import limits
from verifier._strict import Fields, b64, b64encode, json_object
from verifier.errors import (
    CertificateError,
    EntryMismatchError,
    LimitError,
    MalformedError,
    UnsupportedError,
    VerificationError,
)
from verifier.publickey import PublicKey

if TYPE_CHECKING:
    from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry

KIND = "hashedrekord"
VERSION = "0.0.2"
_V2 = b'{"apiVersion":"0.0.2",'


class Entry(NamedTuple):
    """Who signed which hash, and how. `certificate` is DER, and then of `key`."""

    data_digest: bytes
    signature: bytes
    key: PublicKey
    certificate: bytes = b""

    @classmethod
    def of(cls, message: bytes, signature: bytes, key: PublicKey, certificate: bytes = b"") -> Self:
        """Make the entry for `signature` by `key` over `message`.

        Raises:
            UnsupportedKeyError: a key that signs checkpoints only.
        """
        key.check_for_entries()
        digest = hashlib.new(key.algorithm.hash_name, message).digest()
        return cls(digest, signature, key, certificate)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse a canonical body.

        Raises:
            UnsupportedError: another kind or version of entry.
            MalformedError: `Entry.parse(body).body()` would not be `body`.
            UnsupportedKeyError: a key that we do not know, or that signs checkpoints only.
            CertificateError: in its place is no certificate in the one DER encoding.
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
        by, certificate = signature.inside("verifier"), b""
        if by.has("x509Certificate"):
            certificate = b64(by.inside("x509Certificate").text("rawBytes"))
            key = certified_key(certificate)
        else:
            key = PublicKey(b64(by.inside("publicKey").text("rawBytes")))
        entry = cls(digest, content, key, certificate)
        entry.key.check_for_entries()
        size = hashlib.new(entry.key.algorithm.hash_name).digest_size
        if entry.body() != body or len(digest) != size:
            raise MalformedError("the entry is not in its canonical form")
        return entry

    def body(self) -> bytes:
        """Print the canonical body, whose leaf hash is in the tree: the inverse of `parse`."""
        algorithm = self.key.algorithm
        field = "x509Certificate" if self.certificate else "publicKey"
        raw = self.certificate or self.key.spki
        return (
            f'{{"apiVersion":"{VERSION}","kind":"{KIND}","spec":{{"hashedRekordV002":{{"data":'
            f'{{"algorithm":"{algorithm.data_algorithm}","digest":"{b64encode(self.data_digest)}"}}'
            f',"signature":{{"content":"{b64encode(self.signature)}","verifier":'
            f'{{"keyDetails":"{algorithm.key_details}","{field}":'
            f'{{"rawBytes":"{b64encode(raw)}"}}}}}}}}}}}}'
        ).encode()


def parse_any(body: bytes) -> Entry | LegacyEntry | EnvelopeEntry:
    """Parse a canonical body of any kind that the ledger takes.

    Raises:
        VerificationError: as the `parse` of its kind says.
    """
    if body.startswith(_V2):  # the usual one: nothing more is imported
        return Entry.parse(body)
    from verifier import rekor_v1

    return rekor_v1.parse(body)


def certified_key(certificate: bytes) -> PublicKey:
    """Return the public key that a certificate (DER, RFC 5280) is of.

    Whether to believe the certificate is another matter.

    Raises:
        LimitError: it is too long.
        CertificateError: it is none, or not in the one DER encoding.
        UnsupportedKeyError: it is of a key that we do not know.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if len(certificate) > limits.CERTIFICATE:
        raise LimitError(f"expected at most {limits.CERTIFICATE} bytes of certificate")
    try:
        parsed = x509.load_der_x509_certificate(certificate)  # DER alone, never BER
        spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, Warning) as e:
        raise CertificateError("expected an X.509 certificate in DER") from e
    if parsed.serial_number <= 0:  # so far the library only warns
        raise CertificateError("expected a certificate with a serial number above 0")
    return PublicKey(spki)


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
            ("certificate", expected.certificate, other.certificate),
        )
        if ours != theirs
    ]
    raise EntryMismatchError(f"the logged {' and '.join(differs)} differ from the bundle's own")
