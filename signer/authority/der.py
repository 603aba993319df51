"""DER, for writing: tag, length, value (X.690). What is read is read by libraries.

Certificates and timestamps are signed by keys that may live in an HSM, which no
X.509 builder takes, and a timestamp is made for each signature, so it has to be quick.
"""

from __future__ import annotations

from datetime import UTC, datetime

_FIRST_OF_GENERALIZED = 2050  # RFC 5280, 4.1.2.5


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return `parts`, one after the other, under `tag`."""
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    """Return a SET OF, in the order that DER demands (X.690, 11.6)."""
    return tlv(0x31, *sorted(parts))


def integer(value: int) -> bytes:
    """Return an INTEGER that is not negative."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(*parts: bytes) -> bytes:
    """Return an OCTET STRING."""
    return tlv(0x04, *parts)


def bits(value: bytes, unused: int = 0) -> bytes:
    """Return a BIT STRING with `unused` bits at its end."""
    return tlv(0x03, bytes((unused,)), value)


def utf8(text: str) -> bytes:
    """Return a UTF8String."""
    return tlv(0x0C, text.encode())


def explicit(number: int, *parts: bytes) -> bytes:
    """Return `parts` under the context tag `number`, constructed."""
    return tlv(0xA0 | number, *parts)


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    out = bytearray((40 * first + second,))
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return tlv(0x06, bytes(out))


def time(seconds: int) -> bytes:
    """Return a Time of X.509: UTCTime up to 2049, GeneralizedTime after."""
    moment = datetime.fromtimestamp(seconds, UTC)
    if moment.year < _FIRST_OF_GENERALIZED:
        return tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())
    return generalized_time(seconds)


def generalized_time(seconds: int) -> bytes:
    """Return a GeneralizedTime in whole seconds."""
    return tlv(0x18, f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%SZ}".encode())


TRUE = tlv(0x01, b"\xff")
SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"))
ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
