"""Manifests that are two things, or other bytes than were listed: rows D8 to D10 and D13.

An image layout leads from digest to digest; each step is checked. What a registry's own
answers can do wrong is the client's matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from tests.verifier.catalogue.asking import world
from tests.verifier.catalogue.case import Case
from tests.verifier.catalogue.digests import TEXTS
from tests.verifier.making import REPOSITORY, World, rewrite
from verifier.digest import Digest
from verifier.pull.images import INDEX_TYPES, MANIFEST_TYPES
from verifier.pull.layouts import Layout
from verifier.pull.whole import whole_image
from verifier.statement import approval

OCI_IMAGE, DOCKER_IMAGE = MANIFEST_TYPES
OCI_INDEX, DOCKER_INDEX = INDEX_TYPES
Spoil: TypeAlias = Callable[[bytes], bytes]

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def blob(content: object) -> bytes:
    """Return the bytes of a manifest."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def listed(content: object, media_type: str, **other: object) -> dict[str, Any]:
    """Return the descriptor of `content`."""
    data = blob(content)
    return {"mediaType": media_type, "digest": Digest.of(data), "size": len(data), **other}


def layout(
    row: str, name: str, code: str, top: object, *blobs: object, spoil: Spoil = bytes
) -> Case:
    """Ask which manifests an image layout holds: each of them is then asked about.

    A blob lies under its own digest, and is spoiled there.
    """

    def judge() -> None:
        with TemporaryDirectory() as made:
            folder = Path(made, "blobs", "sha256")
            folder.mkdir(parents=True)
            Path(made, "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
            Path(made, "index.json").write_bytes(blob({"manifests": [top]}))
            for content in blobs:
                folder.joinpath(Digest.of(blob(content)).hex).write_bytes(spoil(blob(content)))
            whole_image(Layout(Path(made)), "")

    return Case(row, name, judge, code)


IMAGE_MANIFEST: dict[str, Any] = {"layers": []}
INDEX_MANIFEST = {"manifests": [listed(IMAGE_MANIFEST, OCI_IMAGE)]}
BOTH: dict[str, Any] = {"config": {}, "layers": [], "manifests": []}


def _manifests() -> Iterator[Case]:
    """D8, D10, D13: bytes that two readers take for two things, or for no image at all."""
    bad: list[tuple[str, str, object, str, str]] = [
        *(("D8", f"layers and manifests, as {kind}", BOTH, kind, "ambiguous-manifest")
          for kind in (OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE, DOCKER_INDEX)),
        ("D8", "manifests and a config", {"config": {}, "manifests": []}, OCI_INDEX,
         "ambiguous-manifest"),
        ("D8", "manifests that are null, and layers", {"layers": [], "manifests": None}, OCI_IMAGE,
         "ambiguous-manifest"),
        *(("D8", f"says {said!r}, listed as {kind}", {**IMAGE_MANIFEST, "mediaType": said}, kind,
           "ambiguous-manifest")
          for said, kind in ((OCI_INDEX, OCI_IMAGE), (DOCKER_IMAGE, OCI_IMAGE), (None, OCI_IMAGE),
                             (OCI_IMAGE, DOCKER_IMAGE), (OCI_IMAGE.upper(), OCI_IMAGE),
                             ("", OCI_IMAGE), (f"{OCI_IMAGE}; charset=utf-8", OCI_IMAGE),
                             ([OCI_IMAGE], OCI_IMAGE))),
        ("D8", "an index listed as an image", {"manifests": []}, OCI_IMAGE, "ambiguous-manifest"),
        ("D8", "an image listed as an index", IMAGE_MANIFEST, OCI_INDEX, "ambiguous-manifest"),
        ("D8", "media type twice", b'{"mediaType":"a","mediaType":"b","layers":[]}', OCI_IMAGE,
         "duplicate-key"),
        ("D8", "layers twice", b'{"layers":[],"layers":[1]}', OCI_IMAGE, "duplicate-key"),
        *(("D10", f"listed as {kind!r}", IMAGE_MANIFEST, kind, "malformed")
          for kind in (CONFIG, LAYER, "application/octet-stream", "", OCI_IMAGE.upper(),
                       f"{OCI_IMAGE} ", "application/vnd.dev.sigstore.bundle.v0.3+json",
                       "application/vnd.docker.distribution.manifest.v1+prettyjws")),
        ("D10", "a layer, listed as an image", b"\x1f\x8b\x08 packed", OCI_IMAGE, "malformed"),
        ("D10", "a layer, listed as an index", b"\x1f\x8b\x08 packed", OCI_INDEX, "malformed"),
        ("D10", "a configuration, listed as an index", {"architecture": "amd64"}, OCI_INDEX,
         "ambiguous-manifest"),
        ("D10", "a list, listed as an image", b"[]", OCI_IMAGE, "malformed"),
        ("D10", "null, listed as an index", b"null", OCI_INDEX, "malformed"),
        ("D10", "an index of texts", {"manifests": ["x"]}, OCI_INDEX, "malformed"),
        ("D10", "an index of nothing", {"manifests": [{}]}, OCI_INDEX, "malformed"),
        ("D10", "deep", b'{"a":' * 100_000, OCI_INDEX, "over-limit"),
    ]  # fmt: skip
    for row, name, content, kind, code in bad:
        top = listed(content, kind)
        yield layout(row, name, code, top, content)
        index = {"manifests": [top]}
        yield layout(row, f"{name}, in an index", code, listed(index, OCI_INDEX), index, content)
    again = {"manifests": [listed(IMAGE_MANIFEST, OCI_IMAGE), listed(IMAGE_MANIFEST, DOCKER_IMAGE)]}
    code = "ambiguous-manifest"
    top = listed(again, OCI_INDEX)
    yield layout("D8", "one digest under two types", code, top, again, IMAGE_MANIFEST)


def _descriptors() -> Iterator[Case]:
    """D13, D1 to D7, D11: descriptors that lie about the size, or whose digest is none."""
    spoils: dict[str, Spoil] = {
        "other bytes": lambda good: good[:-1] + b" ",
        "a byte more": lambda good: good + b" ",
        "a byte less": lambda good: good[:-1],
        "another image": lambda good: good.replace(b"[]", b"{}"),
        "no bytes": lambda _: b"",
    }
    descriptor = listed(IMAGE_MANIFEST, OCI_IMAGE)
    for name, spoil in spoils.items():
        code = "wrong-content"
        yield layout("D13", f"{name} on disk", code, descriptor, IMAGE_MANIFEST, spoil=spoil)
    right = len(blob(IMAGE_MANIFEST))
    for size in (0, right - 1, right + 1, 2**31, 2**63 - 1):
        descriptor = listed(IMAGE_MANIFEST, OCI_IMAGE, size=size)
        yield layout("D13", f"size {size}", "wrong-content", descriptor, IMAGE_MANIFEST)
        index = {"manifests": [descriptor]}
        top = listed(index, OCI_INDEX)
        name = f"size {size} in an index"
        yield layout("D13", name, "wrong-content", top, index, IMAGE_MANIFEST)
    for wrong, code in (
        *((n, "bad-integer") for n in (-1, 2**63, 2**70)),
        *((v, "malformed") for v in (0.5, float(right), str(right), True, None, [right])),
    ):
        descriptor = listed(IMAGE_MANIFEST, OCI_IMAGE, size=wrong)
        yield layout("D13", f"size {wrong!r}", code, descriptor, IMAGE_MANIFEST)
    for row, texts in TEXTS.items():
        text = texts[0]
        descriptor = listed(IMAGE_MANIFEST, OCI_IMAGE, digest=text)
        yield layout(row, f"{text[:90]!a} in a layout", "bad-digest", descriptor, IMAGE_MANIFEST)
    for text in ("sha256:../../../etc/passwd", f"sha256:{'../' * 21}x", "../../index.json"):
        descriptor = listed(IMAGE_MANIFEST, OCI_IMAGE, digest=text)
        yield layout("D5", f"{text} in a layout", "bad-digest", descriptor, IMAGE_MANIFEST)


def _children() -> Iterator[Case]:
    """D9: an approval is for the very bytes that were named, and not for what they list.

    A runtime may ask for the index or for its platform's child, so that `whole_image`
    returns both, and both are approved; an approval for one is none for the other.
    """
    index, child = (Digest.of(blob(content)) for content in (INDEX_MANIFEST, IMAGE_MANIFEST))
    for name, approved, asked in (("index", index, child), ("child", child, index)):
        made = World(payload=approval(REPOSITORY, approved, {}), digest=asked)
        yield world("D9", f"only the {name} is approved", made, "digest-mismatch")
    for name, descriptor in (("the index", index), ("the child", child)):
        made = World(payload=approval(REPOSITORY, child, {}), digest=descriptor)
        rewrite(made, ("subject", 0, "digest"), {"sha256": child.hex, "index": index.hex})
        yield world("D9", f"{name}, both in one subject", made, "unknown-field")
    yield layout("D9", "the child is not there", "no-image",
                 listed(INDEX_MANIFEST, OCI_INDEX), INDEX_MANIFEST)  # fmt: skip


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _manifests()
    yield from _descriptors()
    yield from _children()
