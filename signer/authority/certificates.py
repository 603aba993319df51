"""X.509 certificates of our own, signed by keys wherever they live (RFC 5280).

One root stands above the issuer of short-lived leaves, above the timestamp
authority and above the notation certificates of signing keys. Each of them has one
extended key usage, so that none can do another's work.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from signer.authority.der import (
    ECDSA_SHA256,
    TRUE,
    bits,
    explicit,
    integer,
    octets,
    oid,
    sequence,
    set_of,
    time,
    tlv,
    utf8,
)
from verifier.publickey import Key, PublicKey

CODE_SIGNING, TIME_STAMPING = "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.8"
_DIGITAL_SIGNATURE, _CERT_SIGN = bits(b"\x80", 7), bits(b"\x06", 1)  # keyCertSign and cRLSign
_SERIAL_BITS = 159  # RFC 5280, 4.1.2.2: at most 20 octets, positive
_YEARS = 365 * 24 * 3600
_ROOT_LIFE, _LIFE = 20 * _YEARS, 10 * _YEARS


class Authority(NamedTuple):
    """Who signs certificates: the key, the name that stands in them, and its key identifier."""

    key: Key
    name: bytes
    key_id: bytes


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    """Return an Extension."""
    return sequence(oid(dotted), TRUE if critical else b"", octets(value))


def key_usage(*, signs_certificates: bool = False) -> bytes:
    """Return the critical extension that says what a key may do at all."""
    value = _CERT_SIGN if signs_certificates else _DIGITAL_SIGNATURE
    return extension("2.5.29.15", value, critical=True)


def extended_key_usage(purpose: str, *, critical: bool = False) -> bytes:
    """Return the extension that says what a key is for."""
    return extension("2.5.29.37", sequence(oid(purpose)), critical=critical)


def key_identifier(public: PublicKey) -> bytes:
    """Return the usual identifier of a key: SHA-1 of its bits (RFC 5280, 4.2.1.2)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    loaded = load_der_public_key(public.spki)
    return x509.SubjectKeyIdentifier.from_public_key(loaded).digest  # type: ignore[arg-type]


def identifiers(own: bytes, issuer: bytes) -> tuple[bytes, bytes]:
    """Return the extensions that name a certificate's key and its issuer's."""
    return (
        extension("2.5.29.14", octets(own)),
        extension("2.5.29.35", sequence(tlv(0x80, issuer))),
    )


def to_be_signed(
    issuer: bytes,
    subject: bytes,
    public: PublicKey,
    *,
    serial: int,
    valid: tuple[int, int],
    extensions: Sequence[bytes],
) -> bytes:
    """Return a TBSCertificate; `issuer` and `subject` are Names in DER, times POSIX seconds."""
    return sequence(
        explicit(0, integer(2)),
        integer(serial),
        ECDSA_SHA256,
        issuer,
        sequence(*map(time, valid)),
        subject,
        public.spki,
        explicit(3, sequence(*extensions)),
    )


def signed(tbs: bytes, key: Key) -> bytes:
    """Return the Certificate of a TBSCertificate; `key` is ECDSA P-256."""
    return sequence(tbs, ECDSA_SHA256, bits(key.sign(tbs)))


def new_serial() -> int:
    """Return a random serial number."""
    return secrets.randbits(_SERIAL_BITS) | 1


def name(common: str, organization: str) -> bytes:
    """Return a Name in DER, with what notation demands of one: country, state, organization."""
    pairs = (
        ("2.5.4.6", tlv(0x13, b"XX")),  # ISO 3166: no country
        ("2.5.4.8", utf8("none")),
        ("2.5.4.10", utf8(organization)),
        ("2.5.4.3", utf8(common)),
    )
    return sequence(*(set_of(sequence(oid(kind), value)) for kind, value in pairs))


def make_root(key: Key, origin: str, now: int) -> tuple[Authority, bytes]:
    """Return the root of the service at `origin`, and its certificate."""
    root = Authority(key, name(f"{origin} root", origin), key_identifier(key.public))
    extensions = (
        extension("2.5.29.19", sequence(TRUE), critical=True),
        key_usage(signs_certificates=True),
        *identifiers(root.key_id, root.key_id)[:1],
    )
    tbs = to_be_signed(
        root.name,
        root.name,
        key.public,
        serial=new_serial(),
        valid=(now, now + _ROOT_LIFE),
        extensions=extensions,
    )
    return root, signed(tbs, key)


def make_issuer(root: Authority, public: PublicKey, origin: str, now: int) -> bytes:
    """Return the certificate of the key that issues leaves, and nothing above them."""
    limited = sequence(TRUE, integer(0))  # pathlen 0
    return _made(
        root,
        name(f"{origin} issuer", origin),
        public,
        now,
        extension("2.5.29.19", limited, critical=True),
        key_usage(signs_certificates=True),
        extended_key_usage(CODE_SIGNING),
    )


def make_timestamper(root: Authority, public: PublicKey, origin: str, now: int) -> bytes:
    """Return the certificate of the timestamp authority (RFC 3161, 2.3)."""
    return _made(
        root,
        name(f"{origin} timestamps", origin),
        public,
        now,
        extension("2.5.29.19", sequence(), critical=True),
        key_usage(),
        extended_key_usage(TIME_STAMPING, critical=True),
    )


def make_signer(root: Authority, public: PublicKey, common: str, origin: str, now: int) -> bytes:
    """Return the certificate under which a signing key makes notation signatures."""
    return _made(
        root,
        name(common, origin),
        public,
        now,
        extension("2.5.29.19", sequence(), critical=True),
        key_usage(),
        extended_key_usage(CODE_SIGNING),
    )


def print_chain(chain: Sequence[bytes]) -> bytes:
    """Return certificates as PEM, one after the other."""
    import ssl

    return "".join(map(ssl.DER_cert_to_PEM_cert, chain)).encode()


def _made(
    root: Authority, subject: bytes, public: PublicKey, now: int, *extensions: bytes
) -> bytes:
    own = key_identifier(public)
    tbs = to_be_signed(
        root.name,
        subject,
        public,
        serial=new_serial(),
        valid=(now, now + _LIFE),
        extensions=(*extensions, *identifiers(own, root.key_id)),
    )
    return signed(tbs, root.key)
