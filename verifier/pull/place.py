"""How people name images: in a registry, in a layout, or in an archive.

registry.example:5000/team/app:1.4     by tag, which may be another image tomorrow
registry.example/team/app@sha256:…     by digest; a tag before it is a comment
oci:DIR[:TAG]                          an OCI image layout, a directory
oci-archive:FILE[:TAG]                 the same in one tar file

In a layout or archive with images of several repositories, TAG is the whole reference, as in
oci-archive:FILE:registry.example/team/app:1.4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.digest import Digest
from verifier.errors import DigestError, RepositoryError
from verifier.pull.errors import PlaceError
from verifier.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path  # which costs 5 ms, and a registry's place needs none

LAYOUT, ARCHIVE = "oci:", "oci-archive:"
_TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{limits.TAG - 1}}}", re.ASCII)


class RegistryPlace(NamedTuple):
    """A repository in a registry, and what is meant in it: a tag, a digest, or nothing yet."""

    repository: Repository
    tag: str = ""
    digest: Digest | None = None

    @property
    def reference(self) -> str:
        """What to ask for: the digest before the tag, which was a comment then."""
        return self.digest or self.tag

    def __str__(self) -> str:
        """Write it as it is read."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


class FilePlace(NamedTuple):
    """A layout, or with `archive` one tar file, and which image of it: by name, or the only one."""

    path: Path
    tag: str = ""
    archive: bool = False

    @property
    def reference(self) -> str:
        """What to ask for."""
        return self.tag

    def __str__(self) -> str:
        """Write it as it is read."""
        kind = ARCHIVE if self.archive else LAYOUT
        return f"{kind}{self.path}" + (f":{self.tag}" if self.tag else "")


Place = RegistryPlace | FilePlace


def parse_place(text: str) -> Place:
    """Read what somebody typed.

    Raises:
        PlaceError: it names none of the three.
    """
    for kind in (ARCHIVE, LAYOUT):
        if text.startswith(kind):
            return _file(text.removeprefix(kind), archive=kind == ARCHIVE)
    return registry_place(text)


def registry_place(text: str) -> RegistryPlace:
    """Read `host[:port]/path[:tag][@digest]`.

    Raises:
        PlaceError: it is something else.
        DigestError: what follows the "@" is no digest.
    """
    named, at, digest = text.partition("@")
    head, slash, last = named.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise PlaceError(f"expected a tag, found {tag[:80]!r}")
    try:
        repository = Repository(f"{head}{slash}{last}")
    except RepositoryError as e:
        raise PlaceError(e.message, hint=e.hint or PlaceError.hint) from e
    return RegistryPlace(repository, tag, Digest(digest) if at else None)


def _file(rest: str, *, archive: bool) -> FilePlace:
    """Read a path, and perhaps a name in it; a path that is there wins over a name."""
    from pathlib import Path

    cuts = [at for at, sign in enumerate(rest) if sign == ":" and at and _is_name(rest[at + 1 :])]
    there = [at for at in cuts if Path(rest[:at]).exists()]
    if Path(rest).exists() or not cuts:
        head, name = rest, ""
    else:
        at = there[-1] if there else cuts[0]
        head, name = rest[:at], rest[at + 1 :]
    if not head:
        raise PlaceError("expected a path, found none")
    return FilePlace(Path(head), name, archive)


def _is_name(text: str) -> bool:
    """Whether `text` names an image in a layout: by a tag, or by a whole reference."""
    if _TAG.fullmatch(text):
        return True
    try:
        return bool(registry_place(text).tag)
    except (PlaceError, DigestError):
        return False
