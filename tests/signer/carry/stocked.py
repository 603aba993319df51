"""Images with artifacts, put wherever a test wants them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from signer.cli import main
from verifier.digest import Digest
from verifier.pull.images import IMAGE, INDEX, Descriptor, Images, fallback_tag
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.settings import Registries

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"


def opened(place: str) -> Images:
    """Open a place that may have to be made."""
    return open_images(parse_place(place), Registries(()), create=True)


def put(images: Images, layers: Sequence[bytes], tag: str = "", **more: Any) -> Descriptor:
    """Put a manifest with its blobs there; `subject` makes it a referrer, which is listed."""
    layer_type = more.pop("layer_type", LAYER)
    described = [Descriptor.of(layer_type, one) for one in layers]
    for one, content in zip(described, layers, strict=True):
        images.put_blob(one, [content])
    images.put_blob(Descriptor.of(CONFIG, b"{}"), [b"{}"])
    subject: Descriptor | None = more.pop("subject", None)
    if subject is not None:
        more |= {"subject": subject.json(), "artifactType": more.get("artifactType", "a/b")}
    value = {"schemaVersion": 2, "mediaType": IMAGE, **more}
    value["config"] = Descriptor.of(CONFIG, b"{}").json()
    value["layers"] = [
        {**one.json(), "annotations": {"n": str(n)}} if layer_type == SIMPLE else one.json()
        for n, one in enumerate(described)
    ]
    content = json.dumps(value).encode()
    written = images.put_manifest(content, IMAGE, tag)
    made = Descriptor.of(IMAGE, content)
    if subject is not None and not written.listed:
        list_referrer(images, subject.digest, made._replace(artifact_type=more["artifactType"]))
    return made


def list_referrer(images: Images, subject: Digest, referrer: Descriptor, **more: Any) -> None:
    """Add a referrer to the index that clients keep."""
    tag = fallback_tag(subject)
    try:
        rows = json.loads(images.manifest(tag).content)["manifests"]
    except Exception:  # noqa: BLE001  there is none yet
        rows = []
    rows.append({**referrer.json(), **more})
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
    images.put_manifest(json.dumps(value).encode(), INDEX, tag)


def index(images: Images, children: Sequence[Descriptor], tag: str = "") -> Descriptor:
    """Put an image index there."""
    value = {"schemaVersion": 2, "manifests": [one.json() for one in children]}
    content = json.dumps(value).encode()
    images.put_manifest(content, INDEX, tag)
    return Descriptor.of(INDEX, content)


def stock(place: str, name: str = "app", tag: str = "1.0") -> Descriptor:
    """Put an index with two children there, with one of each that can be attached; return it."""
    with closing(opened(place)) as images:
        children = [put(images, [f"{name} {n}".encode()]) for n in range(2)]
        top = index(images, children, tag)
        signature = put(images, [f"{name} signature".encode()], subject=top)
        put(images, [f"{name} on the signature".encode()], subject=signature)
        put(images, [f"{name} of a child".encode()], subject=children[1])
        sig = f"{fallback_tag(top.digest)}.sig"
        put(images, [f"{name} simple".encode()], sig, layer_type=SIMPLE)
        put(images, [f"{name} att".encode()], f"{fallback_tag(children[0].digest)}.att")
        put(images, [f"{name} sbom".encode()], f"{fallback_tag(top.digest)}.sbom")
    return top


def copy(capsys: Any, *words: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Run `sealbook copy` here; return its exit code, its lines of JSON, and what it told."""
    code = main(["copy", *map(str, words), "--json"])
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err
