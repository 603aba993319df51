"""The list in an OCI image layout: which manifests are there, and under which names.

    {"schemaVersion":2,"manifests":[
      {"mediaType":"…","digest":"sha256:…","size":428,
       "annotations":{"org.opencontainers.image.ref.name":"1.4"}}]}

A name is a tag, or a whole reference where images of several repositories lie together, as
in registry.example/team/app:1.4. Every field that others wrote is kept as it is.

Spec: OCI image-spec, image-layout.md, "index.json file".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import json_object
from verifier.digest import Digest
from verifier.errors import AmbiguousManifestError, LayoutError
from verifier.pull.errors import NoImageError
from verifier.pull.images import INDEX, Descriptor, Manifest

NAME = "org.opencontainers.image.ref.name"
_ACCESSORY = re.compile(r"sha256-[0-9a-f]{64}(?:\.[a-z]+)?", re.ASCII)
_MOST_TOLD = 10  # names in a message


class Change(NamedTuple):
    """One manifest that was put, or with `manifest` None what was deleted: a digest or a name."""

    manifest: Manifest | None
    name: str = ""


class LayoutIndex:
    """What index.json says; `apply` changes it."""

    def __init__(self, value: dict[str, Any], where: str) -> None:
        """Take a parsed index.json; `where` names it in messages.

        Raises:
            LayoutError: it lists no manifests.
        """
        rows = value.get("manifests")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise LayoutError(f"{where} lists no manifests")
        self._value, self._rows, self._where = value, rows, where

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """Read an index.json.

        Raises:
            MalformedError: it is none, or too large.
        """
        return cls(json_object(data, limit=limits.LAYOUT_INDEX, floats=True), where)

    @classmethod
    def empty(cls, where: str) -> Self:
        """Return the index of a new layout."""
        return cls({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, where)

    def json(self) -> bytes:
        """Render it."""
        value = {**self._value, "manifests": self._rows}
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def ordered(self) -> Self:
        """Return the same in an order that does not tell in which it was put there."""
        rows = sorted(self._rows, key=lambda row: (_name(row), str(row.get("digest"))))
        return type(self)({**self._value, "manifests": rows}, self._where)

    def names(self) -> Iterator[str]:
        """Yield every name, each once."""
        yield from dict.fromkeys(name for name in map(_name, self._rows) if name)

    def rows(self) -> Iterator[Descriptor]:
        """Yield what is listed, in order; a manifest may be there under several names."""
        for n, row in enumerate(self._rows):
            yield Descriptor.parse(row, f"{self._where}.manifests[{n}]")

    def named(self, name: str) -> Descriptor:
        """Return what is listed under `name`.

        Raises:
            NoImageError: nothing is.
            AmbiguousManifestError: several manifests are.
        """
        found = [row for row in self._rows if _name(row) == name]
        if not found:
            known = ", ".join(sorted(self.names())[:_MOST_TOLD]) or "none"
            raise NoImageError(f"expected an image tagged {name!r}, the tags are: {known}")
        first, *others = (Descriptor.parse(row, self._where) for row in found)
        if any(one.digest != first.digest for one in others):
            raise AmbiguousManifestError(f"{len(found)} images are tagged {name!r}")
        return first

    def digest(self, digest: Digest) -> Descriptor | None:
        """Return how `digest` is listed, if it is.

        Raises:
            AmbiguousManifestError: it is, with two sizes or media types.
        """
        found = [
            Descriptor.parse(row, self._where) for row in self._rows if row.get("digest") == digest
        ]
        if len({(one.media_type, one.size) for one in found}) > 1:
            raise AmbiguousManifestError(f"{digest} is listed with two sizes or media types")
        return found[0] if found else None

    def candidates(self) -> list[Descriptor]:
        """Return what may be images: everything but signatures by their tags, each once."""
        found: dict[str, Descriptor] = {}
        for row, one in zip(self._rows, self.rows(), strict=True):
            if not is_accessory(_name(row)):
                found.setdefault(one.digest, one)
        return list(found.values())

    def apply(self, change: Change) -> None:
        """Put a manifest on the list, or take something off it."""
        if change.manifest is None:
            self._drop(change.name)
        else:
            self._put(change.manifest, change.name)

    def _put(self, manifest: Manifest, name: str) -> None:
        digest = manifest.descriptor.digest
        known = [row for row in self._rows if row.get("digest") == digest]
        if not name:
            if not known:
                self._rows.append(_row(manifest, ""))
        elif not any(_name(row) == name for row in known):
            self._untag(name)
            plain = next((row for row in known if not _name(row)), None)
            if plain is not None:  # as it was, and named now
                plain["annotations"] = {**(plain.get("annotations") or {}), NAME: name}
            else:
                self._rows.append(_row(manifest, name))
        # What is found under an index need not be listed beside it.
        under = {child.digest for child in manifest.children}
        self._rows = [row for row in self._rows if row.get("digest") not in under or _kept(row)]

    def _drop(self, reference: str) -> None:
        if any(row.get("digest") == reference for row in self._rows):
            self._rows = [row for row in self._rows if row.get("digest") != reference]
        else:
            self._untag(reference)

    def _untag(self, name: str) -> None:
        """Take a name off; what refers to something stays, since nothing else leads to it."""
        self._rows = [row for row in self._rows if _name(row) != name or row.get("artifactType")]
        for row in self._rows:
            if _name(row) == name:
                del row["annotations"][NAME]


def is_accessory(name: str) -> bool:
    """Whether a name is one of those under which signatures of others are kept."""
    return _ACCESSORY.fullmatch(name.rpartition(":")[2]) is not None


def _kept(row: dict[str, Any]) -> bool:
    return bool(_name(row) or row.get("artifactType"))


def _name(row: dict[str, Any]) -> str:
    annotations = row.get("annotations")
    name = annotations.get(NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""


def _row(manifest: Manifest, name: str) -> dict[str, Any]:
    """Describe a manifest; the type of an artifact with a subject is what keeps it listed."""
    kind = manifest.kind if manifest.subject is not None else ""
    said = manifest.descriptor._replace(
        artifact_type=kind, annotations={NAME: name} if name else {}
    )
    return said.json()
