"""The images of a repository to which something may be attached, tagged or not.

A signature's own tag names its image, which may have no tag any more, or be gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.errors import NoImageError
from verifier.pull.images import Images
from verifier.pull.place import FilePlace, Place
from verifier.pull.whole import whole_image

_PARALLEL = 8
_ATTACHED = re.compile(r"sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?", re.ASCII)


class Subjects(NamedTuple):
    """Digests of images, each once; and tags that could not be read, with why."""

    digests: list[Digest]
    unread: list[tuple[str, VerificationError]]


def subjects(images: Images, place: Place, also: Iterable[Digest] = ()) -> Subjects:
    """Return what `place` names with all under it; without a tag or digest, all of the repository.

    `also` are images that may be there untagged.

    Raises:
        ImagesError: its tags cannot be listed.
    """
    if place.reference:
        tags = [place.reference]
    else:
        tags = list(images.tags())
        if isinstance(place, FilePlace) and not tags:
            tags = [""]  # the only image, which needs no name there
    found: dict[Digest, None] = dict.fromkeys(also)
    images_of = []
    for tag in tags:
        if attached := _ATTACHED.fullmatch(tag):
            found[Digest(f"sha256:{attached[1]}")] = None
        else:
            images_of.append(tag)
    unread = []
    with ThreadPoolExecutor(_PARALLEL, "listing") as executor:
        for tag, step in [(tag, executor.submit(_whole, images, tag)) for tag in images_of]:
            try:
                found |= dict.fromkeys(step.result())
            except VerificationError as e:
                unread.append((tag, e))
    return Subjects(list(found), unread)


def _whole(images: Images, reference: str) -> list[Digest]:
    try:
        return [one.descriptor.digest for one in whole_image(images, reference)]
    except NoImageError:
        # It went meanwhile; of a digest that was named, signatures may have stayed.
        return [Digest(reference)] if ":" in reference else []
