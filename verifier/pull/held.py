"""What a layout and an archive have in common: content by digest, and one list of manifests.

manifest   by name, by digest, or with "" the only image that is there
referrers  what is listed and says, in its own bytes, that it refers to a digest
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from verifier import limits
from verifier._strict import json_object
from verifier.digest import Digest
from verifier.errors import (
    AmbiguousManifestError,
    LayoutError,
    LimitError,
    MalformedError,
    VerificationError,
)
from verifier.pull.errors import NoImageError, WrongContentError
from verifier.pull.images import (
    IMAGE,
    INDEX,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Manifest,
)
from verifier.pull.layout_index import NAME, LayoutIndex, is_accessory

PIECE = 1 << 20  # bytes that are read at once
VERSION = b'{"imageLayoutVersion":"1.0.0"}'
_MOST_VERSION = 4096


class Store(Protocol):
    """Where the bytes are. Nothing that it gives is checked yet."""

    def index(self) -> LayoutIndex:
        """Return index.json as it is now."""

    def size(self, digest: Digest) -> int | None:
        """Return how large a blob is; None: it is not there."""

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        """Yield what lies under `digest`; raises `NoImageError`."""


class Held:
    """The reading half of `Images`, over a `Store`."""

    def __init__(self, store: Store, name: str) -> None:
        """Read `store`, which people call `name`."""
        self._store, self._name = store, name
        self._referring: dict[Digest, Manifest | None] = {}  # of what is listed; never changes

    @property
    def name(self) -> str:
        """How a person would write it: oci:DIR or oci-archive:FILE."""
        return self._name

    def resolve(self, reference: str) -> Descriptor:
        """Return what a name or digest is; of "" the only image.

        Raises:
            NoImageError: there is none, or there are several and none was named.
        """
        index = self._store.index()
        if reference.startswith("sha256:"):
            digest = Digest(reference)
            listed = index.digest(digest) or self._described(digest)
        else:
            listed = index.named(reference) if reference else self._only(index)
        return listed._replace(artifact_type="", annotations={})

    def manifest(self, reference: str) -> Manifest:
        """Return a manifest by name or digest; its bytes match its digest and size."""
        listed = self.resolve(reference)
        content = self.small_blob(listed, limits.MANIFEST)
        return Manifest.parse(content, listed.media_type)

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in pieces; raises after the last if they were not what was described."""
        size = self._store.size(descriptor.digest)
        if size is not None and size != descriptor.size:
            raise _wrong_size(descriptor, size)
        yield from checked(descriptor, self._store.pieces(descriptor.digest))

    def small_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return a blob of at most `limit` bytes."""
        size = self._store.size(descriptor.digest)
        if max(descriptor.size, size or 0) > limit and size is not None:
            if size > limit:
                raise LimitError(f"expected at most {limit} bytes in {descriptor.digest}")
            raise _wrong_size(descriptor, size)
        return b"".join(self.blob(descriptor))

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there."""
        return self._store.size(digest) is not None

    def tags(self) -> Iterator[str]:
        """Yield every name."""
        yield from self._store.index().names()

    def roots(self) -> Iterator[tuple[str, Descriptor]]:
        """Yield every image with its name: what is listed and is no signature of something.

        Raises:
            LayoutError: something is listed that is not there, or cannot be read.
        """
        index = self._store.index()
        yield from ((name, index.named(name)) for name in index.names() if not is_accessory(name))
        for one in index.rows():
            if NAME not in one.annotations and self._refers(one) is None:
                yield "", one

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """Return what is listed here and refers to `subject`; never None.

        Raises:
            LayoutError: something is listed that is not there, or cannot be read.
        """
        found: dict[Digest, Descriptor] = {}
        for listed in self._store.index().rows():
            manifest = self._refers(listed)
            about = manifest.subject if manifest is not None else None
            if manifest is not None and about is not None and about.digest == subject:
                found[listed.digest] = manifest.descriptor._replace(
                    artifact_type=manifest.kind, annotations=manifest.annotations
                )
        return list(found.values())

    def _refers(self, listed: Descriptor) -> Manifest | None:
        """Return what is listed, if it refers to something."""
        digest = listed.digest
        if digest not in self._referring:
            kept = None
            if listed.media_type in (*MANIFEST_TYPES, *INDEX_TYPES):
                try:
                    manifest = self.manifest(digest)
                except VerificationError as e:
                    raise LayoutError(f"{digest} is listed: {e.message} ({e.code})") from e
                if manifest.subject is not None:
                    kept = manifest._replace(content=b"")
            self._referring[digest] = kept
        return self._referring[digest]

    def _only(self, index: LayoutIndex) -> Descriptor:
        found = index.candidates()
        if len(found) > 1:  # only then is it worth reading them
            found = [one for one in found if self._refers(one) is None]
        if len(found) != 1:
            known = ", ".join(sorted(index.names())[:10]) or "none"
            raise NoImageError(
                f"expected exactly one image in {self._name}, found {len(found)} (tags: {known})",
                hint="name one, as in oci:DIR:TAG",
            )
        return found[0]

    def _described(self, digest: Digest) -> Descriptor:
        """Describe a manifest that is not listed, as a child of an index, by its own bytes."""
        size = self._store.size(digest)
        if size is None:
            raise NoImageError(f"there is no {digest} in {self._name}")
        guess = Descriptor("", digest, size)
        content = self.small_blob(guess, limits.MANIFEST)
        value = json_object(content, limit=limits.MANIFEST, floats=True)
        said = value.get("mediaType", INDEX if "manifests" in value else IMAGE)
        if said not in (*MANIFEST_TYPES, *INDEX_TYPES):
            raise AmbiguousManifestError(f"manifest {digest} says that it is {str(said)[:80]!r}")
        return guess._replace(media_type=said)


def check_version(data: bytes, where: str) -> None:
    """Check what a file oci-layout says; raises `LayoutError`."""
    try:
        found = json_object(data, limit=_MOST_VERSION).get("imageLayoutVersion")
    except MalformedError as e:
        raise LayoutError(f"{where}/oci-layout: {e.message}") from e
    if found != "1.0.0":
        raise LayoutError(f"expected an image layout of version 1.0.0, found {str(found)[:40]!r}")


def checked(descriptor: Descriptor, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `pieces` of what is to be kept; raises in their place when they are something else.

    Raises:
        WrongContentError: they are not what `descriptor` says, by size or digest.
    """
    seen, hashed = 0, hashlib.sha256()
    for piece in pieces:
        seen += len(piece)
        if seen > descriptor.size:
            raise _wrong_size(descriptor, seen)
        hashed.update(piece)
        yield piece
    if seen != descriptor.size or hashed.hexdigest() != descriptor.digest.hex:
        raise WrongContentError(
            f"expected {descriptor.digest} of {descriptor.size} bytes, "
            f"found sha256:{hashed.hexdigest()} of {seen}"
        )


def _wrong_size(descriptor: Descriptor, found: int) -> WrongContentError:
    return WrongContentError(
        f"expected {descriptor.size} bytes of {descriptor.digest}, found {found}"
    )
