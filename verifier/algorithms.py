"""The one table of algorithms: adding one is adding a row here, and touches nothing else.

A row says how keys are spelled, how they check signatures, and what other formats call
the algorithm. A key has one spelling, its SPKI in DER (RFC 5280 section 4.1.2.7):

    row.head | row.size bytes of key | row.tail

so that no DER is parsed, and no second encoding of a key is ever taken for a second key.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from verifier.errors import UnsupportedKeyError, WeakKeyError

Check = Callable[[bytes, bytes], None]


class Checks(NamedTuple):
    """How a key checks a signature, the first argument; both raise `InvalidSignature`."""

    message: Check  # the second argument is the message
    digest: Check | None  # or its hash; None where the message itself is signed


class Algorithm(NamedTuple):
    """One way to sign. Names are empty, and numbers 0, where a format knows no such keys."""

    name: str
    head: bytes
    size: int
    load: Callable[[bytes], Checks]  # from the `size` bytes; raises `VerificationError`
    tail: bytes = b""
    key_details: str = ""  # Sigstore's PublicKeyDetails; empty when it signs notes and nothing else
    data_algorithm: str = ""  # Sigstore's HashAlgorithm of what is logged
    hash_name: str = ""  # hashlib's name of the same
    log_kind: int = 0  # c2sp.org/signed-note: the byte before a log's key
    witness_kind: int = 0  # and before a witness's; such keys are written without their head
    signature_size: int = 0  # bytes, where all signatures have as many
    notation: str = ""  # the "alg" of a JWS that notation takes
    order: int = 0  # of an ECDSA group: s and order - s are both signatures

    def spki(self, key: bytes) -> bytes:
        """Return the SPKI of the `size` bytes in `key`."""
        return self.head + key + self.tail

    def key(self, spki: bytes) -> bytes:
        """Return what `spki` is the SPKI of.

        Raises:
            UnsupportedKeyError: a key of another length, or something after it.
        """
        found = spki[len(self.head) : len(spki) - len(self.tail)]
        if len(found) != self.size or not spki.endswith(self.tail):
            raise UnsupportedKeyError(f"expected {self.size} bytes of {self.name} key alone")
        return found


def algorithm_of(spki: bytes) -> Algorithm:
    """Return the row whose keys start as `spki` does.

    Raises:
        UnsupportedKeyError: there is none.
    """
    for row in ALGORITHMS:
        if spki.startswith(row.head):
            return row
    names = ", ".join(row.name for row in ALGORITHMS)
    raise UnsupportedKeyError(f"expected a key in its canonical DER, of one of {names}")


def _ecdsa(curve: ec.EllipticCurve, hash_: hashes.HashAlgorithm) -> Callable[[bytes], Checks]:
    message, digest = ec.ECDSA(hash_), ec.ECDSA(utils.Prehashed(hash_))

    def load(point: bytes) -> Checks:
        if point[0] != 4:
            raise UnsupportedKeyError(f"expected an uncompressed point on {curve.name}")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        except ValueError:
            raise UnsupportedKeyError(f"expected a point on {curve.name}") from None
        return Checks(_check(key, message), _check(key, digest))

    return load


def _ed25519(raw: bytes) -> Checks:
    y = raw[:31] + bytes([raw[31] & 0x7F])
    if y in _SMALL_ORDER or int.from_bytes(y, "little") >= _ED25519_PRIME:
        raise WeakKeyError("an Ed25519 point of small order or with a second spelling")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Checks(_check(Ed25519PublicKey.from_public_bytes(raw)), None)


def _rsa(modulus: bytes) -> Checks:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    n = int.from_bytes(modulus, "big")
    if not modulus[0] & 0x80:
        raise UnsupportedKeyError(f"expected {8 * len(modulus)} bits of modulus, found fewer")
    if math.gcd(n, math.factorial(_SMALL_FACTOR)) != 1:
        raise WeakKeyError("an RSA modulus with a small factor")
    key = rsa.RSAPublicNumbers(_RSA_EXPONENT, n).public_key()
    scheme, sha256 = padding.PKCS1v15(), hashes.SHA256()
    return Checks(_check(key, scheme, sha256), _check(key, scheme, utils.Prehashed(sha256)))


def _ml_dsa(parameter_set: int) -> Callable[[bytes], Checks]:
    """Load FIPS 204's keys; they sign the message itself, under an empty context."""

    def load(raw: bytes) -> Checks:
        if not any(raw[_ML_DSA_SEED:]):
            raise WeakKeyError("an ML-DSA key whose vector t1 is zero hides no secret")
        from cryptography.hazmat.primitives.asymmetric import mldsa

        kind = getattr(mldsa, f"MLDSA{parameter_set}PublicKey")
        return Checks(_check(kind.from_public_bytes(raw)), None)

    return load


def _check(key: Any, *scheme: Any) -> Check:
    def check(signature: bytes, data: bytes) -> None:
        key.verify(signature, data, *scheme)

    return check


# The y coordinates of the points of small order, sign bit cleared: signatures
# under such a key verify for any message. RFC 7748's curve has exactly these.
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
    )
)
_ED25519_PRIME = 2**255 - 19
_RSA_EXPONENT = 65_537
_SMALL_FACTOR = 751  # certification authorities look for factors up to this one
_ML_DSA_SEED = 32  # bytes before the vector t1

ECDSA_P256 = Algorithm(
    "ecdsa-p256",
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
    65,
    _ecdsa(ec.SECP256R1(), hashes.SHA256()),
    key_details="PKIX_ECDSA_P256_SHA_256",
    data_algorithm="SHA2_256",
    hash_name="sha256",
    log_kind=2,
    notation="ES256",
    order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
)
ECDSA_P384 = Algorithm(
    "ecdsa-p384",
    bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200"),
    97,
    _ecdsa(ec.SECP384R1(), hashes.SHA384()),
    key_details="PKIX_ECDSA_P384_SHA_384",
    data_algorithm="SHA2_384",
    hash_name="sha384",
    notation="ES384",
    order=int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
)
ED25519 = Algorithm(
    "ed25519",
    bytes.fromhex("302a300506032b6570032100"),
    32,
    _ed25519,
    key_details="PKIX_ED25519",
    data_algorithm="SHA2_512",
    hash_name="sha512",
    log_kind=1,
    witness_kind=4,
    signature_size=64,
)
RSA_2048, RSA_3072, RSA_4096 = (
    Algorithm(
        f"rsa-{bits}",
        bytes.fromhex(head),
        bits // 8,
        _rsa,
        bytes.fromhex("0203010001"),  # the exponent
        key_details=f"PKIX_RSA_PKCS1V15_{bits}_SHA256",
        data_algorithm="SHA2_256",
        hash_name="sha256",
    )
    for bits, head in (
        (2048, "30820122300d06092a864886f70d01010105000382010f003082010a0282010100"),
        (3072, "308201a2300d06092a864886f70d01010105000382018f003082018a0282018100"),
        (4096, "30820222300d06092a864886f70d01010105000382020f003082020a0282020100"),
    )
)
ML_DSA_44 = Algorithm(
    "ml-dsa-44",
    bytes.fromhex("30820532300b06096086480165030403110382052100"),
    1312,
    _ml_dsa(44),
    log_kind=6,
    witness_kind=6,
    signature_size=2420,
)
# RFC 9881 has the key; Sigstore has a name for it, and none for what hashes the message,
# which is signed itself. What is logged is its SHA-256, as with everybody else's.
ML_DSA_65 = Algorithm(
    "ml-dsa-65",
    bytes.fromhex("308207b2300b0609608648016503040312038207a100"),
    1952,
    _ml_dsa(65),
    key_details="ML_DSA_65",
    data_algorithm="SHA2_256",
    hash_name="sha256",
    signature_size=3309,
)
ALGORITHMS = (
    *(ECDSA_P256, ECDSA_P384, ED25519, RSA_2048, RSA_3072, RSA_4096),
    *(ML_DSA_44, ML_DSA_65),
)
