"""Everything that is attached to a digest is found once, and nothing odd hides it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from verifier import limits
from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.pull import kinds
from verifier.pull.errors import RegistryUnreachableError, TooManySignaturesError
from verifier.pull.forms import ATT, FALLBACK, REFERRERS, SBOM, SIG, find_forms
from verifier.pull.images import EMPTY, IMAGE, INDEX, Descriptor, fallback_tag
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SUBJECT = Digest.of(b"the image")
TAG = fallback_tag(SUBJECT)
PROVENANCE = {kinds.PREDICATE_TYPE: "https://slsa.dev/provenance/v1"}


class Busy(FakeReferrersRegistry):
    """Answers 503 for what is in `broken`."""

    broken = ""

    def refuses(self, asked: Asked) -> Refusal | None:
        return Refusal(503, "UNAVAILABLE") if asked.rest == self.broken else None


@pytest.fixture
def registry() -> Iterator[Busy]:
    """A registry with the referrers API."""
    with Busy() as registry:
        yield registry


@pytest.fixture
def app(registry: Busy) -> Iterator[Registry]:
    """A repository in it."""
    alone = Registries((), docker=False)
    with Registry(Repository(f"{registry.address}/app"), alone) as app:
        yield app


def put(app: Registry, value: Mapping[str, Any], tag: str = "") -> Descriptor:
    """Put a manifest there."""
    content = json.dumps({"schemaVersion": 2, **value}).encode()
    app.put_manifest(content, value["mediaType"], tag)
    return Descriptor.of(value["mediaType"], content)


def artifact(
    app: Registry,
    content: bytes = b"{}",
    media_type: str = BUNDLE,
    annotations: Mapping[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Put the parts of an artifact about the image there, and return its manifest."""
    layer, config = Descriptor.of(media_type, content), Descriptor.of(EMPTY, b"{}")
    for part, of in ((content, layer), (b"{}", config)):
        app.put_blob(of, [part])
    return {
        "mediaType": IMAGE,
        "artifactType": media_type,
        "config": config.json(),
        "layers": [layer.json()],
        "subject": {"mediaType": IMAGE, "digest": SUBJECT, "size": 9},
        "annotations": dict(annotations or {}),
        **more,
    }


def index(app: Registry, *listed: Descriptor) -> None:
    """Make these the referrers of the image where there is no API."""
    put(app, {"mediaType": INDEX, "manifests": [one.json() for one in listed]}, TAG)


def test_every_way_there(app: Registry) -> None:
    """
    What the API lists, what the index lists in its stead, and what is under cosign's tags is found,
    each by the way that leads there.
    """
    put(app, artifact(app, b"1"))
    without = artifact(app, b"2", annotations=PROVENANCE)
    listed = put(app, without)
    index(app, listed)
    tagged = {SIG: (SIMPLE, b"3"), ATT: (DSSE, b"4"), SBOM: ("text/spdx+json", b"5")}
    for suffix, (media_type, content) in tagged.items():
        put(app, artifact(app, content, media_type, subject=None), f"{TAG}{suffix}")

    found = find_forms(app, SUBJECT)

    ways = [(form.where, form.kind, form.content) for form in found.forms]
    assert sorted(ways) == [
        (ATT, kinds.ATTESTATION, b"4"),
        (SBOM, kinds.OTHER, b""),
        (SIG, kinds.SIMPLESIGNING, b"3"),
        (REFERRERS, kinds.ATTESTATION, b"2"),
        (REFERRERS, kinds.BUNDLE, b"1"),
    ]
    assert (True, []) == (found.has_api, list(found.odd))
    assert found.fallback is not None
    assert [SIG] == [one.where for one in find_forms(app, SUBJECT, tags=(SIG,)).artifacts[2:]]


def test_only_the_index(registry: Busy, app: Registry) -> None:
    """
    Where there is no API what the index lists is found, twice listed or not.
    """
    registry.referrers_api = False
    one = put(app, artifact(app))
    index(app, one, one)

    found = find_forms(app, SUBJECT)

    assert [(FALLBACK, one.digest)] == [(it.where, it.listed.digest) for it in found.artifacts]
    assert not found.has_api


def test_nothing(app: Registry) -> None:
    """
    A digest that nobody said anything about has nothing, in a repository that is not even there.
    """
    found = find_forms(app, SUBJECT)

    assert ([], [], [], None) == (
        list(found.artifacts),
        list(found.forms),
        list(found.odd),
        found.fallback,
    )


def test_our_own_first(app: Registry) -> None:
    """
    What says where in a log it is comes first: a hint, not more, and a bad one is none.
    """
    place = {kinds.INDEX: "7", kinds.LOG_ID: "00" * 32}
    bad = {kinds.INDEX: "+7", kinds.LOG_ID: "00" * 32}
    for n, said in enumerate(({}, bad, place, {})):
        put(app, artifact(app, b"%d" % n, annotations=said))

    assert [b"2", b"0", b"1", b"3"] == [form.content for form in find_forms(app, SUBJECT).forms]


def test_listed_without_reading(registry: Busy, app: Registry) -> None:
    """
    A list costs no blob: kinds are told by media types and annotations then.
    """
    put(app, artifact(app, annotations=PROVENANCE))
    put(app, artifact(app, b"2", SIMPLE, subject=None), f"{TAG}{SIG}")
    registry.requests.clear()

    found = find_forms(app, SUBJECT, read=False)

    assert [kinds.ATTESTATION, kinds.SIMPLESIGNING] == [form.kind for form in found.forms]
    assert [(b"", None)] * 2 == [(form.content, form.identity) for form in found.forms]
    assert not [one for one in registry.requests if "/blobs/" in one]


def test_what_is_odd(app: Registry) -> None:
    """
    O2: an artifact about another digest, or about none, is taken for nothing, and hides nothing.
    """
    other = {"mediaType": IMAGE, "digest": Digest.of(b"another"), "size": 9}
    about = [put(app, artifact(app, b"%d" % n, subject=s)) for n, s in enumerate((other, None))]
    good = put(app, artifact(app, b"good"))
    index(app, *about)

    found = find_forms(app, SUBJECT)

    assert [good.digest] == [one.listed.digest for one in found.artifacts]
    assert {one.digest for one in about} == {one.digest for one in found.odd}
    assert {"malformed"} == {one.error.code for one in found.odd}


def test_a_layer_that_is_missing(registry: Busy, app: Registry) -> None:
    """
    A signature whose bytes are gone, or are others, is odd; the next one counts.
    """
    gone, other, good = (artifact(app, b"%d!" % n) for n in range(3))
    for one in (gone, other, good):
        put(app, one)
    blobs = registry.kept("app").blobs
    del blobs[gone["layers"][0]["digest"]]
    blobs[other["layers"][0]["digest"]] = b"9!"

    found = find_forms(app, SUBJECT)

    assert [b"2!"] == [form.content for form in found.forms]
    assert ["no-image", "wrong-content"] == [one.error.code for one in found.odd]


def test_no_index(app: Registry) -> None:
    """
    Something else under the tag of the index ends the search: what it hides is not known.
    """
    put(app, artifact(app), TAG)

    with pytest.raises(MalformedError):
        find_forms(app, SUBJECT)


def test_a_place_that_fails(registry: Busy, app: Registry) -> None:
    """
    When the registry fails at one of them, the search fails: nothing was found is not the answer.
    """
    registry.broken = put(app, artifact(app)).digest

    with pytest.raises(RegistryUnreachableError):
        find_forms(app, SUBJECT)


def test_too_many(app: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    O5: more referrers, layers or bytes than are read are "too many", never fewer.
    """
    three = [put(app, artifact(app, b"%d" % n)) for n in range(3)]
    index(app, *three)
    assert 3 == len(find_forms(app, SUBJECT).forms)

    for name, most in (("REFERRERS", 2), ("SIGNATURES", 2), ("SIGNATURE_LAYERS", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, most)
            with pytest.raises(TooManySignaturesError):
                find_forms(app, SUBJECT)


def test_a_large_one(app: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An attestation that is too large to be read for a search is found, unread.
    """
    monkeypatch.setattr(limits, "BUNDLE", 99)
    put(app, artifact(app, b"x" * 100, annotations=PROVENANCE))

    [form] = find_forms(app, SUBJECT).forms

    assert (kinds.ATTESTATION, b"", None) == (form.kind, form.content, form.identity)


def test_two_of_one_payload(app: Registry) -> None:
    """
    One payload under two signatures is two, so are two payloads under one, and under none a
    payload is told by its bytes.
    """
    manifest = artifact(app, b"payload", SIMPLE, subject=None)
    [layer] = manifest["layers"]
    [other] = artifact(app, b"another", SIMPLE)["layers"]
    signed = [
        {**of, "annotations": {"dev.cosignproject.cosign/signature": one}}
        for of, one in ((layer, "MQ=="), (layer, "Mg=="), (other, "Mg=="), (layer, "!"))
    ]
    put(app, {**manifest, "layers": signed}, f"{TAG}{SIG}")

    identities = [form.identity for form in find_forms(app, SUBJECT).forms]

    assert 4 == len(set(identities))
    assert identities[3] is not None
    assert layer["digest"].encode() == identities[3].signature
