"""What a token is asked to sign, and what becomes of what it answers.

A token signs whatever bytes it gets: SoftHSM signs a "hash" of five bytes. So hashes are made,
or measured, here. ECDSA comes back as r and s side by side, and becomes the DER that everybody
else writes; an answer of another length is no signature.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import KeyType, Mechanism

from signer.errors import KeyFailedError, KeyObjectError
from verifier.algorithms import Algorithm

# RFC 8017 section 9.2, note 1: a DigestInfo of SHA-256, up to the hash.
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
# EC_PARAMS: the curve's OID; RFC 8410's, and the name that PKCS#11 2.40 had for it.
_P256, _P384 = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06052b81040022")
_ED25519 = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))


class Scheme(NamedTuple):
    """How a token signs with the keys of one algorithm."""

    algorithm: str  # of verifier.algorithms
    key_type: KeyType
    mechanism: Mechanism
    size: int  # of what comes back, bytes
    parameters: tuple[bytes, ...] = ()  # EC_PARAMS, the first for new keys
    prefix: bytes = b""  # of a hash

    def of_message(self, algorithm: Algorithm, message: bytes) -> bytes:
        """Return what the token is to sign for `message`."""
        if self.key_type is KeyType.EC_EDWARDS:
            return message
        return self.prefix + hashlib.new(algorithm.hash_name, message).digest()

    def of_digest(self, algorithm: Algorithm, digest: bytes) -> bytes:
        """Return what the token is to sign for the message with this hash.

        Raises:
            KeyFailedError: a hash of another length, or one that such keys do not sign.
        """
        if self.key_type is KeyType.EC_EDWARDS:
            raise KeyFailedError(f"a key of {algorithm.name} signs no hashes")
        expected = hashlib.new(algorithm.hash_name).digest_size
        if len(digest) != expected:
            raise KeyFailedError(f"expected a hash of {expected} bytes, found {len(digest)}")
        return self.prefix + digest

    def signature(self, raw: bytes) -> bytes:
        """Return the signature that the token's answer is.

        Raises:
            KeyFailedError: it is none.
        """
        if len(raw) != self.size:
            raise KeyFailedError(f"expected {self.size} bytes from the token, found {len(raw)}")
        if self.key_type is not KeyType.EC:
            return raw
        half = self.size // 2
        r, s = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        return encode_dss_signature(r, s)


SCHEMES = (
    Scheme("ecdsa-p256", KeyType.EC, Mechanism.ECDSA, 64, (_P256,)),
    Scheme("ecdsa-p384", KeyType.EC, Mechanism.ECDSA, 96, (_P384,)),
    Scheme("ed25519", KeyType.EC_EDWARDS, Mechanism.EDDSA, 64, _ED25519[::-1]),
    *(
        # SHA256_RSA_PKCS would hash here what was hashed already.
        Scheme(f"rsa-{8 * n}", KeyType.RSA, Mechanism.RSA_PKCS, n, prefix=_DIGEST_INFO)
        for n in (256, 384, 512)
    ),
)


def scheme_of(algorithm: str) -> Scheme:
    """Return how tokens sign with `algorithm`; raises `KeyObjectError` if they do not."""
    for scheme in SCHEMES:
        if scheme.algorithm == algorithm:
            return scheme
    names = ", ".join(scheme.algorithm for scheme in SCHEMES)
    raise KeyObjectError(f"expected a key of one of {names} in a token, found {algorithm}")
