"""What a caller sends to be known by: `authorization`, once, in one spelling.

    authorization: Bearer SECRET          everywhere
    authorization: Basic append:SECRET    in Base64, on the routes of Rekor's clients alone

Whatever else is there in its place is no credential, and whoever sends it is nobody: neither
somebody without one, nor whoever one of two says.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable

from signer.errors import UnauthenticatedError

APPENDER = "append"  # the user name under which Basic carries an append token
_MOST = 512  # characters
_HEADER, _SHADOW = "authorization", "authorization-bin"
_BEARER, _BASIC = "Bearer ", "Basic "
_SIGNING_CONFIG = "signing_config.json of the service's directory has it"


def secret_in(metadata: Iterable[tuple[str, str | bytes]], *, basic: bool = False) -> str | None:
    """Return the secret that metadata or headers carry, names in lower case; None without one.

    Raises:
        UnauthenticatedError: more than one, or in another form.
    """
    found: str | bytes | None = None
    for name, value in metadata:
        if name == _HEADER:
            if found is not None:
                raise UnauthenticatedError("expected one authorization, found more")
            found = value
        elif name == _SHADOW:
            raise UnauthenticatedError("expected authorization, found authorization-bin")
    if found is None:
        return None
    if not isinstance(found, str) or len(found) > _MOST:
        raise UnauthenticatedError("expected 'authorization: Bearer TOKEN'")
    if found.startswith(_BEARER):
        return found[len(_BEARER) :]
    if not basic:
        raise UnauthenticatedError("expected 'authorization: Bearer TOKEN'")
    return _password(found)


def _password(value: str) -> str:
    if not value.startswith(_BASIC):
        raise UnauthenticatedError("expected a token as Basic's password", hint=_SIGNING_CONFIG)
    try:
        pair = binascii.a2b_base64(value[len(_BASIC) :], strict_mode=True).decode("ascii")
    except ValueError:
        raise UnauthenticatedError("expected Basic in Base64", hint=_SIGNING_CONFIG) from None
    user, _, secret = pair.partition(":")
    if user != APPENDER:
        raise UnauthenticatedError(f"expected the user {APPENDER}", hint=_SIGNING_CONFIG)
    return secret
