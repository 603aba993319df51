"""Images in an OCI image layout: a directory as skopeo, crane, buildah and docker write it.

    DIR/oci-layout            {"imageLayoutVersion":"1.0.0"}
    DIR/index.json            the images, each with an optional tag
    DIR/blobs/sha256/<hex>    manifests, configurations, layers

Spec: OCI image-spec, image-layout.md. Every byte that is used is hashed first.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.digest import Digest
from verifier.errors import (
    AmbiguousManifestError,
    DigestMismatchError,
    LayoutError,
    LimitError,
    MalformedError,
)

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_TAG = "org.opencontainers.image.ref.name"


class Manifest(NamedTuple):
    """A manifest or index whose bytes were read and match its digest; `size` in bytes."""

    digest: Digest
    size: int
    media_type: str


def read_layout(directory: Path, tag: str | None) -> list[Manifest]:
    """Return the image in `directory` named `tag`, and after it every manifest under it.

    Without a tag the layout must hold exactly one image. A runtime may check the
    digest of the index or of its platform's child, so that all of them need signing.

    Raises:
        LayoutError: no layout, or not that one image in it.
        DigestMismatchError: the bytes of a manifest do not match its digest or size.
        AmbiguousManifestError: a manifest that is an image and an index at once.
        LimitError: a manifest too large, or too many.
    """
    if not (directory / "oci-layout").is_file():
        raise LayoutError(
            f"expected an OCI image layout, {directory} has no file oci-layout",
            hint="skopeo copy docker://IMAGE oci:DIR:TAG writes one",
        )
    descriptor = _choose(_read(directory / "index.json"), directory, tag)
    found: dict[Digest, Manifest] = {}
    _walk(directory, descriptor, found)
    return list(found.values())


def _choose(data: bytes, directory: Path, tag: str | None) -> Fields:
    index = json_object(data, limit=limits.MANIFEST, floats=True)
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(m, dict) for m in manifests):
        raise LayoutError(f"{directory}/index.json lists no manifests")
    tags = [_tag(m) for m in manifests]
    chosen = [m for m, t in zip(manifests, tags, strict=True) if tag is None or t == tag]
    if len(chosen) != 1:
        known = ", ".join(sorted(t for t in tags if t)[:10]) or "none"
        wanted = "exactly one image" if tag is None else f"exactly one image tagged {tag!r}"
        raise LayoutError(
            f"expected {wanted} in {directory}, found {len(chosen)} (tags: {known})",
            hint="name one as oci:DIR:TAG",
        )
    return Fields(chosen[0], "descriptor")


def _tag(descriptor: dict[str, object]) -> str | None:
    annotations = descriptor.get("annotations")
    tag = annotations.get(_TAG) if isinstance(annotations, dict) else None
    return tag if isinstance(tag, str) else None


def _walk(directory: Path, descriptor: Fields, found: dict[Digest, Manifest]) -> None:
    """Add the manifest that `descriptor` names, and then everything under it."""
    digest, size = Digest(descriptor.text("digest")), descriptor.number("size")
    media_type = descriptor.text("mediaType")
    if digest in found:
        if found[digest] != Manifest(digest, size, media_type):
            raise AmbiguousManifestError(f"{digest} is listed with two sizes or media types")
        return
    if len(found) >= limits.MANIFESTS:
        raise LimitError(f"expected at most {limits.MANIFESTS} manifests in one image")
    data = _read(directory / "blobs" / "sha256" / digest.hex)
    if Digest.of(data) != digest or len(data) != size:
        raise DigestMismatchError(
            f"expected {digest} of {size} bytes, found {Digest.of(data)} of {len(data)} bytes"
        )
    children = _children(data, digest, media_type)
    found[digest] = Manifest(digest, size, media_type)
    for child in children:
        _walk(directory, child, found)


def _children(data: bytes, digest: Digest, media_type: str) -> list[Fields]:
    content = json_object(data, limit=limits.MANIFEST, floats=True)
    if "manifests" in content and ("layers" in content or "config" in content):
        raise AmbiguousManifestError(f"{digest} is an image and an index at once")
    if content.get("mediaType", media_type) != media_type:
        raise AmbiguousManifestError(
            f"{digest} is listed as {media_type[:80]!r}, "
            f"and says {str(content['mediaType'])[:80]!r}"
        )
    if media_type in MANIFEST_TYPES and "manifests" not in content:
        return []
    if media_type in INDEX_TYPES and isinstance(content.get("manifests"), list):
        return [Fields(m, f"index {digest}") for m in content["manifests"]]
    raise MalformedError(f"{digest} is no image manifest and no index: {media_type[:80]!r}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limits.MANIFEST + 1)
    except OSError as e:
        raise LayoutError(f"cannot read {path}: {e.strerror}") from e
    if len(data) > limits.MANIFEST:
        raise LimitError(f"expected at most {limits.MANIFEST} bytes in {path}")
    return data
