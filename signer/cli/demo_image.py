"""A small, real image for the demo: an OCI layout with an index and two platforms."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from verifier.digest import Digest

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def write(directory: Path, tag: str, greeting: str) -> Digest:
    """Write the layout and return the digest of its index, named `tag`."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifests = []
    for architecture in ("amd64", "arm64"):
        manifest = _manifest(blobs, architecture, greeting)
        platform = {"architecture": architecture, "os": "linux"}
        manifests.append({**manifest, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    top = _blob(blobs, _INDEX, _json(index))
    named = {**top, "annotations": {"org.opencontainers.image.ref.name": tag}}
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (directory / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    return Digest(str(top["digest"]))


def _manifest(blobs: Path, architecture: str, greeting: str) -> dict[str, object]:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        content = f"{greeting} ({architecture})\n".encode()
        entry = tarfile.TarInfo("hello.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    layer = tar.getvalue()
    config = {
        "architecture": architecture,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(blobs, _CONFIG, _json(config)),
        "layers": [_blob(blobs, _LAYER, gzip.compress(layer, mtime=0))],
    }
    return _blob(blobs, _MANIFEST, _json(manifest))


def _blob(blobs: Path, media_type: str, content: bytes) -> dict[str, object]:
    digest = Digest.of(content)
    (blobs / digest.hex).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
