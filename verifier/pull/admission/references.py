"""What an image's name in a pod means: as Kubernetes and containerd read it.

    web                          docker.io/library/web:latest
    team/web:1.4                 docker.io/team/web:1.4
    registry.example/web@sha256:…

What stands before the first slash is a host if it has a dot or a port, or is localhost. Upper
case is refused, also in hosts, where some runtimes take it: a repository has one spelling.

Spec: distribution/reference, `ParseNormalizedNamed`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier import limits
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.admission.errors import ImageNameError
from verifier.pull.place import RegistryPlace, registry_place

_HUB = "docker.io"
_HUB_ALIAS = "index.docker.io"
_LATEST = "latest"
_HINT = "as in registry.example:5000/team/web:1.4 or registry.example/web@sha256:…, in lower case"
_IDENTIFIER = re.compile(r"[a-f0-9]{64}", re.ASCII)
_LONGEST = limits.REPOSITORY + limits.TAG + 128


class Reference(NamedTuple):
    """An image's name, read: `tag` is there unless it is named by digest alone."""

    place: RegistryPlace

    @property
    def digest(self) -> Digest | None:
        """The digest that it is named by: then a tag beside it means nothing."""
        return self.place.digest

    def pinned(self, digest: Digest) -> str:
        """Return the name of what `digest` is in this repository, as every runtime reads it.

        Without the tag: `name:tag@digest` is refused by skopeo, and by CRI-O 1.31.0 where it
        checks signatures. With the host, even where it was left out: a runtime may be set to
        look for short names elsewhere.
        """
        return str(self.place._replace(tag="", digest=digest))


def parse_reference(image: str) -> Reference:
    """Read an image's name.

    Raises:
        ImageNameError: it is none, has a digest other than SHA-256, or upper case.
    """
    if not image:
        raise ImageNameError("expected an image's name, found none")
    if len(image) > _LONGEST:
        raise ImageNameError(f"expected at most {_LONGEST} characters, found {len(image)}")
    if _IDENTIFIER.fullmatch(image):
        raise ImageNameError("expected an image's name, found 64 hexadecimal digits")
    first, slash, rest = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if is_host or (slash and first != first.lower()) else (_HUB, image)
    if host == _HUB_ALIAS:
        host = _HUB
    if host == _HUB and "/" not in path:
        path = f"library/{path}"
    try:
        place = registry_place(f"{host}/{path}")
    except VerificationError as e:
        raise ImageNameError(e.message, hint=_HINT) from e
    if not place.tag and place.digest is None:
        place = place._replace(tag=_LATEST)
    return Reference(place)
