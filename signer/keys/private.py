"""Private keys as `cryptography` has them: which of them sign here, and how.

Of every algorithm in `verifier.algorithms`' table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils

from signer.errors import KeyFileError
from verifier.algorithms import Algorithm

Private = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
)

RSA_BITS = 3072  # at least: what is shorter is verified for others' sake, and signs nothing here
_RSA_EXPONENT = 65_537
_GENERATE: Mapping[str, Callable[[], Private]] = {
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa-3072": lambda: rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS),
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
}
ALGORITHMS = tuple(_GENERATE)  # that a new key can be of
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}  # by the table's names


def generate(algorithm: str) -> Private:
    """Make a new private key; `algorithm` is one of `ALGORITHMS`.

    Raises:
        KeyFileError: it is another one.
    """
    if algorithm not in _GENERATE:
        raise KeyFileError(f"expected one of {', '.join(ALGORITHMS)}, found {algorithm[:40]!r}")
    return _GENERATE[algorithm]()


def schemes(private: Private, row: Algorithm) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    """Return what a signature over a message, and over its hash, takes beside them."""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        hash_ = _HASHES[row.hash_name]
        return (ec.ECDSA(hash_),), (ec.ECDSA(utils.Prehashed(hash_)),)
    if isinstance(private, rsa.RSAPrivateKey):
        hash_, filled = _HASHES[row.hash_name], padding.PKCS1v15()
        return (filled, hash_), (filled, utils.Prehashed(hash_))
    return (), None
