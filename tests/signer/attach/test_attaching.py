"""Attaching: each form where its readers look, once, and nothing of anybody else's touched."""

from __future__ import annotations

import json

import pytest

from signer.attach import Attached, Attaching, Made, Patience
from tests.registries.fake_harbor import FakeHarborRules
from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from tests.signer.attach.rivals import RivalWriter
from tests.signer.attach.shelves import (
    CONFIG,
    attached,
    encoded,
    expected,
    pushed,
    repository,
    signed,
    under,
)
from tests.signer.running import InProcess
from verifier.pull import kinds
from verifier.pull.forms import FALLBACK, REFERRERS, SIG, find_forms
from verifier.pull.images import IMAGE, INDEX, Descriptor, Images, fallback_tag
from verifier.pull.registry.client import Registry

SOON = Patience(settle_s=0.1, total_s=10)
LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"


def attach(images: Images, image: Descriptor, made: list[Made]) -> Attached:
    with Attaching(SOON) as attaching:
        attaching.start(images, image, made)
        [end] = attaching.finish()
    return end


def test_each_form_is_where_its_readers_look(
    signer: InProcess, registry: FakeReferrersRegistry, app: Registry
) -> None:
    """
    Bundles and notation's envelope refer to the image, by the API or by the index in its stead,
    and the legacy signature is a layer under the tag `.sig`.
    """
    image = pushed(app)
    made = signed(signer, app, image)

    end = attach(app, image, made)

    found = find_forms(app, image.digest)
    listed = REFERRERS if registry.referrers_api else FALLBACK
    assert ([], []) == (list(end.there), list(end.refused))
    assert made == list(end.added)
    assert expected(made) == attached(app, image)
    assert {kinds.SIMPLESIGNING: SIG} | dict.fromkeys(
        (kinds.BUNDLE, kinds.CERTIFICATE, kinds.NOTATION), listed
    ) == {form.kind: form.where for form in found.forms}
    assert not registry.referrers_api or under(app, image) is None


def test_what_a_listing_says(signer: InProcess, app: Registry) -> None:
    """
    Whoever reads a list finds notation by its artifact type, cosign's by the predicate's type,
    and our own by the place in the log; the time is the signature's own.
    """
    image = pushed(app)
    attach(app, image, signed(signer, app, image))

    artifacts = find_forms(app, image.digest, tags=()).artifacts
    listed = {one.listed.artifact_type: one.listed for one in artifacts}
    bundle = listed["application/vnd.dev.sigstore.bundle.v0.3+json"].annotations
    notation = listed[kinds.NOTATION_TYPE]

    assert 3 == len(artifacts)
    assert "https://sigstore.dev/cosign/sign/v1" == bundle[kinds.PREDICATE_TYPE]
    assert all(kinds.hinted(one.listed) is not None for one in artifacts)
    assert all("org.opencontainers.image.created" in one.listed.annotations for one in artifacts)
    assert "io.cncf.notary.x509chain.thumbprint#S256" in notation.annotations
    assert {kinds.NOTATION_TYPE} == {
        one.manifest.config.media_type
        for one in artifacts
        if one.manifest.config and one.listed == notation
    }


def test_again(signer: InProcess, registry: FakeReferrersRegistry, app: Registry) -> None:
    """
    A signature that is there is not put there again, though its proof has grown by then, and
    nothing is written.
    """
    image = pushed(app)
    first = signed(signer, app, image)
    attach(app, image, first)
    signed(signer, app, pushed(app, 2, "2.0"))  # so that the log grows
    again = signed(signer, app, image)
    registry.requests.clear()

    end = attach(app, image, again)

    assert {one.identity for one in first} == {one.identity for one in again}
    assert first[0].described != again[0].described
    assert ([], again, []) == (list(end.added), list(end.there), list(end.refused))
    assert expected(first) == attached(app, image)
    assert not [one for one in registry.requests if one.startswith(("PUT", "POST"))]


def test_only_what_is_missing(signer: InProcess, app: Registry) -> None:
    """
    What one run left out the next one adds, beside what is there.
    """
    image = pushed(app)
    made = signed(signer, app, image)
    attach(app, image, made[1:3])

    end = attach(app, image, made)

    assert [made[1], made[2]] == list(end.there)
    assert [made[0], made[3]] == list(end.added)
    assert expected(made) == attached(app, image)


def test_others_are_kept(signer: InProcess, registry: FakeReferrersRegistry, app: Registry) -> None:
    """
    What others put under the tags stays, first and in its order, with fields that nobody knows:
    descriptors, layers, and the rest of the manifests.
    """
    image = pushed(app)
    other = pushed(app, 7, "other")
    config = b'{"architecture":"","history":[{"created":"x"}],"rootfs":{"diff_ids":["sha256:x"]}}'
    payload = b"a payload of somebody"
    for media_type, content in ((CONFIG, config), (LAYER, payload)):
        app.put_blob(Descriptor.of(media_type, content), [content])
    theirs = {**other.json(), "unknown": {"b": [1], "a": None}, "annotations": {"x": "y"}}
    layer = {**Descriptor.of(LAYER, payload).json(), "annotations": {"theirs": "1"}, "urls": []}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [theirs, theirs], "extra": 1}
    picture = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {**Descriptor.of(CONFIG, config).json(), "annotations": {"k": "v"}},
        "layers": [layer],
        "annotations": {"of": "theirs"},
    }
    app.put_manifest(encoded(index), INDEX, fallback_tag(image.digest))
    app.put_manifest(encoded(picture), IMAGE, f"{fallback_tag(image.digest)}{SIG}")

    end = attach(app, image, signed(signer, app, image))

    listed, legacy = under(app, image), under(app, image, SIG)
    kept = registry.kept("team/app")
    config_now = json.loads(kept.blobs[legacy["config"]["digest"]])
    assert not end.refused
    assert [theirs, theirs] == listed["manifests"][:2]
    assert (0 if registry.referrers_api else 3) == len(listed["manifests"][2:])
    assert (1, {"of": "theirs"}) == (listed["extra"], legacy["annotations"])
    assert (layer, 2) == (legacy["layers"][0], len(legacy["layers"]))
    assert {"k": "v"} == legacy["config"]["annotations"]
    assert ["sha256:x", legacy["layers"][1]["digest"]] == config_now["rootfs"]["diff_ids"]
    assert 2 == len(config_now["history"])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("suffix", [SIG, ""])
def test_what_is_taken_away_is_put_back(signer: InProcess, suffix: str, *, late: bool) -> None:
    """
    Somebody who had read before we wrote, and writes after, takes our signatures away, at once or
    after we saw them there; they are put back.
    """
    rival = RivalWriter(suffix=suffix, times=2, late=late)
    with rival as registry, repository(registry.address) as app:
        image = pushed(app)
        made = signed(signer, app, image)

        end = attach(app, image, made)

        assert (0, []) == (registry.times, list(end.refused))
        assert expected(made) == attached(app, image)


def test_a_tag_that_never_rests(signer: InProcess) -> None:
    """
    When somebody undoes whatever we write, that form is refused, after a while, as `busy-tag`;
    the others are there.
    """
    with RivalWriter(suffix=SIG, times=10_000) as registry, repository(registry.address) as app:
        image = pushed(app)
        made = signed(signer, app, image)
        with Attaching(Patience(settle_s=0.1, total_s=0.5)) as attaching:
            attaching.start(app, image, made)
            [end] = attaching.finish()

        [(refused, error)] = end.refused
        assert (kinds.SIMPLESIGNING, "busy-tag") == (refused.form, error.code)
        assert made[:2] + made[3:] == list(end.added)
        assert {"bundle", "certificate", "notation"} == attached(app, image).keys()


def test_an_immutable_tag(signer: InProcess) -> None:
    """
    Where `.sig` is written once, a second legacy signature is refused as `immutable-tag`, the
    other forms are attached nevertheless, and what is there already is refused to nobody.
    """
    with FakeHarborRules(immutable=["**"]) as harbor, repository(harbor.address) as app:
        image = pushed(app)
        first, second = (signed(signer, app, image, n=n) for n in (1, 2))
        attach(app, image, first)

        end, again = attach(app, image, second), attach(app, image, first)

        [(refused, error)] = end.refused
        assert (kinds.SIMPLESIGNING, "immutable-tag") == (refused.form, error.code)
        assert expected([*first, *second])["bundle"] == attached(app, image)["bundle"]
        assert (first, []) == (list(again.there), list(again.refused))


def test_what_is_not_shown_yet(signer: InProcess) -> None:
    """
    Of an image that a registry does not show before it is signed the digest is enough: the legacy
    signature is first, and then the rest; where that opens nothing, the rest is refused.
    """
    ends = []
    for rule in ("cosign", "notation"):
        with FakeHarborRules() as harbor, repository(harbor.address) as app:
            image = pushed(app)
            made = signed(signer, app, image)[:3]
            harbor.content_trust = rule
            ends.append(attach(app, Descriptor("", image.digest, 0), made))

    shown, hidden = ends
    assert (3, []) == (len(shown.added), list(shown.refused))
    assert [kinds.SIMPLESIGNING] == [one.form for one in hidden.added]
    assert ["content-trust"] * 2 == [error.code for _, error in hidden.refused]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_busy_registry(signer: InProcess, after: int) -> None:
    """
    A registry that answers 503 for a while, at whatever is written or looked at, has it all in the
    end, and nothing twice.
    """

    class Busy(FakeReferrersRegistry):
        left, passed = 3, 0

        def refuses(self, asked: Asked) -> Refusal | None:
            """Refuse some writes and looks of tags."""
            if asked.kind != "manifests" or not asked.rest.startswith("sha256-"):
                return None
            self.passed += asked.method != "GET"
            if self.passed <= 2 * after or not self.left:
                return None
            self.left -= 1
            return Refusal(503, "UNAVAILABLE")

    with Busy(referrers_api=False) as registry, repository(registry.address) as app:
        image = pushed(app)
        made = signed(signer, app, image)
        end = attach(app, image, made)

        assert (0, []) == (registry.left, list(end.refused))
        assert {one.identity for one in made} == {one.identity for one in end.added}
        assert expected(made) == attached(app, image)


def test_nobody_there(signer: InProcess) -> None:
    """
    When a registry is down, every image of it is refused, and it is asked once, not each time.
    """
    with FakeReferrersRegistry() as registry, repository(registry.address) as app:
        images = [pushed(app, n, f"{n}") for n in range(20)]
        made = signed(signer, app, images[0])
    with repository(registry.address) as app, Attaching(SOON, parallel=1) as attaching:
        for image in images:
            attaching.start(app, image, made)
        ends = attaching.finish()

    errors = {id(error): error.code for end in ends for _, error in end.refused}
    assert ["registry-unreachable"] == list(errors.values())
    assert [list(made)] * 20 == [[one for one, _ in end.refused] for end in ends]


def test_gone_before_it_settled(signer: InProcess) -> None:
    """
    When a registry goes away before it was seen that all of it lasts, nobody is told that it does,
    and it is not asked for each tag.
    """
    with Attaching(SOON, parallel=1) as attaching:
        with FakeReferrersRegistry(referrers_api=False) as registry:
            app = repository(registry.address)
            images = [pushed(app, n, f"{n}") for n in range(5)]
            made = signed(signer, app, images[0])
            for begun in [attaching.start(app, image, made) for image in images]:
                begun.result()
        ends = attaching.finish()
        app.close()

    errors = {id(error): error.code for end in ends for _, error in end.refused}
    assert ["registry-unreachable"] == list(errors.values())
    assert [0] * 5 == [len(end.added) for end in ends]


def test_same_bytes(signer: InProcess, app: Registry) -> None:
    """
    The same signature makes the same manifest, whenever that is.
    """
    image = pushed(app)
    made = signed(signer, app, image)

    assert [one.manifest(image) for one in made] == [one.manifest(image) for one in made]
    assert all(
        b"org.opencontainers.image.created" in one.manifest(image) for one in made if one.refers
    )
