"""The three tokens that files hold. They say which of three somebody is, and not who.

Whoever holds the service's token may do all that callers do, so it never leaves the machine
that it was made on, and counts from nowhere else. Build runners have the append token, for
uploading what they signed themselves; persons have the approver token, with which they look,
and agree to what others ask for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

from signer.access.network import is_loopback
from signer.access.principal import Action, Caller, Grant, Principal
from signer.access.where import Where
from signer.config import Config
from signer.errors import KeyFileError
from signer.keys.secret_files import read_token
from verifier.repository import EVERYWHERE

ISSUER = "urn:sealbook:token"
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
_APPENDER: tuple[Action, ...] = ("append", "watch")
_TOKEN = re.compile(r"[\x21-\x7e]{32,500}", re.ASCII)
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)  # RFC 3986 section 2.3


class _Known(NamedTuple):
    """The hash of a token, and who has it; one that `stays` counts from this machine alone."""

    hash: bytes
    principal: Principal
    stays: bool = False


class Tokens:
    """Knows the holders of three tokens. Keeps their hashes, never a token."""

    def __init__(
        self,
        token: str | None = None,
        append_token: str | None = None,
        approver_token: str | None = None,
    ) -> None:
        """Know whoever sends `token`; with `append_token` one may append, and read signatures.

        With `approver_token` one may look, and agree: ask for nothing, so that whoever
        approves is nobody who could have asked.

        Raises:
            KeyFileError: one is too short to be a secret, or could not be sent.
        """
        self._known = _known(token, append_token, approver_token)

    @classmethod
    def read(cls, config: Config) -> Self:
        """Read the files that `config` names; raises `KeyFileError`."""
        return cls(*_read(config))

    def prepare(self, config: Config) -> Callable[[], None]:
        """Read the files that `config` names now; return what puts them in force."""
        known = _known(*_read(config))

        def install() -> None:
            self._known = known

        return install

    def holder(self, secret: str, caller: Caller) -> Principal | None:
        """Return who `caller` is by holding `secret`; None when it is none of these, or not there.

        The service's own token counts from this machine alone.
        """
        found = _hash(secret)
        for known in self._known:
            if hmac.compare_digest(found, known.hash):
                here = not known.stays or is_loopback(caller.address)
                return known.principal if here else None
        return None


def _read(config: Config) -> Iterator[str | None]:
    named = config.access
    for file in (named.token, named.append_token, named.approver_token):
        yield read_token(config.path(file)) if file else None


def _known(
    token: str | None = None, append_token: str | None = None, approver_token: str | None = None
) -> list[_Known]:
    known = []
    if token is not None:
        known.append(_Known(_hashed(token), _principal("loopback", _HOLDER), stays=True))
    if append_token is not None:
        if not _UNRESERVED.fullmatch(append_token):  # it is a part of URLs
            raise KeyFileError("expected an append token of A-Z, a-z, 0-9, '.', '_', '~', '-'")
        known.append(_Known(_hashed(append_token), _principal("append", _APPENDER)))
    if approver_token is not None:
        known.append(_Known(_hashed(approver_token), _principal("approver", _AGREER)))
    return known


def _principal(subject: str, actions: tuple[Action, ...]) -> Principal:
    everywhere = (Grant(Where(EVERYWHERE), "access.token"),)
    return Principal(ISSUER, subject, dict.fromkeys(actions, everywhere))


def _hashed(token: str) -> bytes:
    """Return the hash of a token that can be one."""
    if not _TOKEN.fullmatch(token):
        raise KeyFileError("expected a token of 32 to 500 printable ASCII characters")
    return _hash(token)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
