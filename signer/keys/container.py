"""The container of an encrypted private key: Argon2id (RFC 9106), AES-256-GCM, and JSON.

    {
      "type": "urn:sealbook:key:v1",
      "name": "release",
      "purpose": "approve",
      "public_key": "<b64 SPKI>",
      "kdf": {
        "name": "argon2id",
        "memory_kib": 65536,
        "passes": 3,
        "lanes": 4,
        "salt": "<b64, 16 bytes>"
      },
      "cipher": {
        "name": "aes-256-gcm",
        "nonce": "<b64, 12 bytes>"
      },
      "ciphertext": "<b64>"
    }

`ciphertext` is the key's PKCS#8 in DER, and a tag of 16 bytes. The associated data is
everything above it, as canonical JSON: a key keeps its name and its purpose for good, and
whoever changes a byte of the file makes it one that cannot be opened. The file is written
in this one way, and read in no other.

A key is 64 MiB and three passes away from a passphrase, the second choice of RFC 9106 for
machines that have no 2 GiB to spare for it: a fifth of a second here, 64 MiB for each guess of
somebody who has the file. What a file may ask for is bounded, because anybody can write one:
above, a machine that opens it would be busy or full; below, it would be cheap to guess.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from signer.errors import KeyFileError, KeyRoleError, PassphraseError
from signer.keys.home import Role
from signer.keys.importing import Ask, read_der
from signer.keys.memory import HeldKey
from signer.keys.private import Private
from verifier import limits
from verifier._strict import Fields, b64, b64encode, canonical_json, json_object, name
from verifier.errors import MalformedError, VerificationError
from verifier.publickey import PublicKey
from verifier.trust.listed import PURPOSES as TRUSTED

PURPOSES = (
    *TRUSTED,
    "raw",
    "promise",
    "certificate",
    "transparency",
    "authority",
    "root",
    "person",
)

TYPE = "urn:sealbook:key:v1"
_KDF, _CIPHER = "argon2id", "aes-256-gcm"
_KEY, _NONCE, _SALT, _TAG = 32, 12, 16, 16


class Work(NamedTuple):
    """What a guess of the passphrase takes."""

    memory_kib: int
    passes: int
    lanes: int

    def check(self) -> None:
        """Raise `KeyFileError` if it is too little, or more than a machine should be asked for."""
        for found, least, most, what in zip(self, LEAST, MOST, self._fields, strict=True):
            if not least <= found <= most:
                raise KeyFileError(f"expected kdf.{what} of {least} to {most}, found {found}")


WORK = Work(memory_kib=64 << 10, passes=3, lanes=4)
LEAST = Work(memory_kib=19 << 10, passes=2, lanes=1)  # what OWASP asks of passwords at least
MOST = Work(memory_kib=256 << 10, passes=8, lanes=8)


class Container(NamedTuple):
    """A private key under a passphrase, and what anybody may know of it."""

    role: Role
    public: PublicKey
    work: Work
    salt: bytes
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def seal(cls, private: Private, role: Role, passphrase: bytes, work: Work = WORK) -> Self:
        """Put `private` under `passphrase`, for `role` alone.

        Raises:
            KeyFileError: `role` is no name, or no purpose that there is.
            UnsupportedKeyError: `private` is of no algorithm of ours.
        """
        _check_role(role)
        salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
        empty = cls(role, HeldKey(private).public, work, salt, nonce, b"")
        plain = private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return empty._replace(
            ciphertext=empty._cipher(passphrase).encrypt(nonce, plain, empty.bound)
        )

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """Read a container; nothing of it is to be believed before it was opened.

        Raises:
            KeyFileError: it is something else, or asks for too much work or too little.
        """
        try:
            found = cls._read(Fields(json_object(content, limit=limits.KEY), "key"))
        except (VerificationError, KeyFileError) as e:
            raise KeyFileError(f"{where} is no container of a key: {e.message}") from e
        if found.content() != content:
            raise KeyFileError(f"{where} is not written as containers of keys are")
        return found

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        if fields.text("type") != TYPE:
            raise MalformedError(f"expected a key of type {TYPE}")
        role = Role(fields.text("name"), fields.text("purpose"))
        _check_role(role)
        public = PublicKey(b64(fields.text("public_key")))
        kdf, cipher = fields.inside("kdf"), fields.inside("cipher")
        if (kdf.text("name"), cipher.text("name")) != (_KDF, _CIPHER):
            raise MalformedError(f"expected {_KDF} and {_CIPHER}")
        work = Work(*(kdf.number(field) for field in Work._fields))
        work.check()
        salt, nonce = b64(kdf.text("salt"), size=_SALT), b64(cipher.text("nonce"), size=_NONCE)
        # What is left over would not be written again, so `parse` refuses it.
        return cls(role, public, work, salt, nonce, b64(fields.text("ciphertext")))

    def open(self, ask: Ask, role: Role, where: str) -> Private:
        """Return the private key, which is for `role`; an empty name in that is any.

        `ask` gives the passphrase.

        Raises:
            KeyRoleError: the key was made for another one; nobody is asked.
            PassphraseError: the passphrase does not fit, or the file was changed.
            KeyFileError: what is inside is no key, or another one than the file says.
        """
        for asked, found, what in zip(role, self.role, Role._fields, strict=True):
            if asked and asked != found:
                raise KeyRoleError(f"{where}: expected a key with {what} {asked}, found {found}")
        try:
            plain = self._cipher(ask()).decrypt(self.nonce, self.ciphertext, self.bound)
        except InvalidTag:
            raise PassphraseError(f"{where}: a wrong passphrase, or the file was changed") from None
        private = read_der(plain, where)
        if HeldKey(private).public != self.public:
            raise KeyFileError(f"{where} holds another key than it says")
        return private

    def content(self) -> bytes:
        """Return the file."""
        value = self._head() | {"ciphertext": b64encode(self.ciphertext)}
        return json.dumps(value, indent=2).encode() + b"\n"

    @property
    def bound(self) -> bytes:
        """The associated data: all of the file but the ciphertext."""
        return canonical_json(self._head())

    def _head(self) -> dict[str, Any]:
        return {
            "type": TYPE,
            **self.role._asdict(),
            "public_key": b64encode(self.public.spki),
            "kdf": {"name": _KDF, **self.work._asdict(), "salt": b64encode(self.salt)},
            "cipher": {"name": _CIPHER, "nonce": b64encode(self.nonce)},
        }

    def _cipher(self, passphrase: bytes) -> AESGCM:
        self.work.check()  # again, right where it would hurt
        return AESGCM(derive(passphrase, self.salt, self.work))


def derive(passphrase: bytes, salt: bytes, work: Work) -> bytes:
    """Return the key that Argon2id makes of a passphrase; takes as long as `work` says."""
    return Argon2id(
        salt=salt,
        length=_KEY,
        iterations=work.passes,
        lanes=work.lanes,
        memory_cost=work.memory_kib,
    ).derive(passphrase)


def _check_role(role: Role) -> None:
    try:
        name(role.name)
    except MalformedError as e:
        raise KeyFileError(e.message) from e
    if role.purpose not in PURPOSES:
        raise KeyFileError(f"expected one of {', '.join(PURPOSES)}, found {role.purpose[:40]!r}")
