"""One repository of several whose images lie in one layout or archive.

There a tag is a whole reference, registry.example/team/app:1.4, so that two repositories can
have the same tag, and signatures under sha256-<hex>.sig each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from verifier.digest import Digest
from verifier.pull.images import Descriptor, Images, Manifest, Written


class Named:
    """The images of `repository` in a place with others, as `Images`."""

    def __init__(self, images: Images, repository: str) -> None:
        """Look at `images`, whose tags start with `repository` and a colon."""
        self._images, self._prefix = images, f"{repository}:"

    @property
    def name(self) -> str:
        """How a person would write it."""
        return f"{self._images.name}:{self._prefix[:-1]}"

    def resolve(self, reference: str) -> Descriptor:
        """Return what a tag or digest is now."""
        return self._images.resolve(self._full(reference))

    def manifest(self, reference: str) -> Manifest:
        """Return a manifest by tag or digest."""
        return self._images.manifest(self._full(reference))

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in pieces."""
        return self._images.blob(descriptor)

    def small_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return a blob of at most `limit` bytes."""
        return self._images.small_blob(descriptor, limit)

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there."""
        return self._images.has_blob(digest)

    def put_blob(self, descriptor: Descriptor, pieces: Iterable[bytes]) -> None:
        """Put a blob there."""
        self._images.put_blob(descriptor, pieces)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """Put a manifest there, under its digest or also under a tag."""
        return self._images.put_manifest(content, media_type, tag and self._full(tag))

    def tags(self) -> Iterator[str]:
        """Yield every tag of the repository."""
        for name in self._images.tags():
            if name.startswith(self._prefix):
                yield name.removeprefix(self._prefix)

    def referrers(self, subject: Digest) -> Sequence[Descriptor] | None:
        """Return what refers to `subject`: by digest, and so in whatever repository."""
        return self._images.referrers(subject)

    def delete(self, reference: str) -> None:
        """Delete a manifest by digest, or a tag alone."""
        self._images.delete(self._full(reference))

    def close(self) -> None:
        """Leave it open: whoever opened the whole closes it."""

    def _full(self, reference: str) -> str:
        return reference if reference.startswith("sha256:") else f"{self._prefix}{reference}"
