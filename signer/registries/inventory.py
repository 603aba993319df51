"""What is signed in a registry, image by image.

    repository                   what a registry's catalog, or somebody, names
      tag                        an image or an index; the tags of one digest are one row
        child                    a manifest of an index: a platform, which some runtimes check alone
      digest without a tag       where a signature's tag names it and it is there

The distribution API lists no digests, so an image without a tag, and without a signature under
a tag, is not found. What cannot be read is a row with a code: never one that nothing signs.

Many requests are under way at a time, in few repositories at a time: what is remembered is what
these few hold.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from signer.registries.listing import IMAGE, Listing, Seen, windowed
from signer.registries.signs import Look, Signs
from signer.registries.tagged import Tagged
from verifier.digest import Digest
from verifier.errors import LimitError, VerificationError
from verifier.pull.images import Images
from verifier.repository import Repository

REPOSITORY = "repository"
REPOSITORIES = 4  # looked at at a time
MOST_TAGS = 1_000_000  # of one repository


class Row(NamedTuple):
    """One image, by digest. `parent` is the index that a child was first seen in.

    With a `code` it could not be looked at; of a tag or a repository that could not be read
    there is no digest.
    """

    repository: Repository
    digest: Digest | None
    kind: str
    tags: tuple[str, ...] = ()
    parent: Digest | None = None
    signs: Signs = Signs()
    code: str = ""
    message: str = ""


class Inventory:
    """Takes stock of repositories with `jobs` requests at a time. For one caller."""

    def __init__(
        self,
        look: Look,
        opened: Callable[[Repository], Images],
        *,
        jobs: int = 16,
        told: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Look by `look`; `told` is told how many images are done, and of how many so far."""
        self._look = look
        self._opened = opened
        self._jobs = jobs
        self._told = told
        self._done = itertools.count(1)
        self._total = 0

    def rows(self, repositories: Iterable[Repository]) -> Iterator[Row]:
        """Yield the rows of one repository after the other, in their order.

        Whoever stops early waits for what is under way, and for no more.
        """
        with ThreadPoolExecutor(self._jobs) as pool, ThreadPoolExecutor(REPOSITORIES) as outer:
            under_way: deque[Future[list[Row]]] = deque()
            try:
                for repository in repositories:
                    under_way.append(outer.submit(self._of, pool, repository))
                    if len(under_way) > REPOSITORIES:
                        yield from under_way.popleft().result()
                while under_way:
                    yield from under_way.popleft().result()
            finally:
                for future in under_way:
                    future.cancel()

    def _of(self, pool: ThreadPoolExecutor, repository: Repository) -> list[Row]:
        """Return the rows of one repository.

        1. List its tags.
        2. Read what they name.
        3. Look at what signs each.
        """
        try:
            images = self._opened(repository)
            try:
                # 1.
                tags = list(itertools.islice(images.tags(), MOST_TAGS + 1))
                if len(tags) > MOST_TAGS:
                    raise LimitError(f"expected at most {MOST_TAGS} tags in {repository}")
                tagged = Tagged(images, tags)
                # 2.
                listing = Listing(pool, tagged)
                listing.read(tags)
                self._total += len(listing.images)
                # 3.
                rows = [_unread(repository, *one) for one in listing.unread]
                rows += self._looked(pool, tagged, repository, listing.images)
            finally:
                images.close()
        except VerificationError as e:
            return [Row(repository, None, REPOSITORY, code=e.code, message=e.message)]
        return rows

    def _looked(
        self,
        pool: ThreadPoolExecutor,
        images: Images,
        repository: Repository,
        seen: dict[Digest, Seen],
    ) -> Iterator[Row]:
        def look(item: tuple[Digest, Seen]) -> Row:
            digest, one = item
            row = Row(repository, digest, one.kind, tuple(sorted(one.tags)), one.parent)
            try:
                row = row._replace(signs=self._look.signs_of(images, digest, repository))
            except VerificationError as e:
                row = row._replace(code=e.code, message=e.message)
            self._told(next(self._done), self._total)
            return row

        return windowed(pool, look, seen.items())


def _unread(repository: Repository, reference: str, error: VerificationError) -> Row:
    if ":" in reference:
        named = Row(repository, Digest(reference), IMAGE)
    else:
        named = Row(repository, None, IMAGE, (reference,))
    return named._replace(code=error.code, message=error.message)
