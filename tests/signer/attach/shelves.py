"""Images in registries to attach to, and signatures of a real service to attach."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from signer.attach import Made
from signer.client import Signed
from signer.order import Item
from tests.signer.running import InProcess
from verifier.pull import kinds
from verifier.pull.errors import NoImageError
from verifier.pull.forms import find_forms
from verifier.pull.images import IMAGE, INDEX, Descriptor, Images, fallback_tag
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

ALONE = Registries((), docker=False)
FORMS = ("bundle", "certificate", "simplesigning", "notation")
CONFIG = "application/vnd.oci.image.config.v1+json"


def repository(address: str, path: str = "team/app") -> Registry:
    """Return a repository of a registry that asks nobody who they are."""
    return Registry(Repository(f"{address}/{path}"), ALONE)


def pushed(images: Images, n: int = 1, tag: str = "1.0") -> Descriptor:
    """Put a small image there, another one for each `n`."""
    config = encoded({"architecture": "amd64", "os": "linux", "config": {"Labels": {"n": str(n)}}})
    described = Descriptor.of(CONFIG, config)
    images.put_blob(described, [config])
    manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": described.json(), "layers": []}
    images.put_manifest(encoded(manifest), IMAGE, tag)
    return Descriptor.of(IMAGE, encoded(manifest))


def pushed_index(images: Images, tag: str = "1.0") -> list[Descriptor]:
    """Put an image of two platforms there; return its index, and then its children."""
    children = [pushed(images, n, f"child-{n}") for n in (1, 2)]
    listed = [
        {**child.json(), "platform": {"os": "linux", "architecture": architecture}}
        for child, architecture in zip(children, ("amd64", "arm64"), strict=True)
    ]
    index = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    images.put_manifest(index, INDEX, tag)
    return [Descriptor.of(INDEX, index), *children]


def signed(
    service: InProcess,
    images: Images,
    image: Descriptor,
    *,
    n: int = 0,
    forms: Sequence[str] = FORMS,
) -> list[Made]:
    """Have an image signed; another `n` is another approval, and the same again the same."""
    item = Item(image.digest, image.size, image.media_type, annotations={"n": str(n)} if n else {})
    with service.client() as client:
        [answer] = client.sign_batch(images.name, [item], forms=forms)
    assert isinstance(answer, Signed), answer
    return [
        Made.of(one.record, one.bundle(), one.log_id)
        for one in (answer._replace(more=()), *answer.more)
    ]


def attached(images: Images, image: Descriptor) -> dict[str, list[int]]:
    """Return which signatures are attached: by kind, where in the log; -1 of what does not say."""
    found: dict[str, list[int]] = {}
    for form in find_forms(images, image.digest).forms:
        assert form.identity is not None
        found.setdefault(form.kind, []).append(form.identity.index)
    return {kind: sorted(indices) for kind, indices in found.items()}


def expected(made: Sequence[Made]) -> dict[str, list[int]]:
    """Return what `attached` comes to when these are there, and nothing else."""
    found: dict[str, list[int]] = {}
    for one in made:
        found.setdefault(one.form, []).append(-1 if one.form == kinds.NOTATION else one.index)
    return {kind: sorted(indices) for kind, indices in found.items()}


def under(images: Images, image: Descriptor, suffix: str = "") -> Any:
    """Return the JSON of what is under an image's tag, or None."""
    try:
        return json.loads(images.manifest(fallback_tag(image.digest) + suffix).content)
    except NoImageError:
        return None


def encoded(value: object) -> bytes:
    """Encode as whoever pushes does."""
    return json.dumps(value).encode()
