"""DER, written by hand: what no library would write (X.690)."""

from __future__ import annotations

INTEGER, BITS, OCTETS, OID, SEQUENCE = 2, 3, 4, 6, 0x30


def der(tag: int, *parts: bytes) -> bytes:
    """Return one value, whose length has its shortest form."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def integer(value: int) -> bytes:
    """Return a number, in two's complement of its shortest form."""
    bits = (value if value >= 0 else ~value).bit_length() + 1
    return der(INTEGER, value.to_bytes((bits + 7) // 8, "big", signed=True))
