"""A repository whose tags are known: what is not among them is not asked for.

Looking for the signatures of a digest means asking for four tags, of which most images have
none. The list of all tags answers that in one request for the whole repository. And a registry
that keeps no list of referrers is asked for one once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from verifier.digest import Digest
from verifier.pull.errors import NoImageError
from verifier.pull.images import Descriptor, Images, Manifest, Written

_ABOUT = re.compile(r"sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)


def subject_of(tag: str) -> Digest | None:
    """Return what a tag is about by its name, as signatures' tags are; None: it names an image."""
    match = _ABOUT.fullmatch(tag)
    return Digest(f"sha256:{match[1]}") if match else None


def is_tag(text: str) -> bool:
    """Whether a registry could have taken this as a tag; some list what they would not."""
    return _TAG.fullmatch(text) is not None


class Tagged:
    """`images`, which has `tags` and no other. Safe in many threads."""

    def __init__(self, images: Images, tags: Collection[str]) -> None:
        """Take the tags as they were listed."""
        self._images = images
        self._tags = frozenset(tags)
        self._has_list = True

    @property
    def name(self) -> str:
        """How a person would write it."""
        return self._images.name

    def resolve(self, reference: str) -> Descriptor:
        """Return what a tag or digest is now."""
        return self._images.resolve(self._known(reference))

    def manifest(self, reference: str) -> Manifest:
        """Return a manifest by tag or digest; raises `NoImageError` at once for other tags."""
        return self._images.manifest(self._known(reference))

    def referrers(self, subject: Digest) -> Sequence[Descriptor] | None:
        """Return what the place lists as referring to `subject`; None: it keeps no such list."""
        found = self._images.referrers(subject) if self._has_list else None
        self._has_list = found is not None
        return found

    def tags(self) -> Iterator[str]:
        """Yield every tag."""
        yield from self._tags

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
        """Put a manifest there; its tag is not known here."""
        return self._images.put_manifest(content, media_type, tag)

    def delete(self, reference: str) -> None:
        """Delete a manifest, or a tag alone."""
        self._images.delete(reference)

    def close(self) -> None:
        """Let go of files and connections."""
        self._images.close()

    def _known(self, reference: str) -> str:
        if ":" not in reference and reference not in self._tags:
            raise NoImageError(f"there is no tag {reference} in {self.name}")
        return reference
