"""Images in a registry, and a service's signatures at them, as tests of this room need them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from signer.attach import Attached, Attaching, Made, Patience
from signer.client import Signed
from signer.order import Item
from tests.interop.image import TAG, Image
from tests.interop.pushing import Shelf
from tests.signer.running import Running
from verifier.digest import Digest
from verifier.pull.images import Descriptor, Manifest
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

ALL = ("bundle", "simplesigning", "certificate", "notation")
# One writer: nothing has to settle.
PATIENCE = Patience(settle_s=0.0, total_s=30.0)


def push(directory: Path, repository: str, tag: str = TAG) -> Image:
    """Put an image of two platforms, another one for each repository, into a registry."""
    place = directory / repository.replace("/", "-").replace(":", "-")
    image = Image.made(place, f"{repository} {tag}")
    with Shelf(repository) as shelf:
        shelf.image(image.layout, tag)
    return image


def made(
    service: Running,
    repository: str,
    digests: Sequence[Descriptor],
    forms: Sequence[str] = ALL,
    *,
    renew: bool = False,
) -> list[tuple[Descriptor, list[Made]]]:
    """Have digests signed in all of `forms`, for `repository`."""
    items = [Item(one.digest, one.size, one.media_type, renew=renew) for one in digests]
    found = []
    with service.client() as client:
        answers = client.sign_batch(Repository(repository), items, forms=list(forms))
    for subject, answer in zip(digests, answers, strict=True):
        assert isinstance(answer, Signed), answer
        each = [answer._replace(more=()), *answer.more]
        found.append((subject, [Made.of(s.record, s.bundle(), s.log_id) for s in each]))
    return found


def attach(repository: str, signatures: Sequence[tuple[Descriptor, list[Made]]]) -> list[Attached]:
    """Attach what was made to the images in `repository`."""
    with Registry(Repository(repository), Registries()) as images, Attaching(PATIENCE) as attaching:
        for subject, one in signatures:
            attaching.start(images, subject, one)
        return attaching.finish()


def manifests(image: Image, *, children: bool = True) -> list[Descriptor]:
    """Describe an image's index, and the platforms under it."""
    content = (image.layout / "blobs" / "sha256" / Digest(image.index.digest).hex).read_bytes()
    found = Manifest.parse(content, image.index.media_type)
    return [found.descriptor, *(found.children if children else ())]
