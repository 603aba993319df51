"""Image layouts: every manifest of the image that was named, and no byte that was not hashed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.making import refused
from verifier import limits
from verifier.digest import Digest
from verifier.pull.layout import INDEX_TYPES, MANIFEST_TYPES, Manifest, read_layout

OCI_IMAGE, DOCKER_IMAGE = MANIFEST_TYPES
OCI_INDEX, DOCKER_INDEX = INDEX_TYPES
TAG = "org.opencontainers.image.ref.name"
NOWHERE = Digest.of(b"nowhere")

Descriptor = dict[str, Any]


class Layout:
    """A layout in a directory, of which a test writes each part."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, content: object, media_type: str) -> Descriptor:
        """Write a blob, JSON unless it is bytes, and return its descriptor."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = Digest.of(data)
        self.path(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def path(self, digest: str) -> Path:
        """Return where a blob lies."""
        return self.directory / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def image(self, name: str, media_type: str = OCI_IMAGE) -> Descriptor:
        """Write the manifest of an image."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": Digest.of(name.encode()),
                "size": len(name),
            },
            "layers": [],
        }
        return self.blob(manifest, media_type)

    def index(self, *children: Descriptor, media_type: str = OCI_INDEX) -> Descriptor:
        """Write an image index."""
        content = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(children)}
        return self.blob(content, media_type)

    def top(self, *descriptors: Descriptor) -> None:
        """Write index.json."""
        content = {"schemaVersion": 2, "manifests": list(descriptors)}
        (self.directory / "index.json").write_text(json.dumps(content))

    def read(self, tag: str | None = None) -> list[Manifest]:
        """Read it."""
        return read_layout(self.directory, tag)

    def digests(self, tag: str | None = None) -> list[str]:
        """Read it, and return the digests in their order."""
        return [manifest.digest for manifest in self.read(tag)]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A layout without images."""
    return Layout(tmp_path / "image")


def tagged(descriptor: Descriptor, tag: str) -> Descriptor:
    """Return a descriptor with a tag."""
    return {**descriptor, "annotations": {TAG: tag}}


@pytest.mark.parametrize("media_type", MANIFEST_TYPES)
def test_image(layout: Layout, media_type: str) -> None:
    """
    An image is its one manifest, with its size and media type.
    """
    image = layout.image("app", media_type)
    layout.top(image)

    assert [Manifest(image["digest"], image["size"], media_type)] == layout.read()


@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_index(layout: Layout, media_type: str) -> None:
    """
    An index comes first, and after it each of its children.
    """
    children = [layout.image("amd64"), layout.image("arm64", DOCKER_IMAGE)]
    index = layout.index(*children, media_type=media_type)
    layout.top(index)

    assert [d["digest"] for d in (index, *children)] == layout.digests()
    assert [media_type, OCI_IMAGE, DOCKER_IMAGE] == [m.media_type for m in layout.read()]


def test_index_of_indexes(layout: Layout) -> None:
    """
    An index under an index is followed, depth first.
    """
    a, b, c = (layout.image(name) for name in "abc")
    inner = layout.index(a, b)
    outer = layout.index(inner, c)
    layout.top(outer)

    assert [d["digest"] for d in (outer, inner, a, b, c)] == layout.digests()


def test_shared_child(layout: Layout) -> None:
    """
    A manifest that is reached in two ways is listed once.
    """
    shared, other = layout.image("shared"), layout.image("other")
    first, second = layout.index(shared), layout.index(shared, other)
    outer = layout.index(first, second, shared)
    layout.top(outer)

    assert [d["digest"] for d in (outer, first, shared, second, other)] == layout.digests()


def test_descriptor_with_more(layout: Layout) -> None:
    """
    Platforms, URLs and annotations of a descriptor do not matter.
    """
    image = layout.image("app")
    more = {"platform": {"os": "linux"}, "urls": [], "annotations": {"x": "y"}, "data": ""}
    layout.top(layout.index({**image, **more}))

    assert image["digest"] == layout.digests()[1]


def test_manifest_without_media_type(layout: Layout) -> None:
    """
    A manifest need not repeat the media type of its descriptor.
    """
    image = layout.blob({"schemaVersion": 2, "config": {}, "layers": []}, OCI_IMAGE)
    index = layout.blob({"schemaVersion": 2, "manifests": [image]}, OCI_INDEX)
    layout.top(index)

    assert [index["digest"], image["digest"]] == layout.digests()


def test_tag(layout: Layout) -> None:
    """
    Of several images the one with the tag is meant, exactly.
    """
    old, new = layout.image("old"), layout.image("new")
    layout.top(tagged(old, "1.0"), tagged(new, "1.1"))

    assert [new["digest"]] == layout.digests("1.1")
    assert [old["digest"]] == layout.digests("1.0")
    for tag in ("1", "1.1 ", "", "1.2", "latest"):
        assert "1.0, 1.1" in refused("bad-layout", lambda tag=tag: layout.read(tag)).message


def test_no_tag(layout: Layout) -> None:
    """
    Without a tag a layout with one image is clear, with a tag on it or not.
    """
    image = layout.image("app")
    layout.top(tagged(image, "1.0"))
    assert [image["digest"]] == layout.digests()
    layout.top(image)

    assert [image["digest"]] == layout.digests()
    refused("bad-layout", lambda: layout.read("1.0"))


def test_several_without_tag(layout: Layout) -> None:
    """
    Of several images none is guessed, and the refusal says how to name one.
    """
    layout.top(tagged(layout.image("old"), "1.0"), layout.image("new"))

    error = refused("bad-layout", layout.read)
    assert "found 2 (tags: 1.0)" in error.message
    assert "oci:DIR:TAG" in error.hint


def test_tag_twice(layout: Layout) -> None:
    """
    A tag that is on two images names neither.
    """
    layout.top(tagged(layout.image("old"), "1.0"), tagged(layout.image("new"), "1.0"))

    refused("bad-layout", lambda: layout.read("1.0"))


def test_no_layout(layout: Layout, tmp_path: Path) -> None:
    """
    A directory without oci-layout or index.json is no layout, nor is what is not there.
    """
    refused("bad-layout", layout.read)
    layout.top(layout.image("app"))
    layout.read()
    (layout.directory / "oci-layout").unlink()

    assert "skopeo" in refused("bad-layout", layout.read).hint
    refused("bad-layout", lambda: read_layout(tmp_path / "none", None))
    refused("bad-layout", lambda: read_layout(layout.directory / "index.json", None))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe{}", "malformed"),
        (b"{}", "bad-layout"),
        (b'{"manifests":{}}', "bad-layout"),
        (b'{"manifests":[]}', "bad-layout"),
        (b'{"manifests":["x"]}', "bad-layout"),
        (b'{"manifests":[{}]}', "malformed"),
        (b'{"manifests":[{"digest":5,"size":1,"mediaType":"x"}]}', "malformed"),
        (b'{"manifests":[],"manifests":[{}]}', "duplicate-key"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "over-limit"),
        (b'{"manifests":[]}' + b" " * limits.MANIFEST, "over-limit"),
    ],
    ids=str,
)
def test_bad_index_json(layout: Layout, content: bytes, code: str) -> None:
    """
    An index.json that is not what the specification says is refused.
    """
    (layout.directory / "index.json").write_bytes(content)

    refused(code, layout.read)


def test_missing_blob(layout: Layout) -> None:
    """
    An image whose manifest, or a child's, is not in the layout is not there.
    """
    image = layout.image("app")
    layout.top(layout.index(image))
    layout.path(image["digest"]).unlink()

    assert image["digest"].hex in refused("bad-layout", layout.read).message


def _change(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b" ")


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_change, _append, _empty])
@pytest.mark.parametrize("which", [0, 1])
def test_other_bytes(layout: Layout, spoil: Callable[[Path], None], which: int) -> None:
    """
    Bytes that do not match their digest are never used, at the top or below.
    """
    image = layout.image("app")
    index = layout.index(image)
    layout.top(index)
    spoil(layout.path((index, image)[which]["digest"]))

    refused("digest-mismatch", layout.read)


@pytest.mark.parametrize("off", [-1, 1, 10**6])
@pytest.mark.parametrize("which", [0, 1])
def test_other_size(layout: Layout, which: int, off: int) -> None:
    """
    A descriptor that lies about the size is refused (D13).
    """
    image = layout.image("app")
    if which:
        image["size"] += off
    index = layout.index(image)
    if not which:
        index["size"] += off
    layout.top(index)

    refused("digest-mismatch", layout.read)


@pytest.mark.parametrize("other", [{"size": 1}, {"mediaType": DOCKER_IMAGE}])
def test_listed_in_two_ways(layout: Layout, other: Descriptor) -> None:
    """
    A manifest that is listed again with another size or type is ambiguous (D8).
    """
    image = layout.image("app")
    layout.top(layout.index(image, {**image, **other}))

    refused("ambiguous-manifest", layout.read)


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        ({"layers": [], "manifests": []}, OCI_IMAGE, "ambiguous-manifest"),
        ({"layers": [], "manifests": []}, OCI_INDEX, "ambiguous-manifest"),
        ({"config": {}, "manifests": []}, OCI_INDEX, "ambiguous-manifest"),
        ({"mediaType": OCI_INDEX, "config": {}, "layers": []}, OCI_IMAGE, "ambiguous-manifest"),
        ({"mediaType": OCI_IMAGE, "manifests": []}, OCI_INDEX, "ambiguous-manifest"),
        ({"mediaType": DOCKER_IMAGE, "config": {}, "layers": []}, OCI_IMAGE, "ambiguous-manifest"),
        ({"mediaType": OCI_IMAGE.upper(), "layers": []}, OCI_IMAGE, "ambiguous-manifest"),
        ({"mediaType": None, "layers": []}, OCI_IMAGE, "ambiguous-manifest"),
        ({"manifests": []}, OCI_IMAGE, "malformed"),
        ({"config": {}, "layers": []}, OCI_INDEX, "malformed"),
        ({"manifests": {}}, OCI_INDEX, "malformed"),
        ({"manifests": ["x"]}, OCI_INDEX, "malformed"),
        ({"manifests": [{}]}, OCI_INDEX, "malformed"),
        ({}, "application/vnd.oci.image.config.v1+json", "malformed"),
        ({}, "application/vnd.oci.image.layer.v1.tar+gzip", "malformed"),
        ({}, f"{OCI_IMAGE}; charset=utf-8", "malformed"),
        ({}, "", "malformed"),
        (b"\x1f\x8b not JSON", OCI_IMAGE, "malformed"),
        (b'{"layers":[],"layers":[1]}', OCI_IMAGE, "duplicate-key"),
        (b'{"layers":[]}' + b" " * limits.MANIFEST, OCI_IMAGE, "over-limit"),
    ],
)
def test_bad_manifest(layout: Layout, content: object, media_type: str, code: str) -> None:
    """
    A blob that is not clearly one image or one index is refused (D8, D10).
    """
    layout.top(layout.blob(content, media_type))
    refused(code, layout.read)
    layout.top(layout.index(layout.blob(content, media_type)))

    refused(code, layout.read)


def test_largest_manifest(layout: Layout) -> None:
    """
    A manifest of 4 MiB, which registries must take, is read.
    """
    start = b'{"config":{},"layers":[]}'
    layout.top(layout.blob(start + b" " * (limits.MANIFEST - len(start)), OCI_IMAGE))

    assert [limits.MANIFEST] == [manifest.size for manifest in layout.read()]


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:",
        "sha256:../../../etc/passwd",
        "../../index.json",
        "sha256:" + "../" * 21 + "x",
        "sha512:" + "a" * 128,
        f"SHA256:{NOWHERE.hex}",
        f"sha256:{NOWHERE.hex.upper()}",
        f"sha256:{NOWHERE.hex}\n",
        f"sha256:{NOWHERE.hex}/",
        f"/sha256:{NOWHERE.hex}",
    ],
)
def test_bad_digest(layout: Layout, digest: str) -> None:
    """
    A digest is checked before it becomes part of a path.
    """
    bad = {**layout.image("app"), "digest": digest}
    layout.top(bad)
    refused("bad-digest", layout.read)
    layout.top(layout.index(bad))

    refused("bad-digest", layout.read)


def test_cycle(layout: Layout) -> None:
    """
    Indexes that list each other cannot have their digests, and are refused.
    """
    first: Descriptor = {"mediaType": OCI_INDEX, "digest": Digest.of(b"first"), "size": 0}
    content = json.dumps({"manifests": [first]}).encode()
    first["size"] = len(content)
    layout.path(first["digest"]).write_bytes(content)
    layout.top(first)
    refused("digest-mismatch", layout.read)
    second = layout.index(first)
    layout.path(first["digest"]).write_text(json.dumps({"manifests": [second]}))
    layout.top(second)

    refused("digest-mismatch", layout.read)


def test_deep(layout: Layout) -> None:
    """
    Indexes may nest as deep as there may be manifests, and no deeper.
    """
    chain = layout.image("app")
    for _ in range(limits.MANIFESTS - 1):
        chain = layout.index(chain)
    layout.top(chain)
    assert limits.MANIFESTS == len(layout.read())
    layout.top(layout.index(chain))

    refused("over-limit", layout.read)


def test_wide(layout: Layout) -> None:
    """
    An index may list 255 images, which makes 256 manifests with itself, and no more.
    """
    children = [layout.image(str(n)) for n in range(limits.MANIFESTS)]
    layout.top(layout.index(*children[1:], *children[1:]))
    assert limits.MANIFESTS == len(layout.read())
    layout.top(layout.index(*children))

    refused("over-limit", layout.read)


@pytest.mark.parametrize("name", ["oci-layout", "index.json", "manifest"])
def test_directory_in_the_place_of_a_file(layout: Layout, name: str) -> None:
    """
    What is no file is refused, and not a crash.
    """
    image = layout.image("app")
    layout.top(image)
    path = layout.path(image["digest"]) if name == "manifest" else layout.directory / name
    path.unlink()
    path.mkdir()

    refused("bad-layout", layout.read)
