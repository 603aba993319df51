"""An OCI image layout of which a test writes each part, and the same as a tar file."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from verifier.digest import Digest
from verifier.pull.archive import Archive
from verifier.pull.images import (
    DOCKER_IMAGE,
    DOCKER_INDEX,
    IMAGE,
    INDEX,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Manifest,
)
from verifier.pull.layout_index import NAME
from verifier.pull.layouts import Layout
from verifier.pull.whole import whole_image

__all__ = ["DOCKER_IMAGE", "DOCKER_INDEX", "IMAGE", "INDEX", "INDEX_TYPES", "MANIFEST_TYPES"]

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Row = dict[str, Any]  # a descriptor as it is written


class LaidOut:
    """A layout in a directory; `archived`: tests of reading read it as a tar file."""

    def __init__(self, directory: Path, *, archived: bool = False) -> None:
        self.directory = directory
        self.archived = archived
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, content: object, media_type: str) -> Row:
        """Write a blob, JSON unless it is bytes, and return its descriptor."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = Digest.of(data)
        self.path(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def path(self, digest: str) -> Path:
        """Return where a blob lies."""
        return self.directory / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def image(self, name: str, media_type: str = IMAGE, **more: object) -> Row:
        """Write an image of one layer."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.blob({"name": name}, CONFIG),
            "layers": [self.blob(f"layer of {name}".encode(), LAYER)],
            **more,
        }
        return self.blob(manifest, media_type)

    def index(self, *children: Row, media_type: str = INDEX) -> Row:
        """Write an image index."""
        content = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(children)}
        return self.blob(content, media_type)

    def top(self, *rows: Row) -> None:
        """Write index.json."""
        content = {"schemaVersion": 2, "manifests": list(rows)}
        (self.directory / "index.json").write_text(json.dumps(content))

    def archive(self) -> Path:
        """Return the same as a tar file."""
        path = self.directory.with_suffix(".tar")
        with tarfile.open(path, "w") as tar:
            for one in sorted(self.directory.rglob("*")):
                tar.add(one, one.relative_to(self.directory), recursive=False)
        return path

    def open(self) -> Layout | Archive:
        """Open it."""
        return Archive(self.archive()) if self.archived else Layout(self.directory)

    def read(self, tag: str = "") -> list[Manifest]:
        """Return the image under `tag` with all that is under it."""
        images = self.open()
        try:
            return whole_image(images, tag)
        finally:
            images.close()

    def digests(self, tag: str = "") -> list[str]:
        """Read it, and return the digests in their order."""
        return [manifest.descriptor.digest for manifest in self.read(tag)]


def tagged(row: Row, tag: str) -> Row:
    """Return a descriptor with a name."""
    return {**row, "annotations": {NAME: tag}}
