"""Private keys in this process's memory.

A `HeldKey` signs, and cannot be written anywhere. A `MemoryKey` is one that was never
encrypted, and can be; so nothing that was ever in a container gets out of it in plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Self, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from signer.errors import KeyFileError
from signer.keys.importing import read_plain
from signer.keys.private import RSA_BITS, Private, generate, schemes
from signer.keys.secret_files import read_secret, write_secret
from verifier.publickey import PublicKey

PLAIN = {"home": "file", "form": "pkcs8"}  # the attributes of a key in a file, not encrypted


class HeldKey:
    """A private key that this process holds and does not give away."""

    def __init__(self, private: Private, attributes: Mapping[str, str] | None = None) -> None:
        """Use `private`; `attributes` are what its home says of it.

        Raises:
            UnsupportedKeyError: it is of no algorithm in the table.
            KeyFileError: an RSA key of fewer than `RSA_BITS`.
        """
        if isinstance(private, rsa.RSAPrivateKey) and private.key_size < RSA_BITS:
            raise KeyFileError(
                f"expected an RSA key of {RSA_BITS} bits or more, found {private.key_size}"
            )
        spki = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._public = PublicKey(spki)
        self._private: Any = private
        self._message_scheme, self._digest_scheme = schemes(private, self._public.algorithm)
        self._attributes = dict(attributes or {"home": "memory"})

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
        return self._attributes

    def close(self) -> None:
        """Hold on: there is nothing to give back."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`; ECDSA as ASN.1 DER, RSA as PKCS #1 v1.5."""
        return cast("bytes", self._private.sign(message, *self._message_scheme))

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the same over the message with this hash; for ECDSA and RSA.

        Raises:
            KeyFileError: the algorithm signs messages, and a hash would be one of its own.
        """
        if self._digest_scheme is None:
            raise KeyFileError(f"a key of {self._public.algorithm.name} signs no hashes")
        return cast("bytes", self._private.sign(digest, *self._digest_scheme))

    def __repr__(self) -> str:
        """Name the public half, and nothing of the private one."""
        return f"<{type(self).__name__} {self._public!r}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a private key stays where it is")


class MemoryKey(HeldKey):
    """A private key that was made here, or read from a file that is not encrypted."""

    @classmethod
    def generate(cls, algorithm: str) -> Self:
        """Make a new key; raises like `generate`."""
        return cls(generate(algorithm))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load the key in `path`, unencrypted PKCS#8 in PEM.

        Raises:
            KeyFileModeError: somebody else can read it, or replace it.
            KeyFileError: it cannot be read, or holds no key of ours.
        """
        return cls(read_plain(read_secret(path), str(path)), PLAIN)

    def save(self, path: Path) -> None:
        """Write the key to the new file `path`, readable by its owner alone.

        Raises:
            KeyExistsError: there is something already.
            KeyFileError: it cannot be written there, or must not be.
        """
        pem = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_secret(path, pem)
