"""`openbao://SERVER/MOUNT/keys/NAME?…`: a key in OpenBao's or HashiCorp Vault's transit engine.

It never leaves the server, which signs hashes (with Ed25519: whole messages). What the URI
says, and how we log in, is in `signer.keys.transit`.
"""

from __future__ import annotations

from pathlib import Path

from signer.keys.home import Role
from signer.keys.transit import key
from signer.keys.transit.place import Place


def open_key(rest: str, role: Role, base: Path) -> key.TransitKey:  # noqa: ARG001  the engine knows no roles
    """Open a key.

    Raises:
        KeyHomeError: it cannot be used, must not be, or is not there.
        KeyUnavailableError: the server does not answer.
    """
    return key.open_key(Place.parse(rest), base)


def create_key(rest: str, role: Role, base: Path, algorithm: str) -> key.TransitKey:  # noqa: ARG001
    """Make a key, or with `version=N` the next version of one, and open it; raises alike."""
    return key.create_key(Place.parse(rest), base, algorithm)
