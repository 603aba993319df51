"""What a token says, read strictly, and whether it says it to us and now (RFC 7519).

The issuer and the audience are compared as they stand, whole. Times are whole seconds. Who a
token is for is one of us alone: a list of audiences with another in it would let that other, when
it is given the token, show it here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from signer.access.oidc.prechecks import TOKEN_BYTES
from signer.errors import (
    TokenAudienceError,
    TokenClaimError,
    TokenError,
    TokenIssuerError,
    TokenTimeError,
)
from verifier._strict import json_object, plain
from verifier.errors import MalformedError

LEEWAY_S = 30
_LONGEST = 1024  # characters of a claim that a binding may ask for
_MOST_CLAIMS = 256
_DEPTH = 4
_YEAR_9999 = 253_402_300_800
_JTI = 256  # characters
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Times(NamedTuple):
    """When a token was made and when it ends, POSIX seconds."""

    issued_at: int
    expires_at: int


def read(payload: bytes) -> dict[str, Any]:
    """Return what a token says.

    Raises:
        TokenError: it is no JSON object, or a key is in it twice.
    """
    try:
        return json_object(payload, limit=TOKEN_BYTES, floats=True)
    except MalformedError as e:
        raise TokenError(f"a token's claims are not what they should be ({e.code})") from None


def issuer(claims: Mapping[str, Any]) -> str:
    """Return who made the token, as it says; raises `TokenIssuerError` when it says nothing."""
    found = claims.get("iss")
    if not isinstance(found, str):
        raise TokenIssuerError("expected a token that names its issuer")
    return found


def check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Check that the token is for `audience` and for nobody else.

    Raises:
        TokenAudienceError: it is for another, for others too, or does not say for whom.
    """
    if claims.get("aud") not in (audience, [audience]):
        raise TokenAudienceError(f"expected a token for the audience {audience!r} alone")


def check_times(claims: Mapping[str, Any], now: float, lifetime_s: int) -> Times:
    """Check that the token has begun, has not ended, and lives for `lifetime_s` at most.

    Clocks may differ by `LEEWAY_S`. A token needs no "nbf", but must say when it was made: else
    nobody could say how long it lives.

    Raises:
        TokenTimeError: one of these is not so, or a time is missing, or is no whole number.
    """
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    begins = _time(claims, "nbf") if "nbf" in claims else issued_at
    if expires_at - issued_at > lifetime_s:
        raise TokenTimeError(
            f"expected a token of at most {lifetime_s} s, found {expires_at - issued_at} s",
            hint="ask for a shorter one, or set lifetime_s for its issuer",
        )
    if expires_at <= issued_at:
        raise TokenTimeError("expected a token that ends after it was made")
    if now >= expires_at + LEEWAY_S:
        raise TokenTimeError("the token has ended")
    if now < max(issued_at, begins) - LEEWAY_S:
        raise TokenTimeError(
            "the token has not begun", hint="is the clock of this machine, or the issuer's, right?"
        )
    return Times(issued_at, expires_at)


def token_id(claims: Mapping[str, Any]) -> str | None:
    """Return the issuer's name of the token, None without one.

    Raises:
        TokenClaimError: it is no short text.
    """
    if "jti" not in claims:
        return None
    found = claims["jti"]
    if not isinstance(found, str) or not 0 < len(found) <= _JTI:
        raise TokenClaimError(f"expected a 'jti' of 1 to {_JTI} characters")
    return found


def confirmation(claims: Mapping[str, Any]) -> str:
    """Return the thumbprint of the client certificate that the token is bound to, or "".

    Raises:
        TokenClaimError: it is bound to something that nobody here could check.

    Spec: RFC 8705 section 3.1.
    """
    if "cnf" not in claims:
        return ""
    found = claims["cnf"]
    if not isinstance(found, dict) or found.keys() != {"x5t#S256"}:
        raise TokenClaimError("expected a token that is bound to a certificate, or to nothing")
    thumbprint = found["x5t#S256"]
    if not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
        raise TokenClaimError("expected the SHA-256 thumbprint of a certificate in 'cnf'")
    return thumbprint


def as_text(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the claims that are text, whole numbers, true or false, as text by their names.

    What an object holds is named by its path: "kubernetes.io/namespace". Lists, fractions, null
    and what is longer than a binding could ask for are left out.

    Raises:
        TokenClaimError: two claims would have one name, there are too many or too deep, or one
            holds a control character.
    """
    found: dict[str, str] = {}
    _collect(claims, "", 0, found)
    return found


def _collect(claims: Mapping[str, Any], before: str, depth: int, found: dict[str, str]) -> None:
    if depth == _DEPTH:
        raise TokenClaimError(f"expected claims at most {_DEPTH} levels deep")
    for name, value in claims.items():
        path = before + name
        if isinstance(value, dict):
            _collect(value, path + "/", depth + 1, found)
            continue
        text = _text(value)
        if text is None or len(text) > _LONGEST:
            continue
        if path in found:
            raise TokenClaimError(f"two claims of a token are called {path[:80]!r}")
        try:
            found[plain(path)] = plain(text)
        except MalformedError:
            raise TokenClaimError("a claim of the token holds a control character") from None
        if len(found) > _MOST_CLAIMS:
            raise TokenClaimError(f"expected at most {_MOST_CLAIMS} claims in a token")


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else None


def _time(claims: Mapping[str, Any], name: str) -> int:
    found = claims.get(name)
    if type(found) is not int or not 0 <= found < _YEAR_9999:  # exactly: True is no time
        raise TokenTimeError(f"expected {name!r} of a token in whole seconds")
    return found
