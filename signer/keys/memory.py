"""Private keys in this process's memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils

from signer.errors import KeyFileError
from signer.keys.secret_files import read_secret, write_secret
from verifier.publickey import PublicKey

_Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey


class MemoryKey:
    """A private key in this process's memory: ECDSA P-256 or P-384, Ed25519, or ML-DSA-44."""

    def __init__(self, private: _Private) -> None:
        """Use `private`."""
        spki = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._public = PublicKey(spki)
        self._private = private
        is_p384 = self._public.algorithm.hash_name == "sha384"
        hash_ = hashes.SHA384() if is_p384 else hashes.SHA256()
        self._scheme = ec.ECDSA(hash_)
        self._digest_scheme = ec.ECDSA(utils.Prehashed(hash_))

    @classmethod
    def generate(cls, algorithm: str) -> Self:
        """Make a new key; `algorithm` is "ecdsa-p256", "ed25519" or "ml-dsa-44"."""
        if algorithm == "ed25519":
            return cls(ed25519.Ed25519PrivateKey.generate())
        if algorithm == "ml-dsa-44":
            return cls(mldsa.MLDSA44PrivateKey.generate())
        assert algorithm == "ecdsa-p256"
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load the key in `path`.

        Raises:
            KeyFileModeError: somebody else can read it.
            KeyFileError: it cannot be read, or holds no key of ours.
        """
        try:
            private = serialization.load_pem_private_key(read_secret(path), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as e:
            raise KeyFileError(f"{path} holds no unencrypted PKCS#8 private key") from e
        if not isinstance(private, _Private):
            raise KeyFileError(f"expected an ECDSA, Ed25519 or ML-DSA-44 key in {path}")
        return cls(private)

    def save(self, path: Path) -> None:
        """Write the key to the new file `path`, readable by its owner alone."""
        pem = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_secret(path, pem)

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    @property
    def workers(self) -> None:
        """None: it signs here."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """Where it is."""
        return {"home": "memory"}

    def close(self) -> None:
        """Hold on: there is nothing to give back."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`; ECDSA as ASN.1 DER."""
        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            return self._private.sign(message, self._scheme)
        return self._private.sign(message)

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the same over the message with this hash; raises `KeyFileError` if not ECDSA."""
        if not isinstance(self._private, ec.EllipticCurvePrivateKey):
            raise KeyFileError(f"a key of {self._public.algorithm.name} signs no hashes")
        return self._private.sign(digest, self._digest_scheme)
