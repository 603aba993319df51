"""Ed25519 from its formulas: slow, and able to make what no library makes (RFC 8032).

Points are pairs (x, y) of integers. Nothing here is fit for a secret.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

Point: TypeAlias = tuple[int, int]

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, PRIME) % PRIME
_NEUTRAL: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """Return the sum of two points (section 5.1.4)."""
    cross = _D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + cross, -1, PRIME)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - cross, -1, PRIME)
    return x % PRIME, y % PRIME


def times(n: int, point: Point) -> Point:
    """Return `point` n times."""
    total = _NEUTRAL
    while n:
        if n & 1:
            total = add(total, point)
        n, point = n >> 1, add(point, point)
    return total


def encode(y: int, sign: int) -> bytes:
    """Return the 32 bytes of a y, which may be PRIME or more, and the sign of its x."""
    return (y | sign << 255).to_bytes(32, "little")


def on_curve(y: int) -> Point | None:
    """Return a point with this y, if there is one (section 5.1.3)."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    return None if (x * x - square) % PRIME else (x, y)


def small_order() -> list[bytes]:
    """Return the 8 points whose order divides 8, and the 6 second spellings of some."""
    y = 2
    while (point := on_curve(y)) is None or len(_multiples(times(ORDER, point))) < 8:
        y += 1
    points = _multiples(times(ORDER, point))
    spellings = {encode(y, x & 1) for x, y in points}
    spellings |= {encode(y, sign) for x, y in points if x == 0 for sign in (0, 1)}
    spellings |= {encode(y + PRIME, s) for _, y in points if y < 19 for s in (0, 1)}
    return sorted(spellings)


def _multiples(point: Point) -> set[Point]:
    return {times(n, point) for n in range(8)}


def sign(
    seed: bytes, message: bytes, context: bytes | None = None, *, hashed: bool = False
) -> bytes:
    """Return the signature of Ed25519; with a context that of Ed25519ctx, or hashed Ed25519ph's."""
    domain = b""
    if context is not None:
        domain = b"SigEd25519 no Ed25519 collisions%c%c%b" % (hashed, len(context), context)
    if hashed:
        message = hashlib.sha512(message).digest()
    h = hashlib.sha512(seed).digest()
    base = on_curve(4 * pow(5, -1, PRIME) % PRIME)
    assert base is not None
    if base[0] & 1:
        base = (PRIME - base[0], base[1])
    secret = int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254
    public = _encoded(times(secret, base))
    nonce = _hash(domain, h[32:], message)
    point = _encoded(times(nonce, base))
    s = (nonce + _hash(domain, point, public, message) * secret) % ORDER
    return point + s.to_bytes(32, "little")


def _encoded(point: Point) -> bytes:
    return encode(point[1], point[0] & 1)


def _hash(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER
