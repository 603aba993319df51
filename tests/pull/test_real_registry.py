"""The client against docker-registry 2.8: what it puts there is there, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.pull.errors import (
    ImagesError,
    NoImageError,
    ReadOnlyError,
    RefusedContentError,
    RegistryUnreachableError,
    WrongContentError,
)
from verifier.pull.images import DOCKER_IMAGE, IMAGE, INDEX, Descriptor
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.catalog import catalog
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

ALONE = Registries((), docker=False)
OCTETS = "application/octet-stream"
CONFIG = b'{"architecture":"amd64","os":"linux"}'


@pytest.fixture
def app(address: str) -> Iterator[Registry]:
    """A repository of one test."""
    with Registry(Repository(f"{address}/team/{uuid4().hex}"), ALONE) as app:
        yield app


def put_image(app: Registry, tag: str = "", **fields: object) -> bytes:
    config = Descriptor.of("application/vnd.oci.image.config.v1+json", CONFIG)
    app.put_blob(config, [CONFIG])
    value = {"schemaVersion": 2, "mediaType": IMAGE, "config": config.json(), "layers": []}
    content = json.dumps({**value, **fields}).encode()
    app.put_manifest(content, IMAGE, tag)
    return content


def test_image_there_and_back(app: Registry) -> None:
    """
    An image and an index that were put are read back, by tag and by digest, to the byte.
    """
    image = put_image(app, "1.0")
    listed = [{"mediaType": IMAGE, "digest": Digest.of(image), "size": len(image)}]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    written = app.put_manifest(index, INDEX, "multi")

    assert Digest.of(index) == written.digest
    assert not written.listed
    assert Descriptor.of(IMAGE, image) == app.resolve("1.0")
    assert Descriptor.of(INDEX, index) == app.resolve(Digest.of(index))
    assert image == app.manifest("1.0").content == app.manifest(Digest.of(image)).content
    assert [Digest.of(image)] == [one.digest for one in app.manifest("multi").children]
    assert ["1.0", "multi"] == sorted(app.tags())
    assert app.referrers(Digest.of(image)) is None
    assert app.repository in list(catalog(app.repository.partition("/")[0], ALONE, "team"))


def test_nothing_there(app: Registry) -> None:
    """
    What is not there is `no-image`, whatever it would have been.
    """
    put_image(app)
    for reference in ("none", Digest.of(b"none")):
        with pytest.raises(NoImageError):
            app.resolve(reference)
        with pytest.raises(NoImageError):
            app.manifest(reference)
        with pytest.raises(NoImageError):
            app.delete(Digest.of(b"none"))
    with pytest.raises(NoImageError):
        app.small_blob(Descriptor.of(OCTETS, b"none"), 100)
    assert not app.has_blob(Digest.of(b"none"))


@pytest.mark.parametrize("size", [1, 1000, 300_000, 5_000_000])
def test_blob_there_and_back(app: Registry, size: int) -> None:
    """
    A blob that comes in pieces of any size is there, and once: the second time nothing is sent.
    """
    content = bytes(n * 7 & 255 for n in range(min(size, 65_537))) * (size // 65_537 + 1)
    blob = Descriptor.of(OCTETS, content)

    app.put_blob(blob, (content[at : at + 70_000] for at in range(0, len(content), 70_000)))

    assert content == b"".join(app.blob(blob))
    with Registry(app.repository, ALONE) as again:
        again.put_blob(blob, iter(lambda: pytest.fail("was sent again"), None))


@pytest.mark.parametrize(
    "pieces", [[b"what it should not be"], [b"what"], [], [b"what it should be", b"!"]]
)
def test_wrong_blob_is_not_put(app: Registry, pieces: list[bytes]) -> None:
    """
    Pieces that are not what was described are not there afterwards, not even under another name.
    """
    blob = Descriptor.of(OCTETS, b"what it should be")

    with pytest.raises(WrongContentError) as caught:
        app.put_blob(blob, pieces)

    assert "wrong-content" == caught.value.code
    assert not app.has_blob(blob.digest)
    assert not app.has_blob(Digest.of(b"".join(pieces)))
    app.put_blob(blob, [b"what it ", b"should be"])
    assert app.has_blob(blob.digest)


def test_in_parts(app: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A blob that goes in parts is whole afterwards.
    """
    from verifier.pull.registry import uploading

    monkeypatch.setattr(uploading, "_PART", 100_000)
    content = b"0123456789" * 45_000
    blob = Descriptor.of(OCTETS, content)
    deadline = app._deadline("test")

    upload = uploading.Upload(app._host, app._path, app._push)
    answer = upload._in_parts(blob, [content], deadline)
    answer.discard()

    assert 201 == answer.status
    assert content == b"".join(app.blob(blob))


def test_mount(app: Registry, address: str) -> None:
    """
    A blob of another repository is taken from there, and nothing is sent.
    """
    content = uuid4().bytes * 1000
    blob = Descriptor.of(OCTETS, content)
    app.put_blob(blob, [content])

    with Registry(Repository(f"{address}/other/{uuid4().hex}"), ALONE) as other:
        other.put_blob(blob, iter(lambda: pytest.fail("was sent"), None), mount_from=app.repository)
        assert content == b"".join(other.blob(blob))
        assert not other.mount(Descriptor.of(OCTETS, b"nowhere"), app.repository)
        assert not other.mount(blob, Repository("registry.example/team/app"))


def test_manifest_without_its_blobs(app: Registry) -> None:
    """
    A manifest that the registry refuses is `registry-refused`, with the registry's own words.
    """
    config = {"mediaType": OCTETS, "size": 9, "digest": Digest.of(b"not there")}
    content = {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": []}

    with pytest.raises(RefusedContentError) as caught:
        app.put_manifest(json.dumps(content).encode(), IMAGE, "1.0")

    assert "registry-refused" == caught.value.code
    assert "BLOB_UNKNOWN" in caught.value.message


def test_delete(app: Registry) -> None:
    """
    A manifest is deleted by digest; docker-registry deletes no tags, and that is `read-only`.
    """
    image = put_image(app, "1.0")
    with pytest.raises(ReadOnlyError):
        app.delete("1.0")
    assert image == app.manifest("1.0").content

    app.delete(Digest.of(image))

    with pytest.raises(NoImageError):
        app.manifest("1.0")


@pytest.mark.parametrize(
    "reference", ["", "../x", "a/b", "a b", "sha256:00", "sha512:" + "0" * 128, "é"]
)
def test_no_reference(app: Registry, reference: str) -> None:
    """
    What is neither a tag nor a digest is never asked for.
    """
    for act in (app.resolve, app.manifest, app.delete):
        with pytest.raises(MalformedError):
            act(reference)


def test_manifest_of_another_type(app: Registry) -> None:
    """
    Only manifests are put as manifests.
    """
    with pytest.raises(MalformedError):
        app.put_manifest(b"{}", "text/html\r\nX: 1")
    app.put_blob(Descriptor.of(OCTETS, CONFIG), [CONFIG])
    config = Descriptor.of("application/vnd.docker.container.image.v1+json", CONFIG).json()
    content = {"schemaVersion": 2, "mediaType": DOCKER_IMAGE, "config": config, "layers": []}
    assert app.put_manifest(json.dumps(content).encode(), DOCKER_IMAGE, "docker")
    assert DOCKER_IMAGE == app.resolve("docker").media_type


def test_many_threads(app: Registry) -> None:
    """
    Eight threads use one repository at once, and connections are used again.
    """
    contents = [b"%d" % n for n in range(64)]

    def there_and_back(content: bytes) -> bytes:
        blob = Descriptor.of(OCTETS, content)
        app.put_blob(blob, [content])
        return app.small_blob(blob, 100)

    with ThreadPoolExecutor(8) as threads:
        assert contents == list(threads.map(there_and_back, contents))


def test_opened_by_place(app: Registry) -> None:
    """
    A place in a registry opens as one, and closing it twice is harmless.
    """
    image = put_image(app, "1.0")
    place = parse_place(f"{app.repository}:1.0")

    images = open_images(place, ALONE)
    assert Digest.of(image) == images.resolve(place.reference).digest
    images.close()
    images.close()


def test_nobody_there() -> None:
    """
    Nobody at that port, or no such host, is `registry-unreachable`.
    """
    for name in ("127.0.0.1:1/app", "nowhere.invalid/app"):
        with Registry(Repository(name), ALONE) as app, pytest.raises(ImagesError) as caught:
            app.resolve("1.0")
        assert isinstance(caught.value, RegistryUnreachableError)
        assert "registry-unreachable" == caught.value.code
