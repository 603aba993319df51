"""Public keys: checked when they are made, and known by their SPKI.

Which algorithms there are, and all that differs between them, is in `verifier.algorithms`.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature

from verifier import algorithms, limits
from verifier._strict import b64, b64encode
from verifier.algorithms import Algorithm, Checks, algorithm_of
from verifier.errors import (
    Base64Error,
    ExampleKeyError,
    LimitError,
    SignatureError,
    UnsupportedKeyError,
)

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
        "55b53a21e5ec262148fe5d562a0fcc6eda935ff21f97a891072da77e3f6e4ec7",  # trust-root
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

    __slots__ = ("_checks", "algorithm", "spki")

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
        self.algorithm, self._checks = _load(self.spki)

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
            self._checks.message(signature, message)
        except InvalidSignature:
            raise SignatureError(f"the signature is not by key {self.fingerprint[:16]}…") from None

    def verify_digest(self, signature: bytes, digest: bytes) -> None:
        """Check `signature` over the message of which only `digest` is known; for ECDSA and RSA.

        Raises:
            SignatureError: it does not fit.
            UnsupportedKeyError: the algorithm signs messages, not their hashes.
        """
        check = self._checks.digest
        if check is None:
            raise UnsupportedKeyError(
                f"expected a key that signs hashes, found {self.algorithm.name}"
            )
        try:
            check(signature, digest)
        except (InvalidSignature, ValueError):  # ValueError: a digest of another length
            raise SignatureError(f"the signature is not by key {self.fingerprint[:16]}…") from None

    @property
    def signs_hashes(self) -> bool:
        """Whether `verify_digest` can say anything: whether the hash of a message is enough."""
        return self._checks.digest is not None

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
        """The key as signed notes write a witness's: without what comes before it in SPKI."""
        if not self.algorithm.witness_kind:
            raise UnsupportedKeyError(f"expected a witness's key, found {self.algorithm.name}")
        return self.algorithm.key(self.spki)

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
    return PublicKey(algorithms.ED25519.spki(raw))


def ml_dsa_44(raw: bytes) -> PublicKey:
    """Take the 1312 bytes of an ML-DSA-44 key; raises like `PublicKey`."""
    return PublicKey(algorithms.ML_DSA_44.spki(raw))


@lru_cache(maxsize=256)  # a service meets its own few keys in every entry
def _load(spki: bytes) -> tuple[Algorithm, Checks]:
    algorithm = algorithm_of(spki)
    return algorithm, algorithm.load(algorithm.key(spki))
