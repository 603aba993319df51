"""A key-encryption key in a token: it wraps and unwraps there, and never leaves.

One that could leave the token, or is visible without a PIN, has none of what a token is for,
and is refused. A token may say anything when another key had wrapped something, SoftHSM says
that it failed; so the key then shows that it still works, and only then is it another one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass

from ledger.at_rest import NONCE, SECRET
from signer.errors import (
    KeyExistsError,
    KeyObjectError,
    KeyUnavailableError,
    KeyUriError,
    WrongKekError,
)
from signer.keys.token.sessions import AbsentKeyError, Opened, Sessions
from signer.keys.token.uri import TokenUri
from signer.keys.workers import Workers

_TAG_BITS = 128
_DEMANDED: dict[Attribute, Any] = {
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.PRIVATE: True,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: True,
}
_MADE: dict[Attribute, Any] = {
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.PRIVATE: True,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
}
_PROBE = b"sealbook token probe v1"


class TokenKek:
    """An AES-256 key in a token."""

    def __init__(self, uri: TokenUri, base: Path) -> None:
        """Open it, and have it show that it opens what it wraps.

        Raises:
            KeyHomeError: it is not there, or not guarded.
            KeyUnavailableError: the token does not answer.
        """
        self._uri = uri
        self._sessions = Sessions(uri, base)
        try:
            self._workers = Workers(uri.place, self._open, self._close, 1)
        except BaseException:
            self._sessions.close()
            raise

    def wrap(self, secret: bytes, about: bytes) -> bytes:
        """Return `secret` wrapped; raises `KeyUnavailableError`, `KeyHomeError`."""
        return self._workers.call(lambda held: self._ask(held, partial(_wrap, secret, about)))

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """Return what `wrap` was given; raises likewise, and `WrongKekError`."""
        return self._workers.call(lambda held: self._ask(held, partial(_unwrap, wrapped, about)))

    def close(self) -> None:
        """Close its session, and the library after its last key."""
        self._workers.close()
        self._sessions.close()

    def _ask(self, held: _Held, what: Callable[[Any], bytes]) -> bytes:
        with self._sessions.asking() as generation:
            if generation == held.generation:
                return what(held.key)
        # Another key's trouble began the library anew, and nothing is wrong with this one.
        fresh = self._open()
        held.generation, held.session, held.key = fresh.generation, fresh.session, fresh.key
        with self._sessions.asking() as generation:
            if generation == held.generation:
                return what(held.key)
        raise KeyUnavailableError(f"{self._uri.place} comes and goes")

    def _open(self) -> _Held:
        return self._sessions.open(self._found)

    def _found(self, opened: Opened) -> _Held:
        key = _find(opened.session, self._uri)
        if _unwrap(_wrap(_PROBE, b"", key), b"", key) != _PROBE:
            raise KeyObjectError(f"{self._uri.key} in {self._uri.place} opens not what it wraps")
        return _Held(opened, key)

    def _close(self, held: _Held) -> None:
        with self._sessions.asking() as generation:
            if generation == held.generation:
                held.session.close()


class _Held:
    """The key in a session; replaced when its generation is over."""

    __slots__ = ("generation", "key", "session")

    def __init__(self, opened: Opened, key: Any) -> None:
        self.generation, _, self.session = opened
        self.key = key


def open_kek(rest: str, base: Path) -> TokenKek:
    """Open the key that `pkcs11:` and `rest` name; raises like `TokenKek`."""
    uri = TokenUri.parse(rest)
    if uri.id is None and uri.label is None:
        raise KeyUriError("expected id= or object= in a key URI: which key is it?")
    return TokenKek(uri, base)


def make_kek(rest: str, base: Path) -> None:
    """Make such a key in the token.

    Raises:
        KeyExistsError: there is an object with its label already.
        KeyHomeError: the token does not make such keys, or does not let us in.
        KeyUnavailableError: it does not answer.
    """
    uri = TokenUri.parse(rest)
    if uri.label is None:
        raise KeyUriError("expected object= in the URI of a new key: what is it called?")

    def make(opened: Opened) -> None:
        if list(opened.session.get_objects({Attribute.LABEL: uri.label})):
            raise KeyExistsError(
                f"the token has an object with CKA_LABEL {uri.label} already",
                hint="nothing is ever overwritten; name another object=",
            )
        opened.session.generate_key(
            KeyType.AES,
            8 * SECRET,
            label=uri.label,
            id=uri.id or secrets.token_bytes(8),
            store=True,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            template=_MADE,
        )
        opened.session.close()

    sessions = Sessions(uri, base)
    try:
        sessions.open(make, write=True)
    finally:
        sessions.close()


def _find(session: pkcs11.Session, uri: TokenUri) -> Any:
    template: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.SECRET_KEY}
    if uri.id is not None:
        template[Attribute.ID] = uri.id
    if uri.label is not None:
        template[Attribute.LABEL] = uri.label
    found: list[Any] = list(session.get_objects(template))
    if not found:
        raise AbsentKeyError(f"{uri.place} has no secret key {uri.key}")
    if len(found) > 1:
        raise KeyObjectError(f"expected one secret key {uri.key} in {uri.place}, found several")
    [key] = found
    for attribute, expected in {**_DEMANDED, Attribute.VALUE_LEN: SECRET}.items():
        if (value := key[attribute]) != expected:
            raise KeyObjectError(
                f"expected CKA_{attribute.name} = {expected} of secret key {uri.key}, "
                f"found {value}",
                hint="make a key in the token that cannot leave it: sealbook ledger make-kek",
            )
    return key


def _wrap(secret: bytes, about: bytes, key: Any) -> bytes:
    nonce = secrets.token_bytes(NONCE)
    made: bytes = key.encrypt(
        secret,
        mechanism=Mechanism.AES_GCM,
        mechanism_param=GCMParams(nonce, about or None, _TAG_BITS),
    )
    return nonce + made


def _unwrap(wrapped: bytes, about: bytes, key: Any) -> bytes:
    try:
        return _opened(wrapped, about, key)
    except (pkcs11.PKCS11Error, ValueError) as e:
        _opened(_wrap(_PROBE, b"", key), b"", key)  # raises when it is the token that fails
        raise WrongKekError("the key-encryption key does not open this data key") from e


def _opened(wrapped: bytes, about: bytes, key: Any) -> bytes:
    found: bytes = key.decrypt(
        wrapped[NONCE:],
        mechanism=Mechanism.AES_GCM,
        mechanism_param=GCMParams(wrapped[:NONCE], about or None, _TAG_BITS),
    )
    return found
