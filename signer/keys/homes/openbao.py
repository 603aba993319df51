"""`openbao://SERVER/MOUNT/keys/NAME?…`: a key in OpenBao's or HashiCorp Vault's transit engine.

It never leaves the server, which signs hashes (with Ed25519: whole messages). What the URI
says, and how we log in, is in `signer.keys.transit`.
"""

from __future__ import annotations

import re
from pathlib import Path

from signer.keys.home import Role
from signer.keys.transit import key
from signer.keys.transit.place import Place

_PINNED = re.compile(r"version=[1-9][0-9]{0,8}", re.ASCII)


def open_key(rest: str, role: Role, base: Path) -> key.TransitKey:  # noqa: ARG001  the engine knows no roles
    """Open a key.

    Raises:
        KeyHomeError: it cannot be used, must not be, or is not there.
        KeyUnavailableError: the server does not answer.
    """
    return key.open_key(Place.parse(rest), base)


def beside(rest: str, name: str, version: int) -> str:  # noqa: ARG001  the engine counts its own
    """Return the URI of the version after the one that `rest` pins."""
    place, _, query = rest.partition("?")
    parts = query.split("&")
    pinned = [part for part in parts if _PINNED.fullmatch(part)]
    if len(pinned) != 1:
        return ""
    after = f"version={int(pinned[0].partition('=')[2]) + 1}"
    return f"{place}?{'&'.join(after if part == pinned[0] else part for part in parts)}"


def create_key(rest: str, role: Role, base: Path, algorithm: str) -> key.TransitKey:  # noqa: ARG001
    """Make a key, or with `version=N` the next version of one, and open it; raises alike."""
    return key.create_key(Place.parse(rest), base, algorithm)
