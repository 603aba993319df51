"""Keys in files: unencrypted PKCS#8 in PEM, readable by their owner alone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils

from signer.errors import KeyFileError, KeyFileModeError
from verifier import limits
from verifier.publickey import PublicKey

_Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey


class FileKey:
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


def read_secret(path: Path) -> bytes:
    """Return the content of a file that nobody else can read.

    Raises:
        KeyFileModeError: it is a link, not ours, or group or others have any right on it.
        KeyFileError: it cannot be read.
    """
    try:
        # Without O_NONBLOCK a pipe in the file's place would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno == errno.ELOOP:
            raise KeyFileModeError(f"expected a file, {path} is a link") from e
        raise KeyFileError(f"cannot read {path}: {e.strerror}") from e
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileModeError(f"expected a file, {path} is something else")
        if status.st_mode & 0o077 or status.st_uid not in (0, os.geteuid()):
            raise KeyFileModeError(
                f"expected {path} to be readable by its owner alone, found mode "
                f"{stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}",
                hint=f"chmod 600 {path}, and think about who may have read it",
            )
        return os.read(fd, limits.KEY)
    finally:
        os.close(fd)


def read_token(path: Path) -> str:
    """Return the one line of a token file; raises like `read_secret`."""
    try:
        return read_secret(path).decode("ascii").strip()
    except UnicodeDecodeError as e:
        raise KeyFileError(f"expected a token in ASCII in {path}") from e


def write_secret(path: Path, content: bytes) -> None:
    """Write `content` to the new file `path` with mode 0600, durably."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
