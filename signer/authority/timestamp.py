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
from signer.keys.home import waits
from verifier.publickey import Key

_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_TST_INFO = oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = sequence(oid("1.2.840.113549.1.9.3"), set_of(_TST_INFO))
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")
_POLICY = oid("1.3.6.1.4.1.57264.2")  # Sigstore's, which its clients know
_GRANTED = sequence(integer(0))
_ACCURACY = sequence(integer(1))  # seconds
_VERSION_AND_HASH = integer(3) + set_of(SHA256)
_INTEGER, _SET, _SIGNED_ATTRIBUTES = 0x02, 0x31, b"\xa0"
# Where imprint and serial number go: no other part of a token looks like these.
_IMPRINT = b"\xaa" * 32
_SERIAL_BYTES = 9
_SERIAL = b"\x01" + b"\xbb" * (_SERIAL_BYTES - 1)


class OwnAuthority:
    """Stamps with `key` (ECDSA P-256), whose certificate is the first of `chain`, DER.

    All but imprint, serial number and time is the same in every token, so that only the
    parts around the signature, whose length varies, are put together anew.
    """

    def __init__(
        self, key: Key, chain: tuple[bytes, ...], clock: Callable[[], float] = time.time
    ) -> None:
        """Take the time from `clock`."""
        from cryptography import x509

        certificate = x509.load_der_x509_certificate(chain[0])
        issuer = certificate.issuer.public_bytes()
        self._key = key
        self.waits = waits(key)
        self._clock = clock
        signer = sequence(issuer, integer(certificate.serial_number))
        self._info = _info(_IMPRINT, _SERIAL, 0)
        # RFC 5035, section 4: the certificate by its SHA-256, which is the default.
        named = sequence(sequence(sequence(octets(hashlib.sha256(chain[0]).digest()))))
        digest = sequence(_MESSAGE_DIGEST, set_of(octets(_IMPRINT)))
        attributes = set_of(_CONTENT_TYPE, digest, sequence(_SIGNING_CERTIFICATE_V2, set_of(named)))
        self._attributes = attributes.split(_IMPRINT)
        self._signer = integer(1) + signer + SHA256
        self._second = 0

    def stamp(self, signature: bytes) -> bytes:
        """Return a TimeStampResp (DER) over the SHA-256 of `signature`, now.

        Raises:
            KeyFailedError: the key failed.
        """
        info = self._told(hashlib.sha256(signature).digest())
        before, after = self._attributes
        covered = before + hashlib.sha256(info).digest() + after  # RFC 5652, 5.4: as a SET
        signer = sequence(
            self._signer,
            _SIGNED_ATTRIBUTES + covered[1:],
            ECDSA_SHA256,
            octets(self._key.sign(covered)),
        )
        content = sequence(_TST_INFO, explicit(0, octets(info)))
        data = sequence(_VERSION_AND_HASH, content, tlv(_SET, signer))
        return sequence(_GRANTED, sequence(_SIGNED_DATA, explicit(0, data)))

    def _told(self, imprint: bytes) -> bytes:
        """Return the TSTInfo about `imprint`, now, under a new serial number."""
        now = int(self._clock())
        if now != self._second:
            self._info, self._second = _info(_IMPRINT, _SERIAL, now), now
        random = secrets.token_bytes(_SERIAL_BYTES - 1)
        return self._info.replace(_IMPRINT, imprint).replace(_SERIAL, _SERIAL[:1] + random)


def _info(imprint: bytes, serial: bytes, now: int) -> bytes:
    return sequence(
        integer(1),
        _POLICY,
        sequence(SHA256, octets(imprint)),
        tlv(_INTEGER, serial),
        generalized_time(now),
        _ACCURACY,
    )
