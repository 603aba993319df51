"""The homes of keys, each a module that is imported when its scheme is used.

file      a file of this machine, encrypted or not
pkcs11    a token: an HSM, a smart card, SoftHSM
openbao   OpenBao's or Vault's transit engine
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from signer.errors import KeyLibraryError, KeyUriError
from signer.keys.home import Home


def schemes() -> list[str]:
    """Return the schemes of all homes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def home_of(uri: str) -> tuple[Home, str]:
    """Return the home of the key that `uri` names, and what is behind the scheme.

    Raises:
        KeyUriError: there is no such home.
        KeyLibraryError: what the home needs is not installed.
    """
    scheme, colon, rest = uri.partition(":")
    known = schemes()
    if scheme not in known or not rest:
        wanted = ", ".join(f"{scheme}:" for scheme in known)
        # What is behind the scheme is not shown: somebody may have written a PIN there.
        found = f"{scheme[:40]!r}" if colon else "none"
        raise KeyUriError(f"expected a key URI with one of {wanted}, found {found}")
    try:
        return cast("Home", importlib.import_module(f"{__name__}.{scheme}")), rest
    except ModuleNotFoundError as e:
        raise KeyLibraryError(
            f"keys in {scheme}: need {e.name}", hint=f"pip install 'sealbook[{scheme}]'"
        ) from e
