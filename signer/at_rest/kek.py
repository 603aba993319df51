"""Key-encryption keys: what wraps data keys, in a file or in a token.

    file:keys/kek                     32 bytes, in a file that its owner alone reads
    pkcs11:token=…;object=kek?…       an AES-256 key that cannot leave its token

A wrapped key is a nonce and AES-256-GCM of it; what it is for is its associated data.
"""

from __future__ import annotations

import importlib
import re
import secrets
from pathlib import Path
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.at_rest import NONCE, SECRET
from signer.errors import KeyFileError, KeyLibraryError, KeyUriError, WrongKekError
from signer.keys.secret_files import read_secret, write_secret

_PATH = re.compile(r"(?!//)[^%?#&\x00-\x1f\x7f]+")


class Kek(Protocol):
    """A key-encryption key. Its calls take as long as its token does, and end."""

    def wrap(self, secret: bytes, about: bytes) -> bytes:
        """Return `secret` wrapped.

        Raises:
            KeyUnavailableError, KeyHomeError: its token does not do it, now or ever.
        """

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """Return what `wrap` was given; raises likewise.

        Raises:
            WrongKekError: another key wrapped it, or about something else.
        """

    def close(self) -> None:
        """Give back what it holds."""


class FileKek:
    """A key in memory."""

    def __init__(self, secret: bytes) -> None:
        """Wrap with `secret`, 32 bytes."""
        self._cipher = AESGCM(secret)

    def wrap(self, secret: bytes, about: bytes) -> bytes:
        """Return `secret` wrapped."""
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """Return what `wrap` was given; raises `WrongKekError`."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], about)
        except (InvalidTag, ValueError) as e:
            raise WrongKekError("the key-encryption key does not open this data key") from e

    def close(self) -> None:
        """Nothing to give back."""


def open_kek(uri: str, base: Path) -> Kek:
    """Open the key that `uri` names; relative paths start at `base`.

    Raises:
        KeyUriError: there is no such home of such keys.
        KeyHomeError: it cannot be used, must not be, or is not there.
        KeyUnavailableError: its token does not answer.
    """
    scheme, rest = _parsed(uri)
    if scheme == "pkcs11":
        return _token().open_kek(rest, base)
    path = base / rest
    secret = read_secret(path)
    if len(secret) != SECRET:
        raise KeyFileError(
            f"expected {SECRET} bytes in {path}, found {len(secret)}",
            hint="make one with `sealbook ledger make-kek`",
        )
    return FileKek(secret)


def make_kek(uri: str, base: Path) -> None:
    """Make a new key where `uri` says; nothing is ever overwritten.

    Raises:
        KeyExistsError: there is something already.
        KeyUriError, KeyHomeError, KeyUnavailableError: as `open_kek`.
    """
    scheme, rest = _parsed(uri)
    if scheme == "pkcs11":
        _token().make_kek(rest, base)
    else:
        write_secret(base / rest, secrets.token_bytes(SECRET))


def _parsed(uri: str) -> tuple[str, str]:
    scheme, _, rest = uri.partition(":")
    if (scheme == "file" and _PATH.fullmatch(rest)) or (scheme == "pkcs11" and rest):
        return scheme, rest
    raise KeyUriError("expected file:PATH or pkcs11:… as key-encryption key")


def _token() -> _Home:
    try:
        return cast("_Home", importlib.import_module("signer.at_rest.token_kek"))
    except ModuleNotFoundError as e:
        raise KeyLibraryError(
            f"keys in pkcs11: need {e.name}", hint="pip install 'sealbook[pkcs11]'"
        ) from e


class _Home(Protocol):
    """The module of keys in tokens, which is imported when there is one."""

    def open_kek(self, rest: str, base: Path) -> Kek: ...

    def make_kek(self, rest: str, base: Path) -> None: ...
