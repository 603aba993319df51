"""One repository of images, wherever it lies: in a registry, a layout or an archive.

    descriptor   what OCI says of some content: media type, digest, size
    manifest     of an image, an index, or an artifact with a subject
    referrer     a manifest whose subject is another: how OCI 1.1 attaches signatures

`Images` is the contract of `verifier.pull.registry`, `verifier.pull.layouts` and
`verifier.pull.archive`; whoever uses it does not know which it has.

Spec: OCI image-spec (descriptor.md, manifest.md), OCI distribution-spec 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.digest import Digest
from verifier.errors import AmbiguousManifestError, MalformedError
from verifier.pull.errors import WrongContentError

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES = (IMAGE, DOCKER_IMAGE)
INDEX_TYPES = (INDEX, DOCKER_INDEX)
EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_CONTENT = b"{}"


class Descriptor(NamedTuple):
    """What is said of some content; `size` in bytes. Nothing in it is trusted yet."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = {}

    @classmethod
    def of(cls, media_type: str, content: bytes) -> Self:
        """Describe `content`."""
        return cls(media_type, Digest.of(content), len(content))

    @classmethod
    def parse(cls, value: object, where: str) -> Self:
        """Read a descriptor; further fields of OCI (platform, urls, data) are passed by.

        Raises:
            MalformedError: a field is missing, or is not of its type.
        """
        fields = Fields(value, where)
        return cls(
            fields.text("mediaType"),
            Digest(fields.text("digest")),
            fields.number("size"),
            _text(value, "artifactType"),
            _texts(value, where),
        )

    def json(self) -> dict[str, Any]:
        """Render as in a manifest or index, in the order of the specification."""
        said: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.annotations:
            said["annotations"] = dict(self.annotations)
        if self.artifact_type:
            said["artifactType"] = self.artifact_type
        return said

    def check(self, content: bytes) -> None:
        """Check that `content` is what this describes; raises `WrongContentError`."""
        if len(content) != self.size or Digest.of(content) != self.digest:
            raise WrongContentError(
                f"expected {self.digest} of {self.size} bytes, "
                f"found {Digest.of(content)} of {len(content)}"
            )


class Manifest(NamedTuple):
    """A manifest whose bytes match the digest it was asked for by, or were just hashed.

    `children` are those of an index; `layers` and `config` those of an image or artifact.
    """

    descriptor: Descriptor
    content: bytes
    children: Sequence[Descriptor] = ()
    layers: Sequence[Descriptor] = ()
    config: Descriptor | None = None
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = {}

    @classmethod
    def parse(cls, content: bytes, media_type: str) -> Self:
        """Read a manifest that was fetched as `media_type`.

        Raises:
            AmbiguousManifestError: an image and an index at once, or of two media types.
            LimitError: too large, or too much in it.
            MalformedError: any other shape.
        """
        value = json_object(content, limit=limits.MANIFEST, floats=True)
        descriptor = Descriptor.of(media_type, content)
        where = f"manifest {descriptor.digest}"
        if "manifests" in value and ("layers" in value or "config" in value):
            raise AmbiguousManifestError(f"{where} is an image and an index at once")
        if value.get("mediaType", media_type) != media_type:
            raise AmbiguousManifestError(
                f"{where} came as {media_type[:80]!r}, and says {str(value['mediaType'])[:80]!r}"
            )
        if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            raise MalformedError(f"{where} is no manifest and no index: {media_type[:80]!r}")
        is_index = media_type in INDEX_TYPES
        if is_index != ("manifests" in value):
            raise AmbiguousManifestError(f"{where} is not the {media_type} that it says it is")
        return cls(
            descriptor,
            content,
            _descriptors(value, "manifests", where) if is_index else (),
            () if is_index else _descriptors(value, "layers", where),
            _descriptor(value, "config", where) if not is_index else None,
            _descriptor(value, "subject", where),
            _text(value, "artifactType"),
            _texts(value, where),
        )

    @property
    def is_index(self) -> bool:
        """Whether there are manifests under it."""
        return self.descriptor.media_type in INDEX_TYPES

    @property
    def kind(self) -> str:
        """What an artifact is: its type, or, as before OCI 1.1, its configuration's."""
        return self.artifact_type or (self.config.media_type if self.config else "")


class Written(NamedTuple):
    """What became of a manifest that was put somewhere.

    `listed`: the place keeps the list of referrers itself, and now has this one in it.
    """

    digest: Digest
    listed: bool


class Images(Protocol):
    """One repository. Every byte that is given out matches its digest.

    Safe in many threads. Whatever goes wrong is an `ImagesError`, or a `MalformedError` of the
    verifier's: `no-image` for what is not there.
    """

    @property
    def name(self) -> str:
        """How a person would write it: registry.example/team/app, or oci:DIR."""

    def resolve(self, reference: str) -> Descriptor:
        """Return what a tag or digest is now."""

    def manifest(self, reference: str) -> Manifest:
        """Return a manifest by tag or digest; by digest, its bytes are those."""

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in pieces; raises after the last one if they were not what was described."""

    def small_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return a blob of at most `limit` bytes."""

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there."""

    def put_blob(self, descriptor: Descriptor, pieces: Iterable[bytes]) -> None:
        """Put a blob there, whole or not at all; nothing is sent when it is there already."""

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """Put a manifest there, under its digest or also under a tag."""

    def tags(self) -> Iterator[str]:
        """Yield every tag."""

    def referrers(self, subject: Digest) -> Sequence[Descriptor] | None:
        """Return what the place lists as referring to `subject`; None: it keeps no such list.

        Then it is in the index under the tag that `fallback_tag` names, which clients keep.
        """

    def delete(self, reference: str) -> None:
        """Delete a manifest by digest, or a tag alone where the place can do that."""

    def close(self) -> None:
        """Let go of files and connections."""


class BlobOf:
    """A blob of a place, in pieces, as often as one likes. Who goes through them has it checked.

    As `Images.blob` does, they raise at their end unless they are what `descriptor` describes.
    """

    def __init__(self, source: Images, descriptor: Descriptor) -> None:
        """Read `descriptor` of `source`."""
        self.source, self.descriptor = source, descriptor

    def __iter__(self) -> Iterator[bytes]:
        """Read it from its beginning."""
        return self.source.blob(self.descriptor)


def fallback_tag(subject: Digest) -> str:
    """Return the tag of the index of referrers where there is no API for them (OCI 1.1)."""
    return subject.replace(":", "-")


def _descriptors(value: Mapping[str, Any], key: str, where: str) -> tuple[Descriptor, ...]:
    found = value.get(key, [])
    if not isinstance(found, list):
        raise MalformedError(f"expected a list of descriptors as {key} of {where}")
    return tuple(Descriptor.parse(one, f"{where}.{key}[{i}]") for i, one in enumerate(found))


def _descriptor(value: Mapping[str, Any], key: str, where: str) -> Descriptor | None:
    found = value.get(key)
    return None if found is None else Descriptor.parse(found, f"{where}.{key}")


def _text(value: object, key: str) -> str:
    found = value.get(key, "") if isinstance(value, dict) else ""
    if not isinstance(found, str):
        raise MalformedError(f"expected a text as {key}")
    return found


def _texts(value: object, where: str) -> Mapping[str, str]:
    found = value.get("annotations") if isinstance(value, dict) else None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise MalformedError(f"expected texts as annotations of {where}")
    return found
