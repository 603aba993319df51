"""The trusted roots of Sigstore's own services, as PyPI's sigstore ships them: files, offline.

The package is not imported for that, only found; a root from there is as new as the package.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from verifier.errors import MissingExtraError

_PRODUCTION = "https://tuf-repo-cdn.sigstore.dev"
_STAGING = "https://tuf-repo-cdn.sigstage.dev"


def bundled_root(*, staging: bool = False) -> bytes:
    """Return the `trusted_root.json` of Sigstore's production service, or of its staging.

    Raises:
        MissingExtraError: the package is not installed, or has none.
    """
    spec = find_spec("sigstore")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        service = quote(_STAGING if staging else _PRODUCTION, safe="")
        path = Path(place) / "_store" / service / "trusted_root.json"
        if path.is_file():
            return path.read_bytes()
    raise MissingExtraError(
        "Sigstore's own trusted root comes with its library, which is not installed",
        hint="name one with --trusted-root, or: pip install 'sealbook[keyless]'",
    )
