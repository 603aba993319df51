"""What a JSON Web Token has to look like before anything in it is believed (RFC 7515, 7519).

    eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ . eyJpc3MiOiJodHRwczovL2MiLCJhdWQiOiJzIn0 . c2ln
    header {"alg":"RS256","kid":"a"}     claims {"iss":"https://c","aud":"s"}       signature

Three parts of base64url without padding, each in its one spelling, of bounded size; JSON without
repeated keys. A header says which algorithm and which key, and nothing else that anybody would
have to obey: where keys are and what must be understood is never the token's to say.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import Any

from signer.errors import TokenAlgorithmError, TokenError, TokenKeyError
from verifier._strict import json_object, plain
from verifier.errors import MalformedError

TOKEN_BYTES = 16 * 1024
HEADER_BYTES = 4 * 1024
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519"),  # one and the same, before and since RFC 9864
)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_KEY_ID = 256  # characters
# Thumbprints of a certificate, which GitHub sends: they point nowhere, and are not looked at.
_KNOWN = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
_SECTIONS = 3


@dataclass(frozen=True, slots=True)
class Parsed:
    """A token that can be read. Nothing in it is trusted yet.

    `payload` is meant to be JSON, and was not looked at. `signed` is what the signature is over:
    the same for every signature of one token.
    """

    algorithm: str
    key_id: str
    payload: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    text: str = field(repr=False)


def parse(token: str) -> Parsed:
    """Read a compact token.

    Raises:
        TokenAlgorithmError: its algorithm is none of `ALGORITHMS`.
        TokenKeyError: it names no key.
        TokenError: it has another shape.
    """
    # The size comes before all else: splitting and decoding cost as much as there is.
    if len(token) > TOKEN_BYTES:
        raise TokenError(f"expected a token of at most {TOKEN_BYTES} characters")
    if token.count(".") != _SECTIONS - 1:
        raise TokenError(f"expected three parts in a token, found {token.count('.') + 1}")
    header_part, payload_part, signature = token.split(".")
    if len(header_part) > HEADER_BYTES:
        raise TokenError(f"expected a token's header of at most {HEADER_BYTES} characters")
    try:
        header = json_object(base64url(header_part), limit=HEADER_BYTES)
        payload = base64url(payload_part)
        base64url(signature)
    except MalformedError as e:
        raise TokenError(f"a part of the token is not what it should be ({e.code})") from None
    algorithm, key_id = _obeyed(header)
    return Parsed(algorithm, key_id, payload, f"{header_part}.{payload_part}".encode(), token)


def base64url(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2), canonical form only, not empty.

    Raises:
        MalformedError: `text` is anything else.
    """
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise MalformedError("expected base64url without padding")
    standard = text.replace("-", "+").replace("_", "/")
    raw = binascii.a2b_base64(standard + "=" * (-len(text) % 4))
    # The last character has bits that no byte takes: another one there would decode to the same.
    if binascii.b2a_base64(raw, newline=False).decode("ascii").rstrip("=") != standard:
        raise MalformedError("expected canonical base64url")
    return raw


def _obeyed(header: dict[str, Any]) -> tuple[str, str]:
    """Return the algorithm and the id of the key."""
    unknown = header.keys() - _KNOWN
    if unknown:
        raise TokenError(f"expected no {min(unknown)[:40]!r} in a token's header")
    for thumbprint in ("x5t", "x5t#S256"):
        if not isinstance(header.get(thumbprint, ""), str):
            raise TokenError(f"expected {thumbprint} in a token's header to be text")
    if header.get("typ", "JWT") != "JWT":
        raise TokenError("expected a token of the type JWT")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenAlgorithmError(f"expected a token signed by one of {', '.join(ALGORITHMS)}")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= _KEY_ID:
        raise TokenKeyError(f"expected a token that names its key in 1 to {_KEY_ID} characters")
    try:
        plain(key_id)
    except MalformedError:
        raise TokenKeyError("expected no control character in the name of a key") from None
    return algorithm, key_id
