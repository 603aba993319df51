"""Who is calling, and what may they do.

Today there are three principals: whoever holds the service's token, which never
leaves the machine that it was made on; whoever holds the append token, which
build runners have for uploading what they signed themselves; and whoever holds the
approver token, with which persons look, and agree to what others ask for. Default
deny: a principal may do what is listed for it, where it is listed.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable

from signer.access.principal import (
    Action,
    Caller,
    Grant,
    Principal,
    admit,
    authorise,
    authorise_everywhere,
)
from signer.access.where import Where
from signer.errors import KeyFileError, UnauthenticatedError
from verifier.repository import EVERYWHERE

__all__ = [
    "APPENDER",
    "Access",
    "Action",
    "Caller",
    "Grant",
    "Principal",
    "Where",
    "admit",
    "authorise",
    "authorise_everywhere",
]

_HOLDER: tuple[Action, ...] = (
    "sign",
    "sign-raw",
    "attest",
    "publish",
    "report",
    "append",
    "read",
    "fetch",
    "watch",
    "monitor",
    "agree",
    "mirror",
)
_AGREER: tuple[Action, ...] = ("read", "fetch", "watch", "agree")
APPENDER = "append"  # the user name under which Basic carries an append token
_MOST_HEADER = 512  # characters
_TOKEN = re.compile(r"[\x21-\x7e]{32,500}", re.ASCII)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)  # RFC 3986 section 2.3
_BEARER, _BASIC = "Bearer ", "Basic "
_SIGNING_CONFIG = "signing_config.json of the service's directory has it"


class Access:
    """Knows the holders of three tokens. Keeps their hashes, never a token."""

    def __init__(
        self, token: str | None, append_token: str | None = None, approver_token: str | None = None
    ) -> None:
        """Know whoever sends `token`; `append_token` is for appending alone.

        With `approver_token` one may look, and agree: ask for nothing, so that whoever
        approves is nobody who could have asked.

        Raises:
            KeyFileError: one is too short to be a secret, or could not be sent.
        """
        everywhere = (Grant(Where(EVERYWHERE), "access.token"),)
        holder = Principal("urn:sealbook:token", "loopback", dict.fromkeys(_HOLDER, everywhere))
        appender = Principal("urn:sealbook:token", APPENDER, {"append": everywhere})
        self._known: list[tuple[bytes, Principal]] = []
        if token is not None:
            self._known.append((_hashed(token), holder))
        if append_token is not None:
            if not _UNRESERVED.fullmatch(append_token):  # it is a part of URLs
                raise KeyFileError("expected an append token of A-Z, a-z, 0-9, '.', '_', '~', '-'")
            self._known.append((_hashed(append_token), appender))
        if approver_token is not None:
            approver = Principal(
                "urn:sealbook:token", "approver", dict.fromkeys(_AGREER, everywhere)
            )
            self._known.append((_hashed(approver_token), approver))

    def authenticate(self, metadata: Iterable[tuple[str, str | bytes]]) -> Principal:
        """Return who sent this metadata.

        Raises:
            UnauthenticatedError: not exactly one bearer token, or not one of ours.
        """
        value = _authorization(metadata)
        if not value.startswith(_BEARER):
            raise UnauthenticatedError("expected 'authorization: Bearer TOKEN'")
        return self.holder(value[len(_BEARER) :])

    def authenticate_appending(self, metadata: Iterable[tuple[str, str | bytes]]) -> Principal:
        """Return who sent this metadata, with the token in a bearer's place or as Basic's password.

        Raises:
            UnauthenticatedError: neither, or not one of ours.
        """
        value = _authorization(metadata)
        if value.startswith(_BEARER):
            return self.holder(value[len(_BEARER) :])
        if not value.startswith(_BASIC):
            raise UnauthenticatedError("expected a token as Basic's password", hint=_SIGNING_CONFIG)
        try:
            pair = binascii.a2b_base64(value[len(_BASIC) :], strict_mode=True).decode("ascii")
        except ValueError:
            raise UnauthenticatedError("expected Basic in Base64", hint=_SIGNING_CONFIG) from None
        user, _, token = pair.partition(":")
        if user != APPENDER:
            raise UnauthenticatedError(f"expected the user {APPENDER}", hint=_SIGNING_CONFIG)
        return self.holder(token)

    def holder(self, token: str) -> Principal:
        """Return who holds `token`; raises `UnauthenticatedError` when nobody does."""
        found = _hash(token[:_MOST_HEADER])
        for known, principal in self._known:
            if hmac.compare_digest(found, known):
                return principal
        raise UnauthenticatedError("the token is not known here")


def _authorization(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    values = [value for name, value in metadata if name == "authorization"]
    if len(values) != 1:
        raise UnauthenticatedError(f"expected one authorization, found {len(values)}")
    [value] = values
    if not isinstance(value, str) or len(value) > _MOST_HEADER:
        raise UnauthenticatedError("expected 'authorization: Bearer TOKEN'")
    return value


def _hashed(token: str) -> bytes:
    """Return the hash of a token that can be one."""
    if not _TOKEN.fullmatch(token):
        raise KeyFileError("expected a token of 32 to 500 printable ASCII characters")
    return _hash(token)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
