"""Who is calling, and what may they do.

Today there is one principal: whoever holds the service's token, which never
leaves the machine that it was made on. Default deny: a principal may do what is
listed for it, where it is listed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from signer.errors import KeyFileError, PermissionDeniedError, UnauthenticatedError
from verifier.repository import EVERYWHERE, Repository, Scope

Action = Literal["sign", "sign-raw", "attest", "append", "read", "mirror", "operate"]
_HOLDER: tuple[Action, ...] = ("sign", "sign-raw", "attest", "append", "read", "mirror")
APPENDER = "append"  # the user name under which Basic carries an append token
_MOST_HEADER = 512  # characters
_TOKEN = re.compile(r"[\x21-\x7e]{32,500}", re.ASCII)
_SCHEME = "Bearer "


class Principal(NamedTuple):
    """Somebody we know: `issuer` says who vouches, `subject` is stable under that issuer."""

    issuer: str
    subject: str
    grants: Mapping[str, tuple[Scope, ...]]  # action -> where

    @property
    def name(self) -> str:
        """The principal in one word, as labels and logs show it."""
        return f"{self.issuer}#{self.subject}"


class Access:
    """Knows the holder of one token. Keeps its hash, never the token."""

    def __init__(self, token: str, append_token: str | None = None) -> None:
        """Know whoever sends `token`, and whoever sends `append_token` for appending alone.

        Raises:
            KeyFileError: it is too short to be a secret, or could not be sent.
        """
        if not _TOKEN.fullmatch(token):
            raise KeyFileError("expected a token of 32 to 500 printable ASCII characters")
        self._hash = _hash(token)
        self._append_hash = _hash(append_token) if append_token else None
        everywhere = (Scope("*"),)
        self._holder = Principal(
            "urn:sealbook:token", "loopback", dict.fromkeys(_HOLDER, everywhere)
        )

    def authenticate(self, metadata: Iterable[tuple[str, str | bytes]]) -> Principal:
        """Return who sent this metadata.

        Raises:
            UnauthenticatedError: not exactly one bearer token, or not one of ours.
        """
        values = [value for name, value in metadata if name == "authorization"]
        if len(values) != 1:
            raise UnauthenticatedError(f"expected one authorization, found {len(values)}")
        value = values[0]
        if not isinstance(value, str) or len(value) > _MOST_HEADER or not value.startswith(_SCHEME):
            raise UnauthenticatedError("expected 'authorization: Bearer TOKEN'")
        if not hmac.compare_digest(_hash(value[len(_SCHEME) :]), self._hash):
            raise UnauthenticatedError("the token is not known here")
        return self._holder


def authorise(principal: Principal, action: Action, repository: Repository | None = None) -> None:
    """Check that `principal` may do `action` in `repository`, or at all.

    Raises:
        PermissionDeniedError: it may not.
    """
    scopes = principal.grants.get(action, ())
    if not scopes or (repository and not any(scope.covers(repository) for scope in scopes)):
        where = f" in {repository}" if repository else ""
        raise PermissionDeniedError(f"{principal.name} may not {action}{where}")


def authorise_everywhere(principal: Principal, action: Action) -> None:
    """Check that `principal` may do `action` wherever it is: what names no repository needs that.

    Raises:
        PermissionDeniedError: it may not.
    """
    if Scope(EVERYWHERE) not in principal.grants.get(action, ()):
        raise PermissionDeniedError(
            f"{principal.name} may not {action} what names no repository",
            hint="name the repository that it is for",
        )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
