"""A service that attaches what it signs to images in a registry of tests, and looks at it there.

    with publishing(world) as service:
        image = push(registry.address, "team/app", 1)
        service.asking(lambda client: client.sign(image.digest, image.repository))

Whatever is attached is told by where it is logged, so that nothing is there twice unseen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from signer.attach import Patience
from signer.client.publishing import Publication
from tests.signer.access.known import known
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier.digest import Digest
from verifier.pull.forms import Form, Found, find_forms
from verifier.pull.images import EMPTY, EMPTY_CONTENT, IMAGE, Descriptor
from verifier.pull.kinds import hinted
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.repository import Repository, Scope

# Nobody else writes there, or not for long: tests need not wait as long as in earnest.
HASTY = Patience(settle_s=0.1, total_s=20.0)


class Pushed(NamedTuple):
    """An image in a registry."""

    repository: Repository
    digest: Digest
    size: int

    def found(self, credential: Path | None = None) -> Found:
        """Return what is attached to it."""
        with closing(opened(self.repository, credential)) as images:
            return find_forms(images, self.digest)

    @property
    def attached(self) -> list[int]:
        """Where in the ledger that is, in order; twice what is there twice, -1 for what is not."""
        return sorted(map(place_of, self.found().forms))


def place_of(form: Form) -> int:
    """Return where it is logged; -1 for nowhere."""
    if form.identity is not None and form.identity.index >= 0:
        return form.identity.index
    place = hinted(form.artifact.listed)  # notation's envelope does not say where it is logged
    return -1 if place is None else place[1]


def opened(repository: Repository, credential: Path | None = None) -> Registry:
    """Open a repository, as anybody when there is no credential."""
    known = RegistrySettings(Scope(repository), credential)
    return Registry(repository, Registries((known,) if credential else (), docker=False))


def push(address: str, path: str, n: int, credential: Path | None = None) -> Pushed:
    """Put an image into a registry that nothing else is in but its number."""
    repository = Repository(f"{address}/{path}")
    layer = json.dumps({"image": n}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": Descriptor.of(EMPTY, EMPTY_CONTENT).json(),
        "layers": [Descriptor.of("application/json", layer).json()],
    }
    with closing(opened(repository, credential)) as images:
        images.put_blob(Descriptor.of(EMPTY, EMPTY_CONTENT), [EMPTY_CONTENT])
        images.put_blob(Descriptor.of("application/json", layer), [layer])
        content = json.dumps(manifest).encode()
        written = images.put_manifest(content, IMAGE)
    return Pushed(repository, written.digest, len(content))


def configure(world: World, prefix: str, *lines: str) -> None:
    """Let a service write under `prefix`; `lines` say more of it."""
    said = "\n".join(["[[registries]]", f'prefix = "{prefix}"', "publish = true", *lines])
    with world.config.open("a") as file:
        file.write(f"\n{said}\n")


def sign(service: InProcess, image: Pushed, **more: Any) -> list[int]:
    """Have an image approved, and return where its signatures are."""
    described = {"media_type": IMAGE, "size": image.size}
    signed = service.asking(
        lambda client: client.sign(image.digest, image.repository, **{**described, **more})
    )
    return sorted(one.record.index for one in (signed, *signed.more))


def publish(service: InProcess, image: Pushed, **more: Any) -> Publication:
    """Have an image published, and return what became of it."""
    [found] = service.asking(
        lambda client: client.publish(image.repository, [image.digest], **more)
    )
    return found


@contextmanager
def publishing(
    world: World, spoil: Callable[[InProcess], object] = lambda _: None
) -> Iterator[InProcess]:
    """Run a service that knows callers of tests, and waits for nobody's slow writes."""

    def prepare(service: InProcess) -> None:
        known(service)
        service.server._publications.patience = HASTY
        spoil(service)

    with running(world, prepare) as service:
        yield service
