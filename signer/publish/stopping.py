"""Stopping in the middle: the service goes down in seconds, whatever a registry takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from verifier.digest import Digest
from verifier.pull.errors import ImagesError
from verifier.pull.images import Descriptor, Images, Manifest, Written


class StoppedError(ImagesError):
    """The service goes down; what was under way is tried again after the next start."""

    code = "stopping"


class Stopping:
    """Says to whoever writes to registries that it is time to stop."""

    def __init__(self) -> None:
        """Begin with nobody told."""
        self.told = False

    def tell(self) -> None:
        """Let every further call to a registry fail."""
        self.told = True

    def guard(self, images: Images) -> Stoppable:
        """Return `images` as whoever must stop in time uses them."""
        return Stoppable(images, self)


class Stoppable:
    """One repository, of which nothing is asked any more once it is time to stop."""

    def __init__(self, images: Images, stopping: Stopping) -> None:
        """Ask `images`, unless it is time to stop."""
        self._images = images
        self._stopping = stopping

    @property
    def name(self) -> str:
        """As the images' own."""
        return self._images.name

    def resolve(self, reference: str) -> Descriptor:
        """As the images' own, or `StoppedError`; so are the others."""
        return self._now.resolve(reference)

    def manifest(self, reference: str) -> Manifest:
        """See `resolve`."""
        return self._now.manifest(reference)

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """See `resolve`."""
        return self._now.blob(descriptor)

    def small_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `resolve`."""
        return self._now.small_blob(descriptor, limit)

    def has_blob(self, digest: Digest) -> bool:
        """See `resolve`."""
        return self._now.has_blob(digest)

    def put_blob(self, descriptor: Descriptor, pieces: Iterable[bytes]) -> None:
        """See `resolve`."""
        self._now.put_blob(descriptor, pieces)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """See `resolve`."""
        return self._now.put_manifest(content, media_type, tag)

    def tags(self) -> Iterator[str]:
        """See `resolve`."""
        return self._now.tags()

    def referrers(self, subject: Digest) -> Sequence[Descriptor] | None:
        """See `resolve`."""
        return self._now.referrers(subject)

    def delete(self, reference: str) -> None:
        """See `resolve`."""
        self._now.delete(reference)

    def close(self) -> None:
        """Close the images' own."""
        self._images.close()

    @property
    def _now(self) -> Images:
        if self._stopping.told:
            raise StoppedError("the service goes down")
        return self._images
