"""One tag that many write: nothing that was ever seen there is lost, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from signer.attach import Attaching, Patience
from signer.attach.union import Union
from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from tests.signer.attach.shelves import (
    attached,
    encoded,
    expected,
    pushed,
    repository,
    signed,
    under,
)
from tests.signer.running import InProcess
from verifier import limits
from verifier.errors import MalformedError
from verifier.pull.errors import TooManySignaturesError
from verifier.pull.images import IMAGE, INDEX, Descriptor, fallback_tag
from verifier.pull.registry.client import Registry

TAG = "sha256-of"


class Meanwhile(FakeReferrersRegistry):
    """Without the referrers API; `once` happens at the first HEAD of a tag, before its answer."""

    once: Any = None

    def refuses(self, asked: Asked) -> Refusal | None:
        """Let something happen between our look and our writing."""
        if asked.method == "HEAD" and asked.rest.startswith("sha256-") and self.once:
            happens, self.once = self.once, None
            happens()
        return None


@pytest.fixture
def registry() -> Iterator[Meanwhile]:
    """A registry in which something can happen meanwhile."""
    with Meanwhile() as registry:
        registry.referrers_api = False
        yield registry


@pytest.fixture
def app(registry: Meanwhile) -> Iterator[Registry]:
    """A repository in it."""
    with repository(registry.address) as app:
        yield app


def item(app: Registry, n: int) -> dict[str, Any]:
    """Put something there that can be listed."""
    return pushed(app, n, f"item-{n}").json()


def put(app: Registry, *items: Mapping[str, Any]) -> None:
    """Make these what is under the tag, as somebody who saw nothing else."""
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(items)}
    app.put_manifest(encoded(value), INDEX, TAG)


def listed(app: Registry) -> list[dict[str, Any]]:
    """Return what is under the tag now."""
    return [one.json() for one in app.manifest(TAG).children]


def test_what_was_seen_is_put_back(app: Registry) -> None:
    """
    What was there at one look and is gone at the next is written again, before what is new.
    """
    first, second, ours = (item(app, n) for n in range(3))
    union = Union(app, TAG, index=True)
    put(app, first)
    union.look()
    put(app, second)
    union.want([ours])

    assert not union.look()
    union.write()

    assert [second, first, ours] == listed(app)
    assert union.look()


def test_what_comes_before_our_writing(registry: Meanwhile, app: Registry) -> None:
    """
    What somebody writes after we looked, and before we write, is taken along.
    """
    theirs, ours = (item(app, n) for n in range(2))
    kept = registry.kept("team/app")
    put(app, theirs)
    late = kept.tags.pop(TAG)
    union = Union(app, TAG, index=True)
    union.look()
    union.want([ours])
    registry.once = lambda: kept.tags.update({TAG: late})

    union.write()

    assert [theirs, ours] == listed(app)


def test_what_is_unwanted(app: Registry) -> None:
    """
    What is unwanted is taken out, stays out when somebody puts it back, and is all that goes.
    """
    bad, good = (item(app, n) for n in range(2))
    union = Union(app, TAG, index=True, unwanted=lambda one: one["digest"] == bad["digest"])
    for _ in range(2):
        put(app, bad, good)
        assert not union.look()
        union.write()

        assert [good] == listed(app)
        assert union.look()


def test_most_looks_cost_little(registry: Meanwhile, app: Registry) -> None:
    """
    While nothing changes, a look asks for a digest and reads nothing.
    """
    union = Union(app, TAG, index=True)
    union.want([item(app, 1)])
    union.look()
    union.write()
    registry.requests.clear()

    assert union.look()
    assert [f"HEAD /v2/team/app/manifests/{TAG}"] == registry.requests


def test_something_else_under_the_tag(app: Registry) -> None:
    """
    What is no index is left alone, and so is one that would hold more than anybody reads.
    """
    pushed(app, 1, TAG)
    with pytest.raises(MalformedError):
        Union(app, TAG, index=True).look()

    full = Union(app, TAG)
    many = limits.SIGNATURE_LAYERS + 1
    full.want(Descriptor.of("x/y", b"%d" % n).json() for n in range(many))
    with pytest.raises(TooManySignaturesError):
        full.write()
    assert IMAGE == app.resolve(TAG).media_type


def test_the_same_by_another_run(signer: InProcess, registry: Meanwhile, app: Registry) -> None:
    """
    When another run attached the same signature while ours was on its way, with another proof in
    it, it is there once.
    """
    with repository(registry.address, "team/other") as other:
        image = pushed(app)
        pushed(other)
        first = signed(signer, app, image, forms=("bundle",))
        signed(signer, app, pushed(app, 2, "2.0"))  # so that the log grows
        again = signed(signer, app, image, forms=("bundle",))
        with Attaching(Patience(0.1, 10)) as attaching:
            attaching.start(other, image, first)
            attaching.finish()
    here, there = registry.kept("team/app"), registry.kept("team/other")

    def happens() -> None:
        here.blobs.update(there.blobs)
        here.manifests.update(there.manifests)
        tag = fallback_tag(image.digest)
        here.tags[tag] = there.tags[tag]

    registry.once = happens
    with Attaching(Patience(0.1, 10)) as attaching:
        attaching.start(app, image, again)
        [end] = attaching.finish()

    assert ([], again) == (list(end.added), list(end.there))
    assert expected(again) == attached(app, image)
    assert 1 == len(under(app, image)["manifests"])
