"""Put an image and its signatures into a registry, the way that clients look for them.

A small test-only push over plain HTTP (OCI distribution spec 1.1), for one
caller at a time: `Shelf` is a repository. A legacy signature is a layer of the
image at tag `sha256-<hex>.sig`; a bundle or a notation signature is a manifest
with a `subject`, listed in the index at the fallback tag `sha256-<hex>`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NOTATION = "application/vnd.cncf.notary.signature"
JWS = "application/jose+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CREATED = {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"


class Descriptor(NamedTuple):
    """What OCI says of some content: type, digest ("sha256:…") and size in bytes."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, media_type: str, content: bytes) -> Descriptor:
        """Describe `content`."""
        return cls(media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))

    @property
    def json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class _Kind(NamedTuple):
    """The three media types of a signature that is an artifact."""

    artifact: str
    layer: str
    config: str


_BUNDLE = _Kind(BUNDLE, BUNDLE, EMPTY)
_NOTATION = _Kind(NOTATION, JWS, NOTATION)


class LegacySignature(NamedTuple):
    """One layer of a `.sig` image: what was signed, and the annotations that cosign gives it."""

    media_type: str
    payload: bytes
    annotations: Mapping[str, str]

    @classmethod
    def parse(cls, sigstore_json: bytes) -> LegacySignature:
        """Take one apart that is written as containers/image does outside of registries."""
        value = json.loads(sigstore_json)
        payload = base64.b64decode(value["payload"])
        return cls(value["mimeType"], payload, value["annotations"])


class Shelf:
    """The repository `host:port/path` of a registry; `login` is for one that asks who we are."""

    def __init__(self, name: str, login: tuple[str, str] | None = None) -> None:
        self.name = name
        host, _, path = name.partition("/")
        where = f"http://{host}/v2/{path}/"
        self._http = httpx.Client(base_url=where, trust_env=False, auth=login)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def image(self, layout: Path, tag: str) -> str:
        """Push all of an OCI layout with one index; return that index's digest."""
        [top] = json.loads((layout / "index.json").read_bytes())["manifests"]
        blobs = layout / "blobs" / "sha256"
        content = (blobs / top["digest"].partition(":")[2]).read_bytes()
        platforms = json.loads(content)["manifests"]
        for platform in platforms:
            manifest = (blobs / platform["digest"].partition(":")[2]).read_bytes()
            parts = json.loads(manifest)
            for part in (parts["config"], *parts["layers"]):
                self.blob(
                    part["mediaType"], (blobs / part["digest"].partition(":")[2]).read_bytes()
                )
            self.manifest(platform["mediaType"], manifest)
        return self.manifest(top["mediaType"], content, tag).digest

    def legacy(self, subject: str, *signatures: LegacySignature) -> None:
        """Make these the legacy signatures of `subject`, instead of those that are there."""
        layers = [
            {**self.blob(one.media_type, one.payload).json, "annotations": dict(one.annotations)}
            for one in signatures
        ]
        config = {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(CONFIG, _json(config)).json,
            "layers": layers,
        }
        self.manifest(MANIFEST, _json(manifest), f"{_tag(subject)}.sig")

    def refer(self, subject: str, *, bundles: Sequence[bytes] = (), notation: bytes = b"") -> None:
        """Make these the referrers of `subject`, instead of those that are there."""
        described = self.described(subject)
        listed = [self._referrer(described, _BUNDLE, one, {}) for one in bundles]
        if notation:
            shown = _thumbprints(notation)
            listed.append(self._referrer(described, _NOTATION, notation, shown))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        self.manifest(INDEX, _json(index), _tag(subject))

    def described(self, digest: str) -> Descriptor:
        """Return the descriptor of a manifest that is there."""
        accept = {"Accept": f"{INDEX}, {MANIFEST}"}
        answer = self._http.get(f"manifests/{digest}", headers=accept).raise_for_status()
        return Descriptor.of(answer.headers["Content-Type"], answer.content)

    def blob(self, media_type: str, content: bytes) -> Descriptor:
        """Put a blob there, in one PUT (OCI distribution spec: "POST then PUT")."""
        descriptor = Descriptor.of(media_type, content)
        begun = self._http.post("blobs/uploads/").raise_for_status()
        upload = begun.url.join(begun.headers["Location"])  # which may be a path alone
        where = upload.copy_merge_params({"digest": descriptor.digest})
        octets = {"Content-Type": "application/octet-stream"}
        self._http.put(where, content=content, headers=octets).raise_for_status()
        return descriptor

    def manifest(self, media_type: str, content: bytes, tag: str | None = None) -> Descriptor:
        """Put a manifest there, by tag or by its digest."""
        descriptor = Descriptor.of(media_type, content)
        headers = {"Content-Type": media_type}
        path = f"manifests/{tag or descriptor.digest}"
        self._http.put(path, content=content, headers=headers).raise_for_status()
        return descriptor

    def _referrer(
        self, subject: Descriptor, kind: _Kind, content: bytes, annotations: Mapping[str, str]
    ) -> dict[str, Any]:
        """Push a signature with its manifest; return what an index says of it.

        notation asks for the index's entries of its own `artifactType`, and sees no other.
        """
        layer, config = self.blob(kind.layer, content), self.blob(kind.config, b"{}")
        made = signature_manifest(subject, layer, config, annotations)
        return {**self.manifest(MANIFEST, made).json, "artifactType": kind.artifact}


def signature_manifest(
    subject: Descriptor, layer: Descriptor, config: Descriptor, annotations: Mapping[str, str]
) -> bytes:
    """Return the manifest that says: `layer` is a signature of `subject`.

    notation finds its own by the config's media type (OCI image spec 1.0), the
    others by `artifactType` (1.1), which is absent where the config says it.
    """
    kind = {} if config.media_type == NOTATION else {"artifactType": layer.media_type}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        **kind,
        "config": config.json,
        "layers": [layer.json],
        "subject": subject.json,
        "annotations": {**CREATED, **annotations},
    }
    return _json(manifest)


def sign_layout(layout: Path, envelope: bytes) -> str:
    """Add a notation signature of its only image to an OCI layout; return the image's digest."""
    index_path = layout / "index.json"
    index = json.loads(index_path.read_bytes())
    top = index["manifests"][0]
    subject = Descriptor(top["mediaType"], top["digest"], top["size"])
    layer, config = Descriptor.of(JWS, envelope), Descriptor.of(NOTATION, b"{}")
    made = signature_manifest(subject, layer, config, _thumbprints(envelope))
    signature = Descriptor.of(MANIFEST, made)
    for descriptor, content in ((layer, envelope), (config, b"{}"), (signature, made)):
        path = layout / "blobs" / "sha256" / descriptor.digest.partition(":")[2]
        path.write_bytes(content)
    index["manifests"] = [top, signature.json]
    index_path.write_bytes(_json(index))
    return subject.digest


def _thumbprints(envelope: bytes) -> dict[str, str]:
    """Return what notation shows of the chain in listings; a spoiled envelope may have none."""
    try:
        chain = json.loads(envelope)["header"]["x5c"]
    except (ValueError, KeyError):
        chain = []
    hashes = [hashlib.sha256(base64.b64decode(one)).hexdigest() for one in chain]
    return {THUMBPRINTS: json.dumps(hashes)}


def _blob(layout: Path, descriptor: Mapping[str, str]) -> bytes:
    """Return the content that a descriptor in an OCI layout is about."""
    algorithm, _, value = descriptor["digest"].partition(":")
    return (layout / "blobs" / algorithm / value).read_bytes()


def _tag(digest: str) -> str:
    return digest.replace(":", "-")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
