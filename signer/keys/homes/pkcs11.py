"""`pkcs11:…`: a key in a token, that is an HSM, a smart card, or SoftHSM (RFC 7512).

What a URI says is in `signer.keys.token.uri`, and how a token is asked in its neighbours.
"""

from __future__ import annotations

from pathlib import Path

from signer.keys.home import Role
from signer.keys.token import key
from signer.keys.token.key import TokenKey
from signer.keys.token.uri import TokenUri


def open_key(rest: str, role: Role, base: Path) -> TokenKey:  # noqa: ARG001
    """Open the key that a URI names; raises like `TokenKey`."""
    return key.open_key(TokenUri.parse(rest), base)


def beside(rest: str, name: str, version: int) -> str:
    """Return the URI of a key in the same token, labelled with its version."""
    path, _, query = rest.partition("?")
    where = [part for part in path.split(";") if not part.startswith(("id=", "object=", "type="))]
    how = [part for part in query.split("&") if not part.startswith("public-key=")]
    return f"{';'.join([*where, f'object={name}-{version}'])}?{'&'.join(how)}"


def create_key(rest: str, role: Role, base: Path, algorithm: str) -> TokenKey:
    """Make a key in a token, labelled as the URI says or else as its role; raises likewise."""
    return key.create_key(TokenUri.parse(rest), role, base, algorithm)
