"""Layouts and archives: every manifest of the image that was named, and no byte unhashed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.laid_out import (
    DOCKER_IMAGE,
    IMAGE,
    INDEX,
    INDEX_TYPES,
    MANIFEST_TYPES,
    LaidOut,
    Row,
    tagged,
)
from tests.verifier.making import refused
from verifier import limits
from verifier.digest import Digest
from verifier.pull.archive import Archive
from verifier.pull.images import Descriptor
from verifier.pull.layouts import Layout

NOWHERE = Digest.of(b"nowhere")


@pytest.fixture(params=["oci", "oci-archive"])
def layout(tmp_path: Path, request: pytest.FixtureRequest) -> LaidOut:
    """A layout without images, to be read as a directory and as a tar file."""
    return LaidOut(tmp_path / "image", archived=request.param == "oci-archive")


@pytest.mark.parametrize("media_type", MANIFEST_TYPES)
def test_image(layout: LaidOut, media_type: str) -> None:
    """
    An image is its one manifest, with its size and media type.
    """
    image = layout.image("app", media_type)
    layout.top(image)

    [found] = layout.read()
    assert Descriptor(media_type, image["digest"], image["size"]) == found.descriptor


@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_index(layout: LaidOut, media_type: str) -> None:
    """
    An index comes first, and after it each of its children.
    """
    children = [layout.image("amd64"), layout.image("arm64", DOCKER_IMAGE)]
    index = layout.index(*children, media_type=media_type)
    layout.top(index)

    assert [d["digest"] for d in (index, *children)] == layout.digests()
    assert [media_type, IMAGE, DOCKER_IMAGE] == [m.descriptor.media_type for m in layout.read()]


def test_index_of_indexes(layout: LaidOut) -> None:
    """
    An index under an index is followed, depth first.
    """
    a, b, c = (layout.image(name) for name in "abc")
    inner = layout.index(a, b)
    outer = layout.index(inner, c)
    layout.top(outer)

    assert [d["digest"] for d in (outer, inner, a, b, c)] == layout.digests()


def test_shared_child(layout: LaidOut) -> None:
    """
    A manifest that is reached in two ways is listed once.
    """
    shared, other = layout.image("shared"), layout.image("other")
    first, second = layout.index(shared), layout.index(shared, other)
    outer = layout.index(first, second, shared)
    layout.top(outer)

    assert [d["digest"] for d in (outer, first, shared, second, other)] == layout.digests()


def test_descriptor_with_more(layout: LaidOut) -> None:
    """
    Platforms, URLs and annotations of a descriptor do not matter.
    """
    image = layout.image("app")
    more = {"platform": {"os": "linux"}, "urls": [], "annotations": {"x": "y"}, "data": ""}
    layout.top(layout.index({**image, **more}))

    assert image["digest"] == layout.digests()[1]


def test_manifest_without_media_type(layout: LaidOut) -> None:
    """
    A manifest need not repeat the media type of its descriptor.
    """
    image = layout.blob({"schemaVersion": 2, "layers": []}, IMAGE)
    index = layout.blob({"schemaVersion": 2, "manifests": [image]}, INDEX)
    layout.top(index)

    assert [index["digest"], image["digest"]] == layout.digests()


def test_tag(layout: LaidOut) -> None:
    """
    Of several images the one with the tag is meant, exactly.
    """
    old, new = layout.image("old"), layout.image("new")
    layout.top(tagged(old, "1.0"), tagged(new, "1.1"))

    assert [new["digest"]] == layout.digests("1.1")
    assert [old["digest"]] == layout.digests("1.0")
    for tag in ("1", "1.1 ", "", "1.2", "latest"):
        assert "1.0, 1.1" in refused("no-image", lambda tag=tag: layout.read(tag)).message


def test_no_tag(layout: LaidOut) -> None:
    """
    Without a tag a layout with one image is clear, with a tag on it or not.
    """
    image = layout.image("app")
    layout.top(tagged(image, "1.0"))
    assert [image["digest"]] == layout.digests()
    layout.top(image)

    assert [image["digest"]] == layout.digests()
    refused("no-image", lambda: layout.read("1.0"))


def test_several_without_tag(layout: LaidOut) -> None:
    """
    Of several images none is guessed, and the refusal says how to name one.
    """
    layout.top(tagged(layout.image("old"), "1.0"), layout.image("new"))

    error = refused("no-image", layout.read)
    assert "found 2 (tags: 1.0)" in error.message
    assert "oci:DIR:TAG" in error.hint


def test_tag_twice(layout: LaidOut) -> None:
    """
    A tag that is on two images names neither.
    """
    layout.top(tagged(layout.image("old"), "1.0"), tagged(layout.image("new"), "1.0"))

    refused("ambiguous-manifest", lambda: layout.read("1.0"))


def test_no_layout(layout: LaidOut) -> None:
    """
    A directory without oci-layout or index.json is no layout, nor is what is not there.
    """
    refused("bad-layout", layout.read)
    layout.top(layout.image("app"))
    layout.read()
    (layout.directory / "oci-layout").unlink()

    assert "skopeo" in refused("bad-layout", layout.read).hint
    for missing in (layout.directory / "none", layout.directory / "index.json"):
        refused("bad-layout", lambda missing=missing: Layout(missing))
        refused("bad-layout", lambda missing=missing: Archive(missing))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe{}", "malformed"),
        (b"{}", "bad-layout"),
        (b'{"manifests":{}}', "bad-layout"),
        (b'{"manifests":[]}', "no-image"),
        (b'{"manifests":["x"]}', "bad-layout"),
        (b'{"manifests":[{}]}', "malformed"),
        (b'{"manifests":[{"digest":5,"size":1,"mediaType":"x"}]}', "malformed"),
        (b'{"manifests":[],"manifests":[{}]}', "duplicate-key"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "over-limit"),
        (b'{"manifests":[]}' + b" " * limits.LAYOUT_INDEX, "bad-layout"),
    ],
    ids=str,
)
def test_bad_index_json(layout: LaidOut, content: bytes, code: str) -> None:
    """
    An index.json that is not what the specification says is refused.
    """
    (layout.directory / "index.json").write_bytes(content)

    refused(code, layout.read)


def test_missing_blob(layout: LaidOut) -> None:
    """
    An image whose manifest, or a child's, is not in the layout is not there.
    """
    image = layout.image("app")
    layout.top(layout.index(image))
    layout.path(image["digest"]).unlink()

    assert image["digest"].hex in refused("no-image", layout.read).message


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
def test_other_bytes(layout: LaidOut, spoil: Callable[[Path], None], which: int) -> None:
    """
    Bytes that do not match their digest are never used, at the top or below.
    """
    image = layout.image("app")
    index = layout.index(image)
    layout.top(index)
    spoil(layout.path((index, image)[which]["digest"]))

    refused("wrong-content", layout.read)


@pytest.mark.parametrize("off", [-1, 1, 10**6])
@pytest.mark.parametrize("which", [0, 1])
def test_other_size(layout: LaidOut, which: int, off: int) -> None:
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

    refused("wrong-content", layout.read)


@pytest.mark.parametrize("other", [{"size": 1}, {"mediaType": DOCKER_IMAGE}])
def test_listed_in_two_ways(layout: LaidOut, other: Row) -> None:
    """
    A manifest that is listed again with another size or type is ambiguous (D8).
    """
    image = layout.image("app")
    layout.top(layout.index(image, {**image, **other}))

    refused("ambiguous-manifest", layout.read)


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        ({"layers": [], "manifests": []}, IMAGE, "ambiguous-manifest"),
        ({"layers": [], "manifests": []}, INDEX, "ambiguous-manifest"),
        ({"config": {}, "manifests": []}, INDEX, "ambiguous-manifest"),
        ({"mediaType": INDEX, "layers": []}, IMAGE, "ambiguous-manifest"),
        ({"mediaType": IMAGE, "manifests": []}, INDEX, "ambiguous-manifest"),
        ({"mediaType": DOCKER_IMAGE, "layers": []}, IMAGE, "ambiguous-manifest"),
        ({"mediaType": IMAGE.upper(), "layers": []}, IMAGE, "ambiguous-manifest"),
        ({"mediaType": None, "layers": []}, IMAGE, "ambiguous-manifest"),
        ({"manifests": []}, IMAGE, "ambiguous-manifest"),
        ({"layers": []}, INDEX, "ambiguous-manifest"),
        ({"manifests": {}}, INDEX, "malformed"),
        ({"manifests": ["x"]}, INDEX, "malformed"),
        ({"manifests": [{}]}, INDEX, "malformed"),
        ({"layers": []}, "application/vnd.oci.image.config.v1+json", "malformed"),
        ({"layers": []}, "application/vnd.oci.image.layer.v1.tar+gzip", "malformed"),
        ({"layers": []}, f"{IMAGE}; charset=utf-8", "malformed"),
        ({"layers": []}, "", "malformed"),
        (b"\x1f\x8b not JSON", IMAGE, "malformed"),
        (b'{"layers":[],"layers":[1]}', IMAGE, "duplicate-key"),
        (b'{"layers":[]}' + b" " * limits.MANIFEST, IMAGE, "over-limit"),
    ],
)
def test_bad_manifest(layout: LaidOut, content: object, media_type: str, code: str) -> None:
    """
    A blob that is not clearly one image or one index is refused (D8, D10).
    """
    layout.top(layout.blob(content, media_type))
    refused(code, layout.read)
    layout.top(layout.index(layout.blob(content, media_type)))

    refused(code, layout.read)


def test_largest_manifest(layout: LaidOut) -> None:
    """
    A manifest of 4 MiB, which registries must take, is read.
    """
    start = b'{"layers":[]}'
    layout.top(layout.blob(start + b" " * (limits.MANIFEST - len(start)), IMAGE))

    assert [limits.MANIFEST] == [manifest.descriptor.size for manifest in layout.read()]


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
def test_bad_digest(layout: LaidOut, digest: str) -> None:
    """
    A digest is checked before it becomes part of a path.
    """
    bad = {**layout.image("app"), "digest": digest}
    layout.top(bad)
    refused("bad-digest", layout.read)
    layout.top(layout.index(bad))

    refused("bad-digest", layout.read)


def test_cycle(layout: LaidOut) -> None:
    """
    Indexes that list each other cannot have their digests, and are refused.
    """
    first: Row = {"mediaType": INDEX, "digest": Digest.of(b"first"), "size": 0}
    content = json.dumps({"manifests": [first]}).encode()
    first["size"] = len(content)
    layout.path(first["digest"]).write_bytes(content)
    layout.top(first)
    refused("wrong-content", layout.read)
    second = layout.index(first)
    layout.path(first["digest"]).write_text(json.dumps({"manifests": [second]}))
    layout.top(second)

    refused("wrong-content", layout.read)


def test_deep(layout: LaidOut) -> None:
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


def test_wide(layout: LaidOut) -> None:
    """
    An index may list 255 images, which makes 256 manifests with itself, and no more.
    """
    children = [layout.image(str(n)) for n in range(limits.MANIFESTS)]
    layout.top(layout.index(*children[1:], *children[1:]))
    assert limits.MANIFESTS == len(layout.read())
    layout.top(layout.index(*children))

    refused("over-limit", layout.read)


@pytest.mark.parametrize("name", ["oci-layout", "index.json", "manifest"])
def test_directory_in_the_place_of_a_file(layout: LaidOut, name: str) -> None:
    """
    What is no file is refused, and not a crash.
    """
    image = layout.image("app")
    layout.top(image)
    path = layout.path(image["digest"]) if name == "manifest" else layout.directory / name
    path.unlink()
    path.mkdir()

    # In a tar file a directory has no content: nothing is there.
    archived = name == "manifest" and layout.archived
    refused("no-image" if archived else "bad-layout", layout.read)
