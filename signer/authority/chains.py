"""Chains of X.509 certificates in PEM files, seen to be good for what they are configured for.

Clients judge them by RFC 5280 and by the extended key usage. A chain that they would
refuse makes records that nobody accepts, for good: that shows at start.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.errors import ConfigError
from verifier import limits

_MOST = 8 * limits.CERTIFICATE  # a trust file lists no more of one chain

_E = TypeVar("_E", bound=x509.ExtensionType)


def read_timestamper(path: Path) -> tuple[bytes, ...]:
    """Return the chain, DER, of a timestamp authority (RFC 3161, 2.3), its root last.

    Raises:
        ConfigError: it is not there, or nobody would take timestamps under it.
    """
    chain = _read(path, _amiss_in_timestamper)
    if len(chain) == 1:
        raise ConfigError(f"{path}: expected the authority's certificate and its root, found one")
    return chain


def read_issuer(path: Path) -> tuple[bytes, ...]:
    """Return the chain, DER, of an issuer of certificates for code signing, its root last.

    Raises:
        ConfigError: it is not there, or nobody would take certificates under it.
    """
    return _read(path, _amiss_in_issuer)


def read_signer(path: Path) -> tuple[bytes, ...]:
    """Return the chain, DER, of a key that signs for notation, its root last.

    Raises:
        ConfigError: it is not there, or notation would refuse it.
    """
    return _read(path, _amiss_in_signer)


def _read(path: Path, amiss: Callable[[x509.Certificate], str]) -> tuple[bytes, ...]:
    try:
        with path.open("rb") as file:
            chain = x509.load_pem_x509_certificates(file.read(_MOST))
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
    except ValueError as e:
        raise ConfigError(f"{path}: expected PEM certificates") from e
    try:
        expected = amiss(chain[0]) or _amiss_in_chain(chain, time.time())
    except (ValueError, x509.DuplicateExtension) as e:
        raise ConfigError(f"{path}: expected certificates with readable extensions") from e
    if expected:
        raise ConfigError(f"{path}: expected {expected}")
    return tuple(one.public_bytes(Encoding.DER) for one in chain)


# Each of these returns what was expected instead, or nothing when all is well.


def _amiss_in_chain(chain: list[x509.Certificate], now: float) -> str:
    for one in chain:
        if not one.not_valid_before_utc.timestamp() <= now <= one.not_valid_after_utc.timestamp():
            return f"certificates that are valid now, found {_told(one)}"
    for one, above in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            return f"each certificate to be issued by the next, found {_told(one)}"
        constraints = _extension(above, x509.BasicConstraints)
        if not (constraints and constraints.value.ca):
            return f"nothing but authorities above the first, found {_told(above)}"
    if chain[-1].issuer != chain[-1].subject:
        return f"a root at the end, found {_told(chain[-1])}"
    return ""


def _amiss_in_timestamper(certificate: x509.Certificate) -> str:
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage and usage.critical and list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]:
        return ""
    return "a first certificate for timeStamping alone, critically so"


def _amiss_in_issuer(certificate: x509.Certificate) -> str:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if not (constraints and constraints.value.ca and usage and usage.value.key_cert_sign):
        return "a first certificate that signs certificates"
    if not _extension(certificate, x509.SubjectKeyIdentifier):
        return "a subject key identifier in the first certificate"
    return _amiss_in_purpose(certificate)


def _amiss_in_signer(certificate: x509.Certificate) -> str:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if constraints and constraints.value.ca:
        return "a first certificate that signs no certificates"
    if not (usage and usage.critical and usage.value.digital_signature):
        return "a first certificate with the critical key usage digitalSignature"
    return _amiss_in_purpose(certificate)


def _amiss_in_purpose(certificate: x509.Certificate) -> str:
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage and ExtendedKeyUsageOID.CODE_SIGNING not in usage.value:
        return "a first certificate for codeSigning"
    return ""


def _extension(certificate: x509.Certificate, kind: type[_E]) -> x509.Extension[_E] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _told(certificate: x509.Certificate) -> str:
    return (certificate.subject.rfc4514_string() or "one without a name")[:120]
