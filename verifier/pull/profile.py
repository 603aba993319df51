"""What is asked of a certificate beside what sigstore asks: purpose, times, and its one log.

Spec: github.com/sigstore/fulcio, docs/certificate-specification.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from verifier.errors import CertificateError, KeyWindowError, NotYetValidError
from verifier.sigstore.trusted_root import TrustedRoot

_SKEW_S = 60  # by how much the clock of who dates signatures may be ahead of ours


def check_times(certificate: x509.Certificate, times: Sequence[float], now: float) -> None:
    """Check all times, of which the library believes at least one: so none can be slipped in."""
    if not times:
        raise CertificateError("expected a timestamp or a promise, found neither")
    start = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    for one in times:
        if not start <= one <= end:
            raise CertificateError(
                f"the certificate is not valid at {one:.0f}, when this was signed"
            )
        if not one <= now + _SKEW_S:  # so that a clock that gives no number refuses
            raise NotYetValidError(f"this was signed at {one:.0f}, which is to come")


def check_purpose(certificate: x509.Certificate) -> None:
    """Check that it is a certificate for code signing, and for nothing else."""
    extensions = certificate.extensions
    purposes = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    if purposes != [ExtendedKeyUsageOID.CODE_SIGNING]:
        raise CertificateError(f"expected codeSigning alone, found {len(purposes)} purposes")
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise CertificateError("expected a certificate that signs, and signs no certificates")


def witnessed_by(certificate: x509.Certificate, root: TrustedRoot) -> bytes:
    """Return the id of the certificates' log that signed, once it is seen to have counted then."""
    found = list(
        certificate.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps
        ).value
    )
    if len(found) != 1:
        raise CertificateError(f"expected one certificate timestamp, found {len(found)}")
    at = found[0].timestamp.replace(tzinfo=UTC).timestamp()
    for log in root.transparency:
        if log.log_id == found[0].log_id:
            if not log.window.covers(at):
                raise KeyWindowError(f"the certificates' log does not count at {at:.0f}")
            return log.log_id
    raise CertificateError("the certificate is in no log that the trusted root names")


def refuse_root(der: bytes) -> None:
    """Refuse a root that comes with the bundle: a careless reader would trust it for that."""
    shown = x509.load_der_x509_certificate(der)
    if shown.issuer == shown.subject:
        raise CertificateError("expected no root in the bundle, found one")
