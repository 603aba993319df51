"""A timestamp authority in this process (RFC 3161), for clients who want one.

It stamps our own signatures and nobody else's: there is no way to ask it from
outside. The token names its certificate and does not carry it; clients have it in
their trust files.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable

from signer.authority.der import (
    ECDSA_SHA256,
    SHA256,
    explicit,
    generalized_time,
    integer,
    octets,
    oid,
    sequence,
    set_of,
    tlv,
)
from verifier.publickey import Key

_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_TST_INFO = oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = sequence(oid("1.2.840.113549.1.9.3"), set_of(_TST_INFO))
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")
_POLICY = oid("1.3.6.1.4.1.57264.2")  # Sigstore's, which its clients know
_GRANTED = sequence(integer(0))
_ACCURACY = sequence(integer(1))  # seconds
_SET, _SIGNED_ATTRIBUTES = 0x31, 0xA0


class OwnAuthority:
    """Stamps with `key` (ECDSA P-256), whose certificate is the first of `chain`, DER."""

    local = True

    def __init__(
        self, key: Key, chain: tuple[bytes, ...], clock: Callable[[], float] = time.time
    ) -> None:
        """Take the time from `clock`."""
        from cryptography import x509

        certificate = x509.load_der_x509_certificate(chain[0])
        issuer = certificate.issuer.public_bytes()
        self._key = key
        self._clock = clock
        self._signer = sequence(issuer, integer(certificate.serial_number))
        # RFC 5035, section 4: the certificate by its SHA-256, which is the default.
        named = sequence(sequence(sequence(octets(hashlib.sha256(chain[0]).digest()))))
        self._certificate = sequence(_SIGNING_CERTIFICATE_V2, set_of(named))

    def stamp(self, signature: bytes) -> bytes:
        """Return a TimeStampResp (DER) over the SHA-256 of `signature`, now.

        Raises:
            KeyFailedError: the key failed.
        """
        info = sequence(
            integer(1),
            _POLICY,
            sequence(SHA256, octets(hashlib.sha256(signature).digest())),
            integer(secrets.randbits(63)),
            generalized_time(int(self._clock())),
            _ACCURACY,
        )
        digest = sequence(_MESSAGE_DIGEST, set_of(octets(hashlib.sha256(info).digest())))
        attributes = b"".join(sorted((_CONTENT_TYPE, digest, self._certificate)))
        signer = sequence(
            integer(1),
            self._signer,
            SHA256,
            tlv(_SIGNED_ATTRIBUTES, attributes),
            ECDSA_SHA256,
            octets(self._key.sign(tlv(_SET, attributes))),  # RFC 5652, 5.4: as a SET
        )
        data = sequence(
            integer(3),
            set_of(SHA256),
            sequence(_TST_INFO, explicit(0, octets(info))),
            set_of(signer),
        )
        return sequence(_GRANTED, sequence(_SIGNED_DATA, explicit(0, data)))
