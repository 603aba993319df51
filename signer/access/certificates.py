"""What a client's certificate says about who is calling.

TLS has checked the chain and the dates, and that the peer has the key. What it has not looked
at is looked at here, from the certificate itself: gRPC's own strings end at a NUL, and show DNS
names among URIs. Anything but a SPIFFE ID in exactly one URI is nobody.

    spiffe://bank.example/ci/payments
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.errors import CertificateError

_E = TypeVar("_E", bound=x509.ExtensionType)
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_MOST_BYTES = 16 << 10
_MOST_URI = 2048
# SPIFFE-ID, sections 2.1 and 2.2; a leaf has a path (X509-SVID, section 2).
_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]{1,255}((?:/[A-Za-z0-9._-]+)+)", re.ASCII)
_DNS = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


class PeerCertificate(NamedTuple):
    """Who a certificate says its holder is, the hashes by which it is known, and its end."""

    uri: str
    spki_sha256: str  # of its public key, in hex
    not_after: datetime
    thumbprint: str  # of itself, as tokens that are bound to it have it (RFC 8705 section 3.1)


def read_peer(der_or_pem: bytes, deny: frozenset[str] = frozenset()) -> PeerCertificate:
    """Return who the holder of a certificate is, of which TLS has checked the chain.

    `deny` has the keys that count no more, as hex SHA-256 of the SubjectPublicKeyInfo.

    Raises:
        CertificateError: denied, ended while the connection lasted, or not of a client: no
            SPIFFE ID in exactly one URI, names beside it that are neither DNS names nor IP
            addresses, or keys not meant for clients.
    """
    peer = _read(der_or_pem)
    if peer.spki_sha256 in deny:
        raise CertificateError("the key of this certificate counts no more")
    if datetime.now(UTC) > peer.not_after:
        raise CertificateError(f"the certificate ended at {peer.not_after:%Y-%m-%dT%H:%M:%SZ}")
    return peer


def spiffe_id(text: str) -> str:
    """Return `text` if it is the SPIFFE ID of a workload; raises `CertificateError` if not."""
    found = _SPIFFE.fullmatch(text) if len(text) <= _MOST_URI else None
    if found is None or {".", ".."} & set(found[1].split("/")):
        raise CertificateError(f"expected spiffe://DOMAIN/PATH, found {text[:120]!r}")
    return text


# A connection shows one certificate for all of its calls, and few clients have many.
@lru_cache(maxsize=1024)
def _read(der_or_pem: bytes) -> PeerCertificate:
    try:
        certificate = _load(der_or_pem)
        extensions = certificate.extensions
        spki = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    except CertificateError:
        raise
    # UnsupportedAlgorithm, DuplicateExtension and others of the library have no base of their own.
    except Exception as e:
        raise CertificateError("the certificate cannot be read") from e
    _check_use(extensions)
    der = certificate.public_bytes(Encoding.DER)
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    return PeerCertificate(
        _uri(extensions),
        hashlib.sha256(spki).hexdigest(),
        certificate.not_valid_after_utc,
        thumbprint,
    )


def _load(der_or_pem: bytes) -> x509.Certificate:
    if len(der_or_pem) > _MOST_BYTES:
        raise CertificateError(f"expected at most {_MOST_BYTES} bytes, found {len(der_or_pem)}")
    if not der_or_pem.startswith(_BEGIN):
        return x509.load_der_x509_certificate(der_or_pem)
    if der_or_pem.count(_BEGIN) != 1 or not der_or_pem.rstrip().endswith(_END):
        raise CertificateError("expected one certificate")
    return x509.load_pem_x509_certificate(der_or_pem)


def _check_use(extensions: x509.Extensions) -> None:
    """Check that this is the certificate of a client, by its own words."""
    usages = _extension(extensions, x509.ExtendedKeyUsage)
    # Without the extension a certificate is good for everything, so it was made for nothing.
    if usages is None or ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        raise CertificateError("expected a certificate for clients: extended key usage clientAuth")
    basic = _extension(extensions, x509.BasicConstraints)
    usage = _extension(extensions, x509.KeyUsage)
    if (basic is not None and basic.ca) or (usage is not None and usage.key_cert_sign):
        raise CertificateError("expected a client's certificate, found an authority's")
    if usage is not None and not usage.digital_signature:
        raise CertificateError("expected a certificate for signing: key usage digitalSignature")


def _uri(extensions: x509.Extensions) -> str:
    names = _extension(extensions, x509.SubjectAlternativeName) or ()
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    if len(uris) != 1:
        raise CertificateError(f"expected one URI among its names, found {len(uris)}")
    for name in names:
        if isinstance(name, x509.UniformResourceIdentifier | x509.IPAddress):
            continue
        if not isinstance(name, x509.DNSName) or not _DNS.fullmatch(name.value):
            raise CertificateError("expected no names beside the URI but DNS names and addresses")
    return spiffe_id(uris[0])


def _extension(extensions: x509.Extensions, kind: type[_E]) -> _E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
