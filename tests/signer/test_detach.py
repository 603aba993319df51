"""Detaching: what was revoked is gone from a registry, and everybody else's is as it was.

The registries, with the referrers API and without, are doubles; real ones, with real clients, are
in `tests/interop/test_detached.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from signer.attach import Attaching, Made, Patience
from signer.cli import detaching
from signer.client import Client
from signer.errors import ServiceError
from tests.registries.fake_harbor import FakeHarborRules
from tests.registries.fake_referrers import Answer, Asked, FakeReferrersRegistry, Kept, Refusal
from tests.signer import uploading
from tests.signer.commands import Done, check_refused, lines, one
from tests.signer.running import InProcess, running
from tests.signer.uploading import Hand, Log
from tests.signer.world import found_in
from verifier import simplesigning
from verifier.digest import Digest
from verifier.publickey import PublicKey
from verifier.pull.forms import SIG, find_forms
from verifier.pull.images import (
    EMPTY,
    EMPTY_CONTENT,
    IMAGE,
    INDEX,
    Descriptor,
    Images,
    fallback_tag,
)
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository, Scope
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.trust.revocation import Revocation

FORMS = ("bundle", "simplesigning", "certificate", "notation")
KINDS = sorted(FORMS)
THEIRS = "simplesigning"  # what somebody else attached
PATIENT = Patience(settle_s=0.05, total_s=20)
REASON = ("--reason", "a mistake")
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = b"application/vnd.dev.sigstore.bundle.v0.3+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


class Spoiled(FakeReferrersRegistry):
    """As `FakeReferrersRegistry`; perhaps nothing is deleted, or somebody writes meanwhile."""

    def __init__(self, *, referrers_api: bool = True, deletes: bool = True) -> None:
        super().__init__(referrers_api=referrers_api)
        self.deletes = deletes
        self.meanwhile: bytes = b""  # what somebody adds to a `.sig` before our first change
        self.puts_back = False  # whether somebody writes a `.sig` again after it, as it was
        self.changes = 0
        self._was, self._added = ("", b""), 0

    def refuses(self, asked: Asked) -> Refusal | None:
        if asked.kind == "manifests" and asked.method in ("PUT", "DELETE"):
            self.changes += 1
            if self.meanwhile:
                self._add(asked.name)
        elif asked.rest.endswith(SIG) and self.puts_back and 0 < self._added < self.changes:
            self.puts_back = False
            self._put(asked.name, *self._was)
        if asked.method == "DELETE" and not self.deletes:
            return Refusal(405, "UNSUPPORTED", "The operation is unsupported.")
        return None

    def _add(self, name: str) -> None:
        kept = self.kept(name)
        [tag] = [tag for tag in kept.tags if tag.endswith(SIG)]
        content = kept.manifests[kept.tags[tag]][1]
        self._was, self._added = (tag, content), self.changes
        layer = Descriptor.of(SIMPLE, self.meanwhile)
        kept.blobs[layer.digest], self.meanwhile = self.meanwhile, b""
        value = json.loads(content)
        value["layers"].append(layer.json() | {"annotations": SIGNATURE})
        self._put(name, tag, json.dumps(value).encode())

    def _put(self, name: str, tag: str, content: bytes) -> None:
        digest = Digest.of(content)
        self.kept(name).manifests[digest] = (IMAGE, content)
        self.kept(name).tags[tag] = digest


SIGNATURE = {"dev.cosignproject.cosign/signature": "AAAA"}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settle sooner: nobody here takes two seconds between reading and writing."""
    monkeypatch.setattr(detaching, "PATIENCE", PATIENT)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that signs in every form; each test has images of its own."""
    with running(found_in(tmp_path_factory.mktemp("detach") / "service", FORMS)) as service:
        yield service


@pytest.fixture
def registry() -> Iterator[Spoiled]:
    """A registry with the referrers API."""
    with Spoiled() as registry:
        yield registry


@contextmanager
def opened(place: str) -> Iterator[Images]:
    images = open_images(parse_place(place), Registries(), create=True)
    try:
        yield images
    finally:
        images.close()


def push(place: str, name: str) -> Descriptor:
    """Push an image of one layer, tagged by its name."""
    with opened(place) as images:
        layer, config = Descriptor.of("text/plain", name.encode()), Descriptor.of(EMPTY, b"{}")
        images.put_blob(layer, [name.encode()])
        images.put_blob(config, [EMPTY_CONTENT])
        value = {"schemaVersion": 2, "mediaType": IMAGE}
        value |= {"config": config.json(), "layers": [layer.json()]}
        content = json.dumps(value).encode()
        images.put_manifest(content, IMAGE, name)
        return Descriptor.of(IMAGE, content)


def sign(service: InProcess, repository: str, image: Descriptor, **more: Any) -> int:
    """Approve an image in every form; return the first entry."""
    more = {"size": image.size, "media_type": image.media_type, **more}
    with service.client() as client:
        index: int = client.sign(image.digest, repository, **more).record.index
    return index


def attach(service: InProcess, place: str, image: Descriptor, folder: Path) -> None:
    """Attach everything that the ledger has about an image."""
    folder.mkdir(exist_ok=True)
    log_id = service.ledger.log_key.log_id
    with service.client() as client:
        listed = client.listed(image.digest, where=lambda one: folder / str(one.record.index))
    made = []
    for said in listed:
        rendered = (folder / str(said.record.index)).read_bytes()
        made.append(Made.of(said.record, rendered, log_id, said.predicate_type))
    with opened(place) as images, Attaching(PATIENT) as attaching:
        attaching.start(images, image, made)
        [attached] = attaching.finish()
    assert [] == list(attached.refused)


def signed(service: InProcess, place: str, name: str, folder: Path) -> Descriptor:
    """Push an image, approve it in every form, and attach all of it."""
    image = push(place, name)
    sign(service, place, image)
    attach(service, place, image, folder)
    return image


def others(place: str, image: Descriptor, *layers: dict[str, Any]) -> dict[str, Any]:
    """Attach these, or what somebody signed, before anybody; return the last layer of `.sig`."""
    with opened(place) as images:
        payload, config = Descriptor.of(SIMPLE, b"theirs"), Descriptor.of(CONFIG, b'{"a":1}')
        images.put_blob(payload, [b"theirs"])
        images.put_blob(config, [b'{"a":1}'])
        layer = payload.json() | {"annotations": SIGNATURE, "odd": {"b": 1, "a": [2]}}
        value = {"schemaVersion": 2, "mediaType": IMAGE, "annotations": {"theirs": "too"}}
        value |= {"config": config.json(), "layers": layers or [layer]}
        images.put_manifest(json.dumps(value).encode(), IMAGE, fallback_tag(image.digest) + SIG)
    return layer


def kinds(place: str, image: Descriptor) -> list[str]:
    """Return the kinds of what is attached to an image."""
    with opened(place) as images:
        return sorted(form.kind for form in find_forms(images, image.digest).forms)


def legacy(place: str, image: Descriptor) -> dict[str, Any]:
    """Return what is under an image's tag `.sig`."""
    with opened(place) as images:
        found: dict[str, Any] = json.loads(
            images.manifest(fallback_tag(image.digest) + SIG).content
        )
    return found


def revoke(service: InProcess, *words: object) -> Done:
    """Run `sealbook revoke` in the service's directory, with --json."""
    return service.command("revoke", *words, *REASON, "--json")


def detach(service: InProcess, *places: str) -> dict[str, Any]:
    """Run `sealbook detach` there, and return what it says of the first place."""
    done = service.command("detach", *places, "--json")
    return {"exit": done.returncode, **json.loads(done.stdout.splitlines()[0])}


def removed(said: dict[str, Any]) -> list[str]:
    return sorted(piece["kind"] for piece in said["removed"])


@pytest.mark.parametrize("deletes", [True, False])
@pytest.mark.parametrize("api", [True, False])
def test_an_image(service: InProcess, tmp_path: Path, *, api: bool, deletes: bool) -> None:
    """
    Of a revoked image nothing that we signed is found any more, in whatever form, wherever it is;
    what somebody else signed about it, and what we signed about another, is as it was. Where
    nothing can be deleted, what the registry itself lists stays, and is told. Once more changes
    nothing.
    """
    with Spoiled(referrers_api=api, deletes=deletes) as registry:
        place = f"{registry.address}/team/app"
        image = push(place, f"a-{api}-{deletes}")
        theirs = others(place, image)
        sign(service, place, image)
        attach(service, place, image, tmp_path / "image")
        other = signed(service, place, f"b-{api}-{deletes}", tmp_path / "other")
        assert sorted([*KINDS, THEIRS]) == kinds(place, image)

        done = revoke(service, "--digest", image.digest, "--detach", place)
        [said] = one(done)["detached"]

        stays = [] if deletes or not api else ["bundle", "certificate", "notation"]
        assert sorted([*stays, THEIRS]) == kinds(place, image)
        assert stays == sorted(piece["kind"] for piece in said["stays"])
        assert {"read-only"} >= {piece["error"] for piece in said["stays"]}
        assert sorted(set(KINDS) - set(stays)) == removed(said)
        assert int(bool(stays)) == done.returncode
        assert [theirs] == legacy(place, image)["layers"]
        assert {"theirs": "too"} == legacy(place, image)["annotations"]
        assert KINDS == kinds(place, other)

        before = registry.changes
        again = detach(service, place)
        assert [] == again["removed"]
        assert stays == sorted(piece["kind"] for piece in again["stays"])
        assert bool(stays) == (registry.changes != before)


@pytest.mark.parametrize("api", [True, False])
def test_nothing_else_there(service: InProcess, tmp_path: Path, *, api: bool) -> None:
    """
    Where nobody else signed, no empty list is left behind.
    """
    with Spoiled(referrers_api=api) as registry:
        place = f"{registry.address}/team/app"
        image = signed(service, place, f"c-{api}", tmp_path / "image")

        done = revoke(service, "--digest", image.digest, "--detach", place)

        assert 0 == done.returncode, done.stderr
        kept = registry.kept("team/app")
        assert [f"c-{api}"] == list(kept.tags)
        assert [image.digest] == list(kept.manifests)


def test_a_key_from_a_position_on(tmp_path: Path) -> None:
    """
    What a key signed before the position stays attached, and what it signed later goes: of images
    that have no tag any more, too. `sealbook detach` does it later, with what status.json says.
    """
    with (
        running(found_in(tmp_path / "service", FORMS)) as service,
        Spoiled(referrers_api=False) as registry,
    ):
        place = f"{registry.address}/team/app"
        early = signed(service, place, "early", tmp_path / "early")
        position = service.tree_size
        late = signed(service, place, "late", tmp_path / "late")
        sign(service, place, early, renew=True)
        attach(service, place, early, tmp_path / "early")
        mirror = f"{registry.address}/mirror/app"  # nothing was signed for it
        attach(service, mirror, push(mirror, "late"), tmp_path / "late")
        for name in ("team/app", "mirror/app"):
            del registry.kept(name).tags["late"]
        assert sorted(2 * KINDS) == kinds(place, early)

        done = revoke(service, "--key", "release", "--after", position)
        assert 0 == done.returncode, done.stderr
        assert "detached" not in one(done)
        said = detach(service, place, mirror)

        assert (0, 2, 8) == (said["exit"], said["images"], len(said["removed"]))
        assert (KINDS, []) == (kinds(place, early), kinds(place, late))
        assert [] == kinds(mirror, late)
        assert all(piece["entry"] >= position for piece in said["removed"])

        down = service.command("detach", "127.0.0.1:9/team/app", place, "--json")
        assert 1 == down.returncode
        first, second = lines(down)
        assert ["registry-unreachable"] == [one["error"] for one in first["failed"]]
        assert (2, [], []) == (second["images"], second["removed"], second["failed"])


def test_an_entry(service: InProcess, registry: Spoiled, tmp_path: Path) -> None:
    """
    Of a revoked entry its one signature goes, and the other forms stay; in a place that names one
    image no other is looked at.
    """
    place = f"{registry.address}/team/app"
    image = signed(service, place, "entry", tmp_path / "image")
    entry = sign(service, place, image)

    done = revoke(service, "--entry", entry, "--detach", f"{place}:entry")
    [said] = one(done)["detached"]

    assert ["bundle"] == removed(said)
    assert 1 == said["images"]
    assert ["certificate", "notation", "simplesigning"] == kinds(place, image)


class Narrow(Client):
    """A client that is shown no entries and no lists, as an operator on another machine."""

    def entry(self, index: int) -> Any:
        raise ServiceError("permission-denied", f"entry {index} is not for you")

    def search(self, name: str, value: str, start: int = 0, **_: Any) -> Any:
        raise ServiceError("permission-denied", f"{name} {value} {start} is not for you")


class Down(Narrow):
    """A client whose service refuses for another reason."""

    def entry(self, index: int) -> Any:
        raise ServiceError("busy", f"not {index} now")


@pytest.mark.parametrize("kind", [Narrow, Down])
def test_an_operator_elsewhere(
    service: InProcess, registry: Spoiled, tmp_path: Path, kind: type[Narrow]
) -> None:
    """
    Whoever may not read entries detaches as well, by looking through all that the registry names;
    when the service refuses for another reason nothing is called done.
    """
    place = f"{registry.address}/team/app"
    image = signed(service, place, f"elsewhere-{kind.__name__.lower()}", tmp_path / "image")
    entry = sign(service, place, image)
    revocation = Revocation("entry", str(entry), "a mistake", 1)

    with (
        detaching.opened([place]) as targets,
        kind(service.addresses.grpc, service.token) as client,
    ):
        [outcome] = detaching.detach_all(targets, client, [revocation])

    assert (kind is Narrow) == outcome.is_clean
    assert ("bundle" in kinds(place, image)) == (kind is Down)


def test_an_attestation(tmp_path: Path, registry: Spoiled) -> None:
    """
    What a revoked key attested goes, and approvals by another key stay.
    """
    with running(found_in(tmp_path / "service", FORMS)) as service:
        place = f"{registry.address}/team/app"
        image = push(place, "attested")
        sign(service, place, image)
        with service.client() as client:
            client.attest([image.digest], place, "https://example.com/said/v1", b'{"a":1}')
        attach(service, place, image, tmp_path / "image")
        assert sorted([*KINDS, "attestation"]) == kinds(place, image)

        done = revoke(service, "--key", "attest", "--after", 0, "--detach", place)

        assert 0 == done.returncode, done.stdout
        assert KINDS == kinds(place, image)


def test_what_others_logged_here(tmp_path: Path, registry: Spoiled) -> None:
    """
    What cosign signed by a key of trust.json, and logged, goes when that key is revoked, though its
    entry does not say what it is about; what cosign signed by another key stays, until its entry is
    revoked.
    """
    world = found_in(tmp_path / "service", FORMS)
    trusted, other = Hand.of("ecdsa-p256"), Hand.of("ecdsa-p256")
    key = TrustedKey("outside", "approve", PublicKey(trusted.spki), (Scope("*"),))
    keys = keys_by_hint([*world.trust.keys.values(), key])
    (world.directory / "trust.json").write_bytes(world.trust._replace(keys=keys).json())
    with running(world) as service:
        place = f"{registry.address}/team/app"
        image = push(place, "uploaded")
        layers = [uploaded(service, place, hand, image) for hand in (trusted, other)]
        others(place, image, *layers)

        done = revoke(service, "--key", "outside", "--after", 0, "--detach", place)
        [said] = one(done)["detached"]

        assert ["simplesigning"] == removed(said)
        assert layers[1:] == legacy(place, image)["layers"]

        promised = json.loads(layers[1]["annotations"][simplesigning.BUNDLE])
        entry = promised["Payload"]["logIndex"]
        done = revoke(service, "--entry", entry, "--detach", place)

        assert 0 == done.returncode, done.stdout
        assert [] == kinds(place, image)


def uploaded(service: InProcess, place: str, hand: Hand, image: Descriptor) -> dict[str, Any]:
    """Sign an image and log that, as cosign 2 does; return the layer, its payload put there."""
    payload = simplesigning.payload(Repository(place), image.digest, {})
    request = uploading.legacy(hand, payload)
    [logged] = Log(service).post(request, uploading.V1).raise_for_status().json().values()
    promised = {
        "SignedEntryTimestamp": logged["verification"]["signedEntryTimestamp"],
        "Payload": {name: logged[name] for name in ("body", "integratedTime", "logIndex", "logID")},
    }
    described = Descriptor.of(SIMPLE, payload)
    with opened(place) as images:
        images.put_blob(described, [payload])
    signature = request["spec"]["signature"]["content"]
    beside = {simplesigning.SIGNATURE: signature, simplesigning.BUNDLE: json.dumps(promised)}
    return described.json() | {"annotations": beside}


def test_a_tag_that_is_written_once(service: InProcess, tmp_path: Path) -> None:
    """
    Where Harbor lets `.sig` tags be written once and never deleted, that signature stays, which is
    told with what to do about it; the rest goes.
    """
    with FakeHarborRules(immutable=("sha256-*",)) as registry:
        place = f"{registry.address}/team/app"
        image = signed(service, place, "immutable", tmp_path / "image")

        done = revoke(service, "--digest", image.digest, "--detach", place)
        [said] = one(done)["detached"]

        assert 1 == done.returncode
        assert ["bundle", "certificate", "notation"] == removed(said)
        assert [("simplesigning", "immutable-tag")] == [
            (piece["kind"], piece["error"]) for piece in said["stays"]
        ]
        assert ["simplesigning"] == kinds(place, image)


def test_a_place_that_is_not_meant(service: InProcess, registry: Spoiled, tmp_path: Path) -> None:
    """
    An image that is revoked elsewhere stays signed here; its signature for elsewhere, that came
    with a copy, goes here too. Of one that is revoked here nothing stays, for wherever it is.
    """
    place = f"{registry.address}/team/app"
    image = push(place, "copied")
    sign(service, place, image)
    sign(service, "registry.example/elsewhere/app", image)
    attach(service, place, image, tmp_path / "image")
    assert sorted(2 * KINDS) == kinds(place, image)

    where = ("--repository", "registry.example/elsewhere")
    done = revoke(service, "--digest", image.digest, *where, "--detach", place)

    assert 0 == done.returncode, done.stdout
    assert KINDS == kinds(place, image)

    sign(service, "registry.example/third/app", image)
    attach(service, place, image, tmp_path / "image")
    done = revoke(service, "--digest", image.digest, "--repository", place, "--detach", place)

    assert 0 == done.returncode, done.stdout
    assert [] == kinds(place, image)


def test_a_layout(service: InProcess, tmp_path: Path) -> None:
    """
    A layout on disk is a place like a registry.
    """
    place = f"oci:{tmp_path / 'layout'}"
    image = push(place, "local")
    sign(service, "registry.example/local", image)
    attach(service, place, image, tmp_path / "image")
    assert KINDS == kinds(place, image)

    done = revoke(service, "--digest", image.digest, "--detach", place)

    assert 0 == done.returncode, done.stdout
    assert [] == kinds(place, image)


@pytest.mark.parametrize("deletes", [True, False])
def test_somebody_signs_meanwhile(service: InProcess, tmp_path: Path, *, deletes: bool) -> None:
    """
    What somebody adds between our look and our writing is there afterwards; and what they put back,
    for they had read before, goes again.
    """
    with Spoiled(deletes=deletes) as registry:
        place = f"{registry.address}/team/app"
        image = signed(service, place, f"meanwhile-{deletes}", tmp_path / "image")
        registry.meanwhile, registry.puts_back = b"theirs", True

        done = revoke(service, "--digest", image.digest, "--detach", place)

        assert (b"", False) == (registry.meanwhile, registry.puts_back)
        assert int(not deletes) == done.returncode
        with opened(place) as images:
            found = find_forms(images, image.digest).forms
        assert [b"theirs"] == [one.content for one in found if one.kind == THEIRS]


def test_what_the_service_publishes(registry: Spoiled, tmp_path: Path) -> None:
    """
    What is detached the service does not attach again, when it is asked to publish, and the
    lookaside has it no more: of a revoked entry that one, of a revoked image nothing.
    """
    world = found_in(tmp_path / "service", FORMS)
    with world.config.open("a") as file:
        file.write(f'\n[[registries]]\nprefix = "{registry.address}"\npublish = true\n')
    place = f"{registry.address}/team/app"
    image = push(place, "published")
    with running(world) as service, service.client() as client:
        sign(service, place, image)
        [first] = client.publish(place, [image.digest], wait_s=20)
        assert KINDS == kinds(place, image)
        assert 200 == lookaside(service, place, image)
        legacy_entry = next(
            one.record.index
            for one in client.listed(image.digest)
            if one.record.form == "simplesigning"
        )

        done = revoke(service, "--entry", legacy_entry, "--detach", place)
        assert 0 == done.returncode, done.stdout
        assert 404 == lookaside(service, place, image)
        client.publish(place, [image.digest], wait_s=20)
        assert ["bundle", "certificate", "notation"] == kinds(place, image)

        revoke(service, "--digest", image.digest, "--detach", place)
        with pytest.raises(ServiceError) as refusal:
            client.publish(place, [image.digest], wait_s=20)
        assert [] == kinds(place, image)

    assert "revoked" == refusal.value.code
    assert legacy_entry in first.entries


def lookaside(service: InProcess, place: str, image: Descriptor) -> int:
    """Ask for the image's first signature as Podman does; return the status."""
    hexadecimal = image.digest.partition(":")[2]
    url = f"http://{service.addresses.http}/lookaside/{place}@sha256={hexadecimal}/signature-1"
    headers = {"authorization": f"Bearer {service.token}"}
    return httpx.get(url, headers=headers, trust_env=False).status_code


class Returning(Spoiled):
    """As `Spoiled`; once somebody puts an artifact back that was deleted, as a mirror may."""

    gone: tuple[str, bytes] | None = None
    returned = False

    def deleted(self, kept: Kept, reference: str, digest: str) -> Answer:
        self.gone = (digest, kept.manifests[digest][1])
        return super().deleted(kept, reference, digest)

    def refuses(self, asked: Asked) -> Refusal | None:
        if asked.kind == "referrers" and self.gone is not None and not self.returned:
            self.returned = True
            self.kept(asked.name).manifests[self.gone[0]] = (IMAGE, self.gone[1])
        return super().refuses(asked)


def test_an_untagged_image(tmp_path: Path) -> None:
    """
    What a key signed of an image that nothing in the registry names is found by the ledger, and is
    gone, though somebody puts it back once.
    """
    with (
        running(found_in(tmp_path / "service", ("bundle",))) as service,
        Returning() as registry,
    ):
        place = f"{registry.address}/team/app"
        image = signed(service, place, "untagged", tmp_path / "image")
        registry.kept("team/app").tags.clear()
        assert ["bundle"] == kinds(place, image)

        done = revoke(service, "--key", "release", "--after", 0, "--detach", place)

        assert 0 == done.returncode, done.stdout
        assert registry.returned
        assert [] == kinds(place, image)


def test_an_artifact_of_two(service: InProcess, registry: Spoiled, tmp_path: Path) -> None:
    """
    An artifact that holds what somebody else signed, too, is left as it is, and told.
    """
    place = f"{registry.address}/team/app"
    image = signed(service, place, "two", tmp_path / "image")
    kept = registry.kept("team/app")
    digest = next(d for d, (_, raw) in kept.manifests.items() if BUNDLE in raw)
    value = json.loads(kept.manifests.pop(digest)[1])
    kept.blobs[Digest.of(b"{}")] = b"{}"
    value["layers"].append(Descriptor.of(BUNDLE.decode(), b"{}").json())
    content = json.dumps(value).encode()
    kept.manifests[Digest.of(content)] = (IMAGE, content)

    done = revoke(service, "--digest", image.digest, "--detach", place)
    [said] = one(done)["detached"]

    assert 1 == done.returncode
    assert [Digest.of(content)] == [piece["digest"] for piece in said["stays"]]
    assert (IMAGE, content) == kept.manifests[Digest.of(content)]


def test_a_registry_that_is_down(service: InProcess, registry: Spoiled, tmp_path: Path) -> None:
    """
    A registry that is down is told, and the others are done; the revocation stands.
    """
    place = f"{registry.address}/team/app"
    image = signed(service, place, "down", tmp_path / "image")
    down = "127.0.0.1:9/team/app"

    done = revoke(service, "--digest", image.digest, "--detach", down, place)
    told = one(done)

    assert 1 == done.returncode
    assert ["registry-unreachable"] == [one["error"] for one in told["detached"][0]["failed"]]
    assert KINDS == removed(told["detached"][1])
    assert image.digest == told["revocation"]["digest"]


def test_a_place_that_is_none(service: InProcess) -> None:
    """
    A place that is none is said before anything is revoked.
    """
    before = service.tree_size

    done = service.command("revoke", "--entry", 0, *REASON, "--detach", "no place")

    check_refused(done, "bad-place")
    assert before == service.tree_size


def test_an_index(service: InProcess, registry: Spoiled, tmp_path: Path) -> None:
    """
    What is under a revoked index stays signed, as it is not revoked with it, and that is told.
    """
    place = f"{registry.address}/team/app"
    child = signed(service, place, "child", tmp_path / "child")
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child.json()]}
    content = json.dumps(value).encode()
    with opened(place) as images:
        images.put_manifest(content, INDEX, "index")
    index = Descriptor.of(INDEX, content)
    sign(service, place, index)
    attach(service, place, index, tmp_path / "index")

    done = revoke(service, "--digest", index.digest, "--detach", place)
    [said] = one(done)["detached"]

    assert [child.digest] == said["under"]
    assert ([], KINDS) == (kinds(place, index), kinds(place, child))
    told = service.command("detach", place).stdout
    assert f"so that Podman runs it:\n  {child.digest}\n" in told


def test_what_people_are_told(service: InProcess, registry: Spoiled, tmp_path: Path) -> None:
    """
    People are told what was revoked, what went, and what stays.
    """
    registry.deletes = False
    place = f"{registry.address}/team/app"
    image = signed(service, place, "told", tmp_path / "image")

    done = service.command("revoke", "--digest", image.digest, *REASON, "--detach", place)

    assert 1 == done.returncode
    assert f"revoked: {image.digest} in every repository: a mistake\n" in done.stdout
    assert f"\n{place}: 1 revoked signatures removed from 1 of 1 images\n" in done.stdout
    assert done.stdout.count("STAYS") == 3
    assert "(read-only)" in done.stdout
