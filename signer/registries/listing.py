"""Which images one repository has: by tag, under an index, or by the name of a signature's tag."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from signer.registries.tagged import is_tag, subject_of
from verifier.digest import Digest
from verifier.errors import MalformedError, VerificationError
from verifier.pull.errors import NoImageError
from verifier.pull.images import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Images, Manifest

IMAGE, INDEX, CHILD = "image", "index", "child"
WINDOW = 256  # manifests of one repository under way
# What buildx puts beside the platforms of an index: nobody runs it, so nobody has to sign it.
_NO_IMAGE = ("vnd.docker.reference.type", "attestation-manifest")
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(slots=True)
class Seen:
    """An image, before it is known what signs it; a child has the index it is under."""

    kind: str
    tags: list[str] = field(default_factory=list)
    parent: Digest | None = None


class Unread(NamedTuple):
    """A tag or digest that there is, and that could not be read."""

    reference: str
    error: VerificationError


class Listing:
    """Reads the images of a repository, many at a time; `images` and `unread` are what it found."""

    def __init__(self, pool: ThreadPoolExecutor, source: Images) -> None:
        """Read from `source`, in the threads of `pool`."""
        self._pool = pool
        self._source = source
        self._nested: deque[Digest] = deque()
        self.images: dict[Digest, Seen] = {}
        self.unread: list[Unread] = []

    def read(self, tags: Sequence[str]) -> None:
        """Find all images that `tags`, which are all that there are, lead to."""
        named = [tag for tag in tags if is_tag(tag) and subject_of(tag) is None]
        for tag in tags:
            if not is_tag(tag):
                self.unread.append(Unread(ascii(tag)[:80], MalformedError("expected a tag")))
        for tag, found in zip(named, self._manifests(named), strict=True):
            if isinstance(found, Manifest):
                self._take(found).tags.append(tag)
            else:
                self.unread.append(Unread(tag, found))
        self._read_nested()
        about = {subject_of(tag) for tag in tags if is_tag(tag)} - {None, *self.images}
        lone = sorted(one for one in about if one)
        for digest, found in zip(lone, self._manifests(lone), strict=True):
            if isinstance(found, Manifest):
                self._take(found)
            elif not isinstance(found, NoImageError):  # then signatures outlived their image
                self.unread.append(Unread(digest, found))
        self._read_nested()

    def _take(self, found: Manifest) -> Seen:
        digest = found.descriptor.digest
        one = self.images.setdefault(digest, Seen(INDEX if found.is_index else IMAGE))
        if one.kind == CHILD:  # it was under an index, and has a name of its own, too
            one.kind, one.parent = INDEX if found.is_index else IMAGE, None
        for child in found.children:
            self._take_child(child, digest)
        return one

    def _take_child(self, child: Descriptor, parent: Digest) -> None:
        """Take note of a child, which its index describes; only an index in it has to be read."""
        nests = child.media_type in INDEX_TYPES
        if _NO_IMAGE in child.annotations.items() or child.digest in self.images:
            return
        if nests or child.media_type in MANIFEST_TYPES:
            self.images[child.digest] = Seen(CHILD, parent=parent)
            if nests:
                self._nested.append(child.digest)

    def _read_nested(self) -> None:
        while self._nested:
            digests = [self._nested.popleft() for _ in range(len(self._nested))]
            for digest, found in zip(digests, self._manifests(digests), strict=True):
                if isinstance(found, Manifest):
                    for child in found.children:
                        self._take_child(child, digest)
                else:
                    del self.images[digest]
                    self.unread.append(Unread(digest, found))

    def _manifests(self, references: Sequence[str]) -> Iterator[Manifest | VerificationError]:
        def read(reference: str) -> Manifest | VerificationError:
            try:
                return self._source.manifest(reference)
            except VerificationError as e:
                return e

        return windowed(self._pool, read, references)


def windowed(
    pool: ThreadPoolExecutor, act: Callable[[_T], _R], items: Iterable[_T]
) -> Iterator[_R]:
    """Yield what `act` makes of each item, in their order, with a bounded number under way."""
    under_way: deque[Future[_R]] = deque()
    for item in items:
        under_way.append(pool.submit(act, item))
        if len(under_way) > WINDOW:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
