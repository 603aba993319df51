"""From where to where: what the words of a command come to, image by image.

from            registry/repo:tag, registry/repo@digest, oci:DIR[:name], oci-archive:FILE[:name]
with `all_tags` registry/repo, oci:DIR or oci-archive:FILE: every image that is there
to a registry   under the tag that is named, or else the one that the image has
to a file       under the tag that is named, or else as registry/repo:tag, so that images of
                many repositories can lie in one file and be told apart
with `under`    to the registry's repository that has the image's own path under what is named
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from signer.carry.named import Named
from signer.errors import RequestError
from verifier.errors import SealbookError
from verifier.pull.held import Held
from verifier.pull.images import Images
from verifier.pull.layout_index import is_accessory
from verifier.pull.opening import open_images
from verifier.pull.place import FilePlace, Place, RegistryPlace
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository


class Leg(NamedTuple):
    """One image on its way. `tag` is what it is called there, and empty when it has no name.

    `repository` is where it is called so; empty in a layout that does not say.
    """

    source: Images
    reference: str
    target: Images
    tag: str
    repository: str = ""

    def __str__(self) -> str:
        """Say from where to where."""
        tag = f":{self.tag}" if self.tag else ""
        mark = "@" if self.reference.startswith("sha256:") else ":"
        return f"{self.source.name}{mark}{self.reference} -> {self.target.name}{tag}"


class Routes:
    """Opens places, each once. A context manager: archives are written when all went well."""

    def __init__(self, registries: Registries) -> None:
        """Reach registries as `registries` says."""
        self._registries = registries
        self._opened: dict[str, Images] = {}

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close what was opened; after an error an archive stays as it was."""
        for images in self._opened.values():
            abandon = getattr(images, "abandon", None)
            if kind is not None and abandon is not None:
                abandon()
            else:
                images.close()

    def open(self, place: Place, *, create: bool = False) -> Images:
        """Return the images at `place`."""
        key = place.repository if isinstance(place, RegistryPlace) else f"file:{place.path}"
        if key not in self._opened:
            self._opened[key] = open_images(place, self._registries, create=create)
        return self._opened[key]

    def legs(
        self, sources: Sequence[Place], target: Place, *, all_tags: bool, under: bool
    ) -> tuple[list[Leg], list[tuple[Place, SealbookError]]]:
        """Return the way of each image, and the sources that have none, with the reason.

        Raises:
            RequestError: the words do not fit together.
        """
        _check(sources, target, all_tags=all_tags, under=under)
        starts: list[Leg] = []
        failed: list[tuple[Place, SealbookError]] = []
        for place in sources:
            try:
                starts += self._all(place) if all_tags else self._one(place)
            except SealbookError as e:
                failed.append((place, e))
        repositories = {start.repository for start in starts}
        if isinstance(target, RegistryPlace) and len(repositories) > 1 and not under:
            raise RequestError(
                f"images of {len(repositories)} repositories cannot go into one",
                hint="say --under: each goes to the repository with its own path under that",
            )
        return [self._leg(start, target, under=under) for start in starts], failed

    def leg(self, source: Place, target: Place) -> Leg:
        """Return the way of one image.

        Raises:
            NoImageError: it is not there, or it is not clear which is meant.
            RequestError: the words do not fit together.
        """
        _check((source,), target, all_tags=False, under=False)
        [start] = self._one(source)
        return self._leg(start, target, under=False)

    def _one(self, place: Place) -> Iterator[Leg]:
        images = self.open(place)
        if isinstance(place, RegistryPlace):
            yield _start(images, place.reference, place.repository, place.tag)
            return
        name = place.tag
        if not name:
            wanted = images.resolve("").digest
            assert isinstance(images, Held)
            names = [name for name, one in images.roots() if one.digest == wanted]
            name = names[0] if names else ""
            if not name:
                yield _start(images, wanted, "", "")
                return
        yield _of_name(images, name)

    def _all(self, place: Place) -> Iterator[Leg]:
        images = self.open(place)
        if isinstance(images, Held):
            for name, one in images.roots():
                yield _of_name(images, name) if name else _start(images, one.digest, "", "")
            return
        assert isinstance(place, RegistryPlace)
        for tag in images.tags():
            if not is_accessory(tag):
                yield _start(images, tag, place.repository, tag)

    def _leg(self, start: Leg, target: Place, *, under: bool) -> Leg:
        if isinstance(target, FilePlace):
            images = self.open(target, create=True)
            if target.tag:
                return _onto(start, images, target.tag)
            if start.tag and start.repository:
                return start._replace(target=Named(images, start.repository))
            return start._replace(target=images)
        place = target
        if under:
            path = start.repository.partition("/")[2]
            if not path:
                raise RequestError(f"{start.source.name} does not say of which repository it is")
            place = RegistryPlace(Repository(f"{target.repository}/{path}"))
        return start._replace(target=self.open(place), tag=target.tag or start.tag)


def _check(sources: Sequence[Place], target: Place, *, all_tags: bool, under: bool) -> None:
    if (all_tags or len(sources) > 1) and target.reference:
        raise RequestError(f"expected a place without a tag for many images, found {target}")
    if under and not isinstance(target, RegistryPlace):
        raise RequestError("--under is for a registry: a file keeps whole names anyway")
    if isinstance(target, RegistryPlace) and target.digest is not None:
        raise RequestError("what is copied has its own digest: name a tag, or none")
    for place in sources:
        if all_tags and place.reference:
            raise RequestError(f"--all-tags takes all of a repository, found {place}")
        if not all_tags and isinstance(place, RegistryPlace) and not place.reference:
            raise RequestError(f"expected a tag or digest after {place}", hint="or say --all-tags")


def _start(images: Images, reference: str, repository: str, tag: str) -> Leg:
    return Leg(images, reference, images, tag, repository)


def _of_name(images: Images, name: str) -> Leg:
    """Start from a name in a file: a tag, or a whole reference."""
    repository, _, tag = name.rpartition(":")
    if "/" not in repository:
        return _start(images, name, "", name)
    return _start(Named(images, repository), tag, repository, tag)


def _onto(start: Leg, images: Images, name: str) -> Leg:
    """Go to a name in a file."""
    end = _of_name(images, name)
    return start._replace(target=end.source, tag=end.tag)
