"""Attaching what waits of one repository: all that the ledger has, to each image, and no more.

1. Gather what was signed about each image, as it is now: what was revoked meanwhile is not put
   there, and what was signed meanwhile is.
2. Ask the registry for the image.
3. Have `signer.attach` do it, for all images together.

A registry that shows no image before it is signed (content trust) gets the legacy signatures
first, which need nothing but the digest; the rest follows at the next try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from signer.attach import Attached, Attaching, Made, Patience
from signer.publish.gathering import Gathered, Gathering
from signer.publish.registries import Destinations
from signer.publish.rows import Publication
from signer.publish.stopping import Stoppable, Stopping
from signer.publish.working import Tried, is_final
from signer.service.bundles import Found
from verifier.errors import SealbookError
from verifier.pull.errors import ContentTrustError, RegistryUnreachableError
from verifier.pull.images import IMAGE, Descriptor, Images
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

Open = Callable[[Repository, Registries], Images]

_MOST_BYTES = 64 << 20  # of signatures that are held at once


class Attacher:
    """Attaches what waits, in as many threads as call it, each for another repository."""

    def __init__(
        self,
        gathering: Gathering,
        destinations: Callable[[], Destinations],
        open_: Open,
        stopping: Stopping,
        patience: Callable[[], Patience] = Patience,
    ) -> None:
        """Attach what `gathering` finds, to images that `open_` opens for `destinations`."""
        self._gathering = gathering
        self._destinations = destinations
        self._open = open_
        self._stopping = stopping
        self._patience = patience

    def __call__(
        self, repository: Repository, publications: Sequence[Publication]
    ) -> Iterator[Tried]:
        """Yield what came of each; those that nobody got to are left out."""
        destinations = self._destinations()
        try:
            destinations.check(repository)
            images = self._open(repository, destinations.registries)
        except SealbookError as e:
            yield from (Tried(one, (), e) for one in publications)
            return
        with ExitStack() as stack:
            stack.callback(images.close)
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="sealbook-publish-")))
            attaching = stack.enter_context(Attaching(self._patience()))
            guarded = self._stopping.guard(images)
            yield from self._attach(guarded, publications, attaching, scratch)

    def _attach(
        self,
        images: Stoppable,
        publications: Sequence[Publication],
        attaching: Attaching,
        scratch: Path,
    ) -> Iterator[Tried]:
        also = self._destinations().attaches_also(publications[0].repository)
        begun: list[tuple[Publication, SealbookError | None]] = []
        held = 0
        for one in publications:
            try:
                # 1.
                gathered = self._gathering.gather(one.digest, one.repository, also=also)
                # 2.
                subject, hidden = _subject(images, one)
                made = [
                    self._made(gathered, found, scratch)
                    for found in gathered.found
                    if hidden is None or found.record.form == "simplesigning"
                ]
            except SealbookError as e:
                yield Tried(one, (), e)
                if isinstance(e, RegistryUnreachableError):
                    break
                continue
            # 3.
            attaching.start(images, subject, made)
            begun.append((one, hidden))
            held += sum(len(m.content) for m in made if isinstance(m.content, bytes))
            if held > _MOST_BYTES:
                yield from _finished(attaching, begun)
                held = 0
        yield from _finished(attaching, begun)

    def _made(self, gathered: Gathered, found: Found, scratch: Path) -> Made:
        record = found.record
        rendered: bytes | Path
        if record.body_size:
            rendered = scratch / str(record.index)
            with rendered.open("wb") as file:
                file.writelines(self._gathering.pieces(gathered, found))
        else:
            rendered = b"".join(self._gathering.pieces(gathered, found))
        return Made.of(record, rendered, self._gathering.log_id, found.predicate_type)


def _subject(
    images: Images, publication: Publication
) -> tuple[Descriptor, ContentTrustError | None]:
    """Return the image as its registry describes it; what hides it is returned beside."""
    try:
        return images.resolve(publication.digest), None
    except ContentTrustError as e:
        return Descriptor(IMAGE, publication.digest, 0), e


def _finished(
    attaching: Attaching, begun: list[tuple[Publication, SealbookError | None]]
) -> Iterator[Tried]:
    """Yield what came of all that was begun."""
    for (publication, hidden), attached in zip(begun, attaching.finish(), strict=True):
        yield _tried(publication, attached, hidden)
    begun.clear()


def _tried(publication: Publication, attached: Attached, hidden: SealbookError | None) -> Tried:
    entries = tuple(sorted(made.index for made in (*attached.added, *attached.there)))
    errors: list[SealbookError] = [error for _, error in attached.refused]
    errors += [hidden] if hidden is not None else []
    # As long as anything may still be attached, it is tried again.
    errors.sort(key=is_final)
    return Tried(publication, entries, errors[0] if errors else None)
