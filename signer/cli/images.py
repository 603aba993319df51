"""How commands name images, and what they come to: digests, each resolved once.

registry.example/team/app:1.4         by tag, which is looked at once and never again
registry.example/team/app@sha256:…    by digest
oci:DIR[:TAG], oci-archive:FILE[:TAG] in a layout, or a tar file
sha256:<hex>                          somewhere
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from signer.errors import RequestError
from verifier import limits
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.pull.errors import ContentTrustError
from verifier.pull.images import MANIFEST_TYPES, Descriptor, Images
from verifier.pull.opening import open_images
from verifier.pull.place import ARCHIVE, LAYOUT, Place, RegistryPlace, parse_place
from verifier.pull.registry.reading import read_registries
from verifier.pull.registry.settings import Registries
from verifier.pull.whole import whole_image
from verifier.repository import Repository

METAVAR = "IMAGE"
HELP = (
    "REGISTRY/REPO:TAG or REGISTRY/REPO@sha256:<hex>, oci:DIR[:TAG], oci-archive:FILE[:TAG],"
    " or sha256:<hex>"
)
_NOWHERE = ("sha256:", LAYOUT, ARCHIVE)
_PARALLEL = 8
_MOST_LISTED = 16 << 20


class Target(NamedTuple):
    """What one name came to: an image, and after it every manifest under it.

    A bare digest is nowhere: it has no `place` and no `images`, and its size is 0. Of one that
    is `hidden` until something signs it, nothing but the digest is known either.
    """

    given: str
    repository: Repository
    manifests: Sequence[Descriptor]
    place: Place | None = None
    images: Images | None = None
    hidden: ContentTrustError | None = None

    @property
    def in_registry(self) -> bool:
        """Whether it is in a registry."""
        return isinstance(self.place, RegistryPlace)


class Places:
    """What commands open, each place once; a context manager that closes all of them."""

    def __init__(self, registries: Registries, *, parallel: int = _PARALLEL) -> None:
        """Look into so many places at once."""
        self._registries = registries
        self._opened: dict[tuple[str, ...], Images] = {}
        self._executor = ThreadPoolExecutor(parallel, "resolving")

    @classmethod
    def of(cls, args: argparse.Namespace) -> Self:
        """Return those that the options of `add_registries` say how to reach."""
        return cls(read_registries(args.registries))

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        self._executor.shutdown(cancel_futures=True)
        for images in self._opened.values():
            images.close()

    def resolved(
        self, given: Sequence[str], repository: str | None
    ) -> Iterator[Target | tuple[str, SealbookError]]:
        """Yield what each name came to, in their order, or why it came to nothing.

        Raises:
            PlaceError, DigestError, RequestError: a name is none, before any is looked at.
        """
        signed_for = Repository(repository) if repository else None
        named = [self._named(one, signed_for) for one in given]

        def resolve(target: Target) -> Target | tuple[str, SealbookError]:
            try:
                return looked_at(target)
            except SealbookError as e:
                return target.given, e

        yield from self._executor.map(resolve, named)

    def _named(self, given: str, repository: Repository | None) -> Target:
        if "/" not in given and ":" not in given.replace("sha256:", "", 1):
            bare = Descriptor("", Digest(given), 0)
            return Target(given, _needed(repository, given), (bare,))
        place = parse_place(given)
        if isinstance(place, RegistryPlace):
            if not place.reference:
                raise RequestError(f"expected a tag or a digest after {place.repository}")
            return Target(given, repository or place.repository, (), place, self._open(place))
        return Target(given, _needed(repository, given), (), place, self._open(place))

    def _open(self, place: Place) -> Images:
        key = (place.repository,) if isinstance(place, RegistryPlace) else ("", str(place.path))
        if key not in self._opened:
            self._opened[key] = open_images(place, self._registries)
        return self._opened[key]


def found(places: Places, given: Sequence[str], repository: str | None) -> list[Target]:
    """Return what the names came to; raises as `Places.resolved`, and when one is not shown."""
    targets = []
    for one in places.resolved(given, repository):
        if not isinstance(one, Target):
            raise one[1]
        if one.hidden is not None:  # nothing can refer to what is not described
            raise one.hidden
        targets.append(one)
    return targets


def add_registries(made: argparse.ArgumentParser) -> None:
    """Add the option that says how registries are reached."""
    made.add_argument(
        "--registries",
        type=Path,
        metavar="FILE",
        help="who you are in registries, and whom you believe (default: $SEALBOOK_REGISTRIES, or"
        " ~/.config/sealbook/registries.toml, and what docker knows)",
    )


def check_repository(
    made: argparse.ArgumentParser, args: argparse.Namespace, given: Sequence[str]
) -> None:
    """Refuse, with exit code 2, names that say no repository where none is said beside them."""
    for one in given:
        if not args.repository and one.startswith(_NOWHERE):
            made.error(f"expected --repository R for {one[:200]}")


def listed(path: Path | None) -> list[str]:
    """Return the names in a file, one a line; empty lines and those from "#" on are passed by.

    Raises:
        RequestError: it is too large, or no text.
    """
    if path is None:
        return []
    with path.open("rb") as file:
        content = file.read(_MOST_LISTED + 1)
    if len(content) > _MOST_LISTED:
        raise RequestError(f"expected at most {_MOST_LISTED} bytes in {path}")
    try:
        lines = [line.partition("#")[0].strip() for line in content.decode().splitlines()]
    except UnicodeDecodeError as e:
        raise RequestError(f"expected names of images in {path}, found no text") from e
    return [line for line in lines if line]


def lots(targets: Sequence[Target], most: int) -> Iterator[list[Target]]:
    """Yield targets in lots of one repository and about `most` manifests, for a call each."""
    most = min(most, limits.MANIFESTS)
    open_: dict[Repository, list[Target]] = {}
    for target in targets:
        lot = open_.setdefault(target.repository, [])
        if lot and sum(len(one.manifests) for one in lot) + len(target.manifests) > most:
            yield open_.pop(target.repository)
            lot = open_.setdefault(target.repository, [])
        lot.append(target)
    yield from open_.values()


def _needed(repository: Repository | None, given: str) -> Repository:
    if repository is None:
        raise RequestError(
            f"expected --repository for {given[:200]}", hint="as in registry.example/team/app"
        )
    return repository


def looked_at(target: Target) -> Target:
    """Look what is there now; whatever is done after that is done to these digests.

    Raises:
        ContentTrustError: it is hidden, and its digest was not named.
    """
    if target.images is None or target.place is None:
        return target
    reference = target.place.reference
    try:
        found = [one.descriptor for one in whole_image(target.images, reference)]
    except ContentTrustError as e:
        if not isinstance(target.place, RegistryPlace):
            raise
        return _hidden(target, target.images, target.place, e)
    return target._replace(manifests=tuple(found), hidden=None)


def _hidden(
    target: Target, images: Images, place: RegistryPlace, error: ContentTrustError
) -> Target:
    """Return what can be known of an image that is not shown, or whose platforms are not."""
    try:
        found = images.manifest(place.reference)
    except ContentTrustError:
        if place.digest is None:
            raise
        return target._replace(manifests=(Descriptor("", place.digest, 0),), hidden=error)
    if any(one.media_type not in MANIFEST_TYPES for one in found.children):
        raise error
    return target._replace(manifests=(found.descriptor, *found.children), hidden=None)
