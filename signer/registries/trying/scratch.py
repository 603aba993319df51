"""A scratch repository: puts small things there, says how each was taken, and takes them away.

Manifests go by the raw requests of the distribution API: it is the registry's own words that are
of interest here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from verifier._strict import json_object
from verifier.digest import Digest
from verifier.errors import MalformedError, VerificationError, printable
from verifier.pull.images import IMAGE, INDEX, Descriptor
from verifier.pull.registry.client import Registry
from verifier.repository import Repository

IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_ACCEPT = ("Accept", f"{IMAGE}, {INDEX}")
_WORDS = 200  # of what a registry says
_GONE = 404


class Said(NamedTuple):
    """What a registry answered, or why there is no answer. `headers` are in lower case."""

    status: int
    headers: Mapping[str, str] = {}
    content: bytes = b""
    error: VerificationError | None = None

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Status, code and message, as it says them itself."""
        if self.error is not None:
            return self.error.message[:_WORDS]
        try:
            errors = json_object(self.content, limit=1 << 20, floats=True).get("errors")
            first = errors[0] if isinstance(errors, list) and errors else {}
            said = [str(first.get(key) or "") for key in ("code", "message")]
        except (MalformedError, AttributeError):
            said = []
        text = " ".join([str(self.status), *filter(None, said)])
        return printable(text[:_WORDS])


class Scratch:
    """A repository to try things in. For one caller; `clean` it in the end."""

    def __init__(self, registry: Registry) -> None:
        """Use it; nothing is asked yet."""
        self.registry = registry
        self._tags: dict[str, Digest] = {}
        self._digests: dict[Digest, None] = {}

    def blob(self, media_type: str, content: bytes) -> tuple[Descriptor, Said]:
        """Put a blob there; return what it is, and how it was taken."""
        descriptor = Descriptor.of(media_type, content)
        try:
            self.registry.put_blob(descriptor, [content])
        except VerificationError as e:
            return descriptor, Said(0, error=e)
        return descriptor, Said(201)

    def mount(self, descriptor: Descriptor, source: Repository) -> bool:
        """Have a blob of another repository taken; whether it was."""
        return self.registry.mount(descriptor, source)

    def ask(self, method: str, path: str, *headers: tuple[str, str], content: bytes = b"") -> Said:
        """Ask anything of this repository; raises `ImagesError` when there is no answer."""
        return Said(*self.registry.request(method, path, headers=headers, content=content))

    def manifest(
        self, manifest: Mapping[str, Any], tag: str = "", media_type: str = IMAGE
    ) -> tuple[Descriptor, Said]:
        """Put a manifest there, under a tag or its digest."""
        content = json.dumps(manifest, separators=(",", ":")).encode()
        descriptor = Descriptor.of(media_type, content)
        where = f"manifests/{tag or descriptor.digest}"
        said = self.ask("PUT", where, ("Content-Type", media_type), content=content)
        if said.is_good:
            self._digests[descriptor.digest] = None
            if tag:
                self._tags[tag] = descriptor.digest
        return descriptor, said

    def image(self, note: str, tag: str) -> tuple[Descriptor, Said]:
        """Put a small image there, which is another for another `note`."""
        config, said = self.blob(IMAGE_CONFIG, b'{"architecture":"amd64","os":"linux"}')
        layer, taken = self.blob(LAYER, note.encode())
        if not (said.is_good and taken.is_good):
            return config, taken if said.is_good else said
        return self.manifest(manifest(config, [layer]), tag)

    def get(self, reference: str) -> Said:
        """Ask for a manifest."""
        return self.ask("GET", f"manifests/{reference}", _ACCEPT)

    def delete(self, reference: str) -> Said:
        """Delete a tag or a manifest."""
        said = self.ask("DELETE", f"manifests/{reference}")
        if said.is_good or said.status == _GONE:
            if ":" in reference:
                self._digests.pop(Digest(reference), None)
                gone = [tag for tag, of in self._tags.items() if of == reference]
            else:
                gone = [reference]
            for tag in gone:
                self._tags.pop(tag, None)
        return said

    def tagged(self, tag: str) -> Digest | None:
        """Return what was put there under a tag, and is there still."""
        return self._tags.get(tag)

    def clean(self) -> Iterator[str]:
        """Delete all that was put there, last first; yield what could not be, and why."""
        for digest in reversed(tuple(self._digests)):
            try:
                said = self.delete(digest)
            except VerificationError as e:
                said = Said(0, error=e)
            if said.is_good or said.status == _GONE:
                continue
            tags = [tag for tag, of in self._tags.items() if of == digest]
            named = f"{', '.join(tags)} ({digest})" if tags else digest
            yield f"{named}: {said.words}"


def manifest(
    config: Descriptor,
    layers: list[Descriptor],
    *,
    subject: Descriptor | None = None,
    artifact_type: str = "",
    annotations: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Write an image manifest, or an artifact with a subject."""
    made: dict[str, Any] = {"schemaVersion": 2, "mediaType": IMAGE}
    if artifact_type:
        made["artifactType"] = artifact_type
    made |= {"config": config.json(), "layers": [layer.json() for layer in layers]}
    if subject is not None:
        made["subject"] = subject.json()
    if annotations:
        made["annotations"] = dict(annotations)
    return made
