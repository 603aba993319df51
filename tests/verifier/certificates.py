"""Certificates that nobody should trust, to be put into entries and chains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID

from tests.verifier.making import NOW
from verifier.publickey import PublicKey


@cache
def certificate(public: PublicKey, serial: int = 77) -> bytes:
    """Return a certificate of `public` in DER, by an issuer that is gone."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    start = datetime.fromtimestamp(NOW, UTC)
    certified = load_der_public_key(public.spki)
    assert isinstance(certified, ec.EllipticCurvePublicKey)
    builder = x509.CertificateBuilder(name, name, certified, serial, start, start + timedelta(1))
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return made.public_bytes(Encoding.DER)
