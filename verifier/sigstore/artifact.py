"""What a bundle is about: bytes, or their SHA-256 alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from verifier.digest import Digest
from verifier.errors import DigestMismatchError, MalformedError, UnsupportedKeyError
from verifier.publickey import PublicKey
from verifier.sigstore.bundle import ForeignBundle, Message
from verifier.sigstore.statement import digests_of

_SHA256 = "sha256"


class Artifact(NamedTuple):
    """Something that was signed; `content` reads its bytes, where they can be had."""

    digest: Digest
    content: Callable[[], bytes] | None = None

    @property
    def sha256(self) -> bytes:
        """The 32 bytes of its digest."""
        return bytes.fromhex(self.digest.hex)

    def hashed(self, hash_name: str) -> bytes:
        """Return its hash, by hashlib's name.

        Raises:
            UnsupportedKeyError: of its bytes nothing but the SHA-256 is known.
        """
        if hash_name == _SHA256:
            return self.sha256
        return hashlib.new(hash_name, self.message()).digest()

    def message(self) -> bytes:
        """Return its content.

        Raises:
            UnsupportedKeyError: it is not known.
            DigestMismatchError: it is not what it was when its digest was taken.
        """
        if self.content is None:
            raise UnsupportedKeyError(
                "expected a key that signs SHA-256 hashes, for a digest alone",
                hint="hand in the file itself",
            )
        content = self.content()
        if Digest.of(content) != self.digest:
            raise DigestMismatchError(f"expected {self.digest}, and the file has just changed")
        return content


def check_signed(bundle: ForeignBundle, key: PublicKey | None, artifact: Artifact | None) -> None:
    """Check that `key` signed what is in `bundle`, and that it is about `artifact`.

    Without a key who signed is left to others. Without an artifact it is not asked what an
    envelope is about; a message is about nothing else.

    Raises:
        SignatureError: another key signed, or something else was signed.
        DigestMismatchError: it is about something else.
        UnsupportedKeyError: the key signs no SHA-256 hashes, and there is nothing but one.
        MalformedError: a message and no artifact, or a statement that is none.
    """
    signed = bundle.signed
    if isinstance(signed, Message):
        _check_message(signed, key, artifact)
        return
    if key is not None:
        key.verify(signed.signature, signed.message)  # before anything in it is read
    found = digests_of(signed.payload)
    if artifact is not None and artifact.digest not in found:
        told = ", ".join(found[:3]) or "nothing with a SHA-256"
        raise DigestMismatchError(f"expected {artifact.digest}, the statement is about {told}")


def _check_message(signed: Message, key: PublicKey | None, artifact: Artifact | None) -> None:
    if artifact is None:
        raise MalformedError("expected an envelope, found the signature of a message")
    if signed.digest and signed.digest != artifact.sha256:
        raise DigestMismatchError(
            f"expected {artifact.digest}, the bundle is of sha256:{signed.digest.hex()}"
        )
    if key is None:
        return
    if key.signs_hashes and key.algorithm.hash_name == _SHA256:
        key.verify_digest(signed.signature, artifact.sha256)
    else:
        key.verify(signed.signature, artifact.message())
