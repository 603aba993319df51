"""SM2 with SM3 in plain Python: an algorithm that the product does not have, as one would add it.

Slow and not constant in time, so for tests alone. GB/T 32918.2 says how to sign, part 5
has the curve; what identifies the signer is the string that everybody uses (GM/T 0009).
"""

from __future__ import annotations

import secrets
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import utils

from verifier.algorithms import Algorithm, Checks
from verifier.errors import UnsupportedKeyError

Point: TypeAlias = tuple[int, int] | None  # None is infinity

PRIME = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = PRIME - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
BASE = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SIGNER_ID = b"1234567812345678"


def add(p: Point, q: Point) -> Point:
    """Return the sum of two points."""
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % PRIME == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, PRIME)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, PRIME)
    x = (slope * slope - p[0] - q[0]) % PRIME
    return x, (slope * (p[0] - x) - p[1]) % PRIME


def times(k: int, p: Point) -> Point:
    """Return `p` added to itself `k` times."""
    total: Point = None
    for bit in f"{k:b}":
        total = add(total, total)
        if bit == "1":
            total = add(total, p)
    return total


def hashed(public: tuple[int, int], message: bytes, signer_id: bytes = SIGNER_ID) -> int:
    """Return e: the hash of whose key it is, and of the message."""
    numbers = b"".join(n.to_bytes(32, "big") for n in (A, B, *BASE, *public))
    who = _sm3((8 * len(signer_id)).to_bytes(2, "big") + signer_id + numbers)
    return int.from_bytes(_sm3(who + message), "big")


def load(raw: bytes) -> Checks:
    """Return how the key whose uncompressed point is `raw` checks signatures (7.1)."""
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    if raw[0] != 4 or max(x, y) >= PRIME or (y * y - x**3 - A * x - B) % PRIME:
        raise UnsupportedKeyError("expected an uncompressed point on SM2's curve")

    def check(signature: bytes, message: bytes) -> None:
        try:
            r, s = utils.decode_dss_signature(signature)
        except ValueError:
            raise InvalidSignature from None
        t = (r + s) % ORDER
        if not (0 < r < ORDER and 0 < s < ORDER and t):
            raise InvalidSignature
        point = add(times(s, BASE), times(t, (x, y)))
        if point is None or (hashed((x, y), message) + point[0]) % ORDER != r:
            raise InvalidSignature

    return Checks(check, None)


# Its hash covers the key too, so that the message is what is signed; what is logged is the
# SHA-256 of it, which every reader of the ledger can take.
ROW = Algorithm(
    "sm2-sm3",
    bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200"),
    65,
    load,
    key_details="SM2_SM3",
    data_algorithm="SHA2_256",
    hash_name="sha256",
)


class Sm2Key:
    """A private key."""

    def __init__(self, secret: int | None = None) -> None:
        self.secret = secret or secrets.randbelow(ORDER - 2) + 1
        public = times(self.secret, BASE)
        assert public is not None
        self.point = public
        self.spki = ROW.spki(b"\4" + b"".join(n.to_bytes(32, "big") for n in public))

    def sign(self, message: bytes, k: int = 0) -> bytes:
        """Return a signature (6.1), as DER; `k` is drawn unless it is given."""
        while True:
            drawn = k or secrets.randbelow(ORDER - 1) + 1
            point = times(drawn, BASE)
            assert point is not None
            r = (hashed(self.point, message) + point[0]) % ORDER
            s = pow(1 + self.secret, -1, ORDER) * (drawn - r * self.secret) % ORDER
            if r and s and r + drawn != ORDER:
                return utils.encode_dss_signature(r, s)


def _sm3(data: bytes) -> bytes:
    hashed = hashes.Hash(hashes.SM3())
    hashed.update(data)
    return hashed.finalize()
