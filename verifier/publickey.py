"""Public keys, and the one table of algorithms.

A key is its SPKI DER (RFC 5280 section 4.1.2.7). Adding an algorithm is adding
a row to `ALGORITHMS` and a branch to `_load`. P-256, Ed25519 and ML-DSA-44 are
recognised by their fixed SPKI prefix, so that the usual run parses no DER at all.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from verifier import limits
from verifier._strict import b64, b64encode
from verifier.errors import (
    Base64Error,
    ExampleKeyError,
    LimitError,
    SignatureError,
    UnsupportedKeyError,
    WeakKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Algorithm(NamedTuple):
    """One way to sign, under the names that other formats give it."""

    name: str
    key_details: str  # Sigstore's PublicKeyDetails; empty when it signs notes and nothing else
    data_algorithm: str  # Sigstore's HashAlgorithm of what is logged
    hash_name: str  # hashlib's name of the same


_P256 = Algorithm("ecdsa-p256", "PKIX_ECDSA_P256_SHA_256", "SHA2_256", "sha256")
_P384 = Algorithm("ecdsa-p384", "PKIX_ECDSA_P384_SHA_384", "SHA2_384", "sha384")
_ED25519 = Algorithm("ed25519", "PKIX_ED25519", "SHA2_512", "sha512")
_RSA = {
    2048: Algorithm("rsa-2048", "PKIX_RSA_PKCS1V15_2048_SHA256", "SHA2_256", "sha256"),
    3072: Algorithm("rsa-3072", "PKIX_RSA_PKCS1V15_3072_SHA256", "SHA2_256", "sha256"),
    4096: Algorithm("rsa-4096", "PKIX_RSA_PKCS1V15_4096_SHA256", "SHA2_256", "sha256"),
}
_ML_DSA_44 = Algorithm("ml-dsa-44", "", "", "")
ALGORITHMS = (_P256, _P384, _ED25519, *_RSA.values(), _ML_DSA_44)

_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
_ML_DSA_44_PREFIX = bytes.fromhex("30820532300b06096086480165030403110382052100")
_ML_DSA_44_SIZE = 1312
_ML_DSA_SEED = 32  # bytes before the vector t1

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

_PEM_FIRST, _PEM_LAST = b"-----BEGIN PUBLIC KEY-----\n", b"-----END PUBLIC KEY-----\n"
_ONE_BLOCK = "expected one PEM block 'PUBLIC KEY', in lines of 64 characters, and nothing else"

# SHA-256 of the SPKI of each key in keys-example/. Their private halves are
# public, so whoever trusts one trusts everybody.
EXAMPLE_KEYS: frozenset[str] = frozenset(
    {
        "32ade712a5a98e78d9de2af7667995678121f5805531ebac5a26dd37a587a194",  # attest
        "4ac02e8d423a9785b94541f47d79e030fb1ed561ea522738b0b154defcd8888a",  # event
        "c323408b66939e3b105644e12837a61e6cde48280818cae76b6359df152ad5df",  # issuer
        "de92b9e1ff13b215a4ce9e223acea60ac6e13881a37b1c6627ca98347ef52ae1",  # log
        "ecd2cae500d649bb2ff1dcaeb99b6043ae9edffade5b04b922c78235a2055483",  # promise
        "f661eb5af0cda2cb3049495c8c20cdac0d1e824a3ed917ddecdca7b1e996eb64",  # release
        "478e10d6230f7c18a5802a7e5be0ef8494102c27fa47056040bf81ddab779b01",  # root
        "dcf6898dab2f102f3ace05ceb377b2cdddd260f6bbce8fe5cfd9780d182e4fbd",  # status
        "acc02a387310a88428c29c83bc67c85dbf02c3eb6a64721792bc4d4fbcfcdf39",  # timestamp
        "0b38e2303c87506903881797662d91b55714aa66a563ec65ee9c0b2168efaf67",  # transparency
    }
)


class Key(Protocol):
    """A private key, wherever it lives: a file, an HSM, a KMS."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, in the form that `PublicKey.verify` takes."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the same over the message with this hash; for ECDSA and RSA."""


class PublicKey:
    """A public key of an algorithm in the table, and safe to trust.

    Two keys are equal when their SPKI is. Immutable, and safe in many threads.
    """

    __slots__ = ("_check", "algorithm", "spki")

    def __init__(self, spki: bytes) -> None:
        """Take the key in `spki` (DER).

        Raises:
            LimitError: more than `limits.KEY` bytes.
            UnsupportedKeyError: no key, not of our algorithms, or in another
                encoding than everyone else would write.
            WeakKeyError: anyone can sign under it.
        """
        if len(spki) > limits.KEY:
            raise LimitError(f"expected at most {limits.KEY} bytes of key, found {len(spki)}")
        self.spki = bytes(spki)
        self.algorithm, self._check = _load(self.spki)

    @classmethod
    def from_pem(cls, text: bytes) -> Self:
        """Take the one PEM block `PUBLIC KEY` (RFC 7468) in `text`, written as `pem` writes it.

        Line ends may be those of Windows.

        Raises:
            UnsupportedKeyError: anything else is in `text`, or raised by the constructor.
        """
        text = text.replace(b"\r\n", b"\n")
        body = text.removeprefix(_PEM_FIRST).removesuffix(_PEM_LAST).replace(b"\n", b"")
        try:
            key = cls(b64(body[: 2 * limits.KEY].decode("ascii", "replace")))
        except Base64Error as e:
            raise UnsupportedKeyError(_ONE_BLOCK) from e
        if key.pem() != text:
            raise UnsupportedKeyError(_ONE_BLOCK)
        return key

    def pem(self) -> bytes:
        """Return the key as PEM, the form that `cosign --key` reads."""
        text = b64encode(self.spki)
        body = "".join(text[i : i + 64] + "\n" for i in range(0, len(text), 64))
        return _PEM_FIRST + body.encode() + _PEM_LAST

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check `signature` over `message`; ECDSA signatures are ASN.1 DER.

        Raises:
            SignatureError: it does not fit.
        """
        try:
            self._check(signature, message)
        except InvalidSignature:
            raise SignatureError(f"the signature is not by key {self.fingerprint[:16]}…") from None

    def verify_digest(self, signature: bytes, digest: bytes) -> None:
        """Check `signature` over the message of which only `digest` is known; for ECDSA and RSA.

        Raises:
            SignatureError: it does not fit.
            UnsupportedKeyError: the algorithm signs messages, not their hashes.
        """
        try:
            _load_prehashed(self.spki, self.algorithm)(signature, digest)
        except (InvalidSignature, ValueError):  # ValueError: a digest of another length
            raise SignatureError(f"the signature is not by key {self.fingerprint[:16]}…") from None

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the SPKI."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def hint(self) -> str:
        """Base64 SHA-256 of the SPKI: cosign's hint in a bundle."""
        return b64encode(hashlib.sha256(self.spki).digest())

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key, or 1312 of an ML-DSA-44 key, as signed notes write it."""
        if self.algorithm is _ED25519:
            return self.spki[len(_ED25519_PREFIX) :]
        if self.algorithm is _ML_DSA_44:
            return self.spki[len(_ML_DSA_44_PREFIX) :]
        raise UnsupportedKeyError(f"expected ed25519 or ml-dsa-44, found {self.algorithm.name}")

    def check_for_entries(self) -> None:
        """Check that Sigstore's formats have a name for this key, so that it may sign entries.

        Raises:
            UnsupportedKeyError: it is for signed notes and nothing else.
        """
        if not self.algorithm.key_details:
            raise UnsupportedKeyError(f"a key of {self.algorithm.name} signs checkpoints only")

    def refuse_example(self) -> None:
        """Raise `ExampleKeyError` if this key's private half is in keys-example/."""
        if self.fingerprint in EXAMPLE_KEYS:
            raise ExampleKeyError(f"key {self.fingerprint[:16]}… is one of the public example keys")

    def __eq__(self, other: object) -> bool:
        """Whether both are the same key."""
        return isinstance(other, PublicKey) and self.spki == other.spki

    def __hash__(self) -> int:
        """Hash the SPKI."""
        return hash(self.spki)

    def __repr__(self) -> str:
        """Name algorithm and fingerprint."""
        return f"<PublicKey {self.algorithm.name} {self.fingerprint[:16]}…>"


def ed25519(raw: bytes) -> PublicKey:
    """Take the 32 bytes of an Ed25519 key; raises like `PublicKey`."""
    return PublicKey(_ED25519_PREFIX + raw)


def ml_dsa_44(raw: bytes) -> PublicKey:
    """Take the 1312 bytes of an ML-DSA-44 key; raises like `PublicKey`."""
    return PublicKey(_ML_DSA_44_PREFIX + raw)


@lru_cache(maxsize=256)  # a service meets its own few keys in every entry
def _load(spki: bytes) -> tuple[Algorithm, Callable[[bytes, bytes], None]]:
    if spki.startswith(_P256_PREFIX) and len(spki) == len(_P256_PREFIX) + 65:
        return _P256, _ecdsa_p256(spki[len(_P256_PREFIX) :])
    if spki.startswith(_ED25519_PREFIX):
        return _ED25519, _ed25519(spki[len(_ED25519_PREFIX) :])
    if spki.startswith(_ML_DSA_44_PREFIX):
        return _ML_DSA_44, _ml_dsa_44(spki[len(_ML_DSA_44_PREFIX) :])
    return _load_der(spki)


def _ecdsa_p256(point: bytes) -> Callable[[bytes, bytes], None]:
    if point[0] != 4:
        raise UnsupportedKeyError("expected an uncompressed P-256 point")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise UnsupportedKeyError("expected a point on P-256") from None
    return _ecdsa(key, hashes.SHA256())


def _ecdsa(key: Any, hash_: hashes.HashAlgorithm) -> Callable[[bytes, bytes], None]:
    scheme = ec.ECDSA(hash_)

    def check(signature: bytes, message: bytes) -> None:
        key.verify(signature, message, scheme)

    return check


def _ed25519(raw: bytes) -> Callable[[bytes, bytes], None]:
    if len(raw) != 32:
        raise UnsupportedKeyError(f"expected 32 bytes of Ed25519 key, found {len(raw)}")
    y = raw[:31] + bytes([raw[31] & 0x7F])
    if y in _SMALL_ORDER or int.from_bytes(y, "little") >= _ED25519_PRIME:
        raise WeakKeyError("an Ed25519 point of small order or with a second spelling")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw).verify


def _ml_dsa_44(raw: bytes) -> Callable[[bytes, bytes], None]:
    """Load FIPS 204's key; it signs the message itself, under an empty context."""
    if len(raw) != _ML_DSA_44_SIZE:
        raise UnsupportedKeyError(f"expected 1312 bytes of ML-DSA-44 key, found {len(raw)}")
    if not any(raw[_ML_DSA_SEED:]):
        raise WeakKeyError("an ML-DSA key whose vector t1 is zero hides no secret")
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    key = MLDSA44PublicKey.from_public_bytes(raw)

    def check(signature: bytes, message: bytes) -> None:
        key.verify(signature, message)

    return check


def _load_der(spki: bytes) -> tuple[Algorithm, Callable[[bytes, bytes], None]]:
    """Load what has no fixed prefix; the DER parser is imported only for this."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_der_public_key(spki)
        again = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, UnsupportedAlgorithm):
        raise UnsupportedKeyError("expected a public key in DER") from None
    if again != spki:
        raise UnsupportedKeyError("the key is not in its canonical DER encoding")
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return _P384, _ecdsa(key, hashes.SHA384())
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA:
        if key.public_numbers().e != 65_537:
            raise UnsupportedKeyError("expected an RSA key with exponent 65537")
        rsa_key, scheme, sha256 = key, padding.PKCS1v15(), hashes.SHA256()

        def check(signature: bytes, message: bytes) -> None:
            rsa_key.verify(signature, message, scheme, sha256)

        return _RSA[key.key_size], check
    names = ", ".join(a.name for a in ALGORITHMS)
    raise UnsupportedKeyError(f"expected one of {names}")


@lru_cache(maxsize=256)
def _load_prehashed(spki: bytes, algorithm: Algorithm) -> Callable[[bytes, bytes], None]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

    hashed = utils.Prehashed(hashes.SHA384() if algorithm is _P384 else hashes.SHA256())
    key = serialization.load_der_public_key(spki)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _prehashed(key.verify, ec.ECDSA(hashed))
    if isinstance(key, rsa.RSAPublicKey):
        return _prehashed(key.verify, padding.PKCS1v15(), hashed)
    raise UnsupportedKeyError(f"expected an ECDSA or RSA key, found {algorithm.name}")


def _prehashed(verify: Any, *scheme: Any) -> Callable[[bytes, bytes], None]:
    def check(signature: bytes, digest: bytes) -> None:
        verify(signature, digest, *scheme)

    return check
