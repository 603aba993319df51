"""The main flow of this room: try what signatures need, one thing after the other.

 1. It answers, and asks who we are.
 2. An image can be pushed.
 3. It is shown before anything signs it.
 4. Its tag can name another image.
 5. A `.sig` tag can be written, and written again. From here on it is signed, for Harbor.
 6. A referrer is taken, is listed by the API, and is shown.
 7. An index of referrers can be written under its tag, and written again.
 8. Media types that few registries know; by then it is signed in every way, and must be shown.
 9. Sizes: of a manifest, of a layer, of all annotations of a manifest.
10. A blob of another repository is mounted.
11. Tags are listed, and repositories.
12. Deleting: a tag, a referrer, a `.sig`, and then whatever is left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from signer.registries.trying import findings as names
from signer.registries.trying.answers import answered, largest, listed_as, texts
from signer.registries.trying.findings import NO, UNTRIED, YES, Finding
from signer.registries.trying.scratch import IMAGE_CONFIG, Said, Scratch, manifest
from verifier import jws, simplesigning
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull import kinds
from verifier.pull.errors import RegistryAccessError
from verifier.pull.images import EMPTY, EMPTY_CONTENT, INDEX, Descriptor, fallback_tag
from verifier.pull.registry.catalog import catalog
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository
from verifier.statement import APPROVAL

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
UNKNOWN = "application/vnd.dev.sealbook.check.v1+json"
TAG = "check"
_MANIFEST_SIZES = (4 << 20, 1 << 20, 256 << 10, 64 << 10)
_LAYER_SIZES = (24 << 20, 8 << 20, 1 << 20)
Step = Callable[[], Iterator[Finding]]
_NEEDED = (names.REACHED, names.LET_IN, names.PUSH)
_SIGNATURES, _CERTIFICATES = 128, 8 << 10  # layers of a `.sig`, and what stands beside each


class Trial:
    """One round of tries in one scratch repository."""

    def __init__(
        self,
        scratch: Scratch,
        registries: Registries,
        mounted: tuple[Repository, Descriptor] | None = None,
    ) -> None:
        """Try in `scratch`; `mounted` is another repository, and a blob of it."""
        self._scratch = scratch
        self._registries = registries
        self._mounted = mounted
        self._image = Descriptor(IMAGE_CONFIG, Digest.of(b""), 0)
        self.found: list[Finding] = []

    def run(self, told: Callable[[int, int], None] = lambda _done, _total: None) -> list[str]:
        """Try everything; return what could not be deleted. `found` has what was found out."""
        steps: list[tuple[Step, tuple[str, ...]]] = [
            (self._hello, (names.REACHED, names.TOKENS, names.LET_IN)),
            (self._push, (names.PUSH,)),
            (self._read, (names.READ,)),
            (self._overwrite, (names.OVERWRITE,)),
            (self._signature_tag, (names.SIGNATURE_TAG, names.SIGNATURE_TAG_AGAIN)),
            (
                self._referrers,
                (names.REFERRERS_API, names.REFERRERS_LISTED, names.REFERRERS_READ),
            ),
            (self._fallback, (names.FALLBACK_TAG, names.FALLBACK_TAG_AGAIN)),
            (
                self._media_types,
                (names.NOTATION_TYPES, names.NOTATION_READ, names.READ_SIGNED, names.MEDIA_TYPES),
            ),
            (self._sizes, (names.MANIFEST_SIZE, names.LAYER_SIZE, names.ANNOTATION_SIZE)),
            (self._mount, (names.MOUNT,)),
            (self._lists, (names.TAGS, names.CATALOG)),
            (self._delete, (names.DELETE_TAG, names.DELETE_REFERRER, names.DELETE_SIGNATURES)),
        ]
        left: list[str] = []
        try:
            for done, (step, asked) in enumerate(steps):
                told(done, len(steps))
                self._tried(step, asked)
                if any(one.name in _NEEDED and one.outcome == NO for one in self.found):
                    break  # without these there is nothing to try
        finally:
            left += self._scratch.clean()
        told(len(steps), len(steps))
        return left

    def _tried(self, step: Step, asked: tuple[str, ...]) -> None:
        """Take what a step finds; what a request raises is the answer to its next question."""
        open_ = list(asked)
        try:
            for one in step():
                self.found.append(one)
                open_.remove(one.name)
        except VerificationError as e:
            self.found.append(Finding(open_[0], NO, e.message, e.code, e.hint))

    def _hello(self) -> Iterator[Finding]:
        """Ask for something that may not be there: the answer tells who has to ask, and how."""
        registry = self._scratch.registry
        try:
            self._scratch.get(TAG)
        except RegistryAccessError as e:
            yield Finding(names.REACHED, YES, registry.origin)
            yield Finding(names.TOKENS, YES, registry.challenge)
            yield Finding(names.LET_IN, NO, e.message, e.code, e.hint)
            return
        yield Finding(names.REACHED, YES, registry.origin)
        yield Finding(names.TOKENS, YES if registry.challenge else NO, registry.challenge)
        yield Finding(names.LET_IN, YES)

    def _push(self) -> Iterator[Finding]:
        self._image, said = self._scratch.image("first", TAG)
        yield answered(names.PUSH, said)

    def _read(self, name: str = names.READ) -> Iterator[Finding]:
        said = self._scratch.get(self._image.digest)
        if said.is_good and Digest.of(said.content) != self._image.digest:
            yield Finding(name, NO, "shows other bytes than were pushed", "wrong-content")
            return
        yield answered(name, said)

    def _overwrite(self) -> Iterator[Finding]:
        moving = f"{TAG}-moving"
        self._scratch.image("second", moving)
        _, said = self._scratch.image("third", moving)
        yield answered(names.OVERWRITE, said)

    def _signature_tag(self) -> Iterator[Finding]:
        first = self._signatures(1)
        yield answered(names.SIGNATURE_TAG, first)
        if first.is_good:
            yield answered(names.SIGNATURE_TAG_AGAIN, self._signatures(2))

    def _signatures(self, count: int, beside: int = 0) -> Said:
        """Put a `.sig` of so many signatures there, each with so many bytes of certificates."""
        tag = f"{fallback_tag(self._image.digest)}.sig"
        payload = simplesigning.payload(f"check.invalid/{TAG}", self._image.digest, {})
        layer, said = self._scratch.blob(simplesigning.MEDIA_TYPE, payload)
        if not said.is_good:
            return said
        annotations = {"dev.sigstore.cosign/certificate": "A" * beside} if beside else {}
        layers = [
            layer._replace(annotations={simplesigning.SIGNATURE: f"bm9uZSA{n:04}", **annotations})
            for n in range(count)
        ]
        content = {"architecture": "", "os": "", "config": {}}
        content |= {"rootfs": {"type": "layers", "diff_ids": [layer.digest] * count}}
        config, said = self._scratch.blob(IMAGE_CONFIG, json.dumps(content).encode())
        if not said.is_good:
            return said
        if beside:
            tag = f"{TAG}-large"  # the other tag may be immutable by now
        return self._scratch.manifest(manifest(config, layers), tag)[1]

    def _referrers(self) -> Iterator[Finding]:
        pushed, said = self._bundle("first")
        if not said.is_good:
            yield answered(names.REFERRERS_API, said)
            return
        listed = said.headers.get("oci-subject") == self._image.digest
        found = self._scratch.ask("GET", f"referrers/{self._image.digest}")
        if not listed and not found.is_good:
            yield Finding(names.REFERRERS_API, NO, f"no OCI-Subject, and {found.words}")
        else:
            yield Finding(names.REFERRERS_API, YES)
            yield listed_as(found, pushed, BUNDLE)
        yield answered(names.REFERRERS_READ, self._scratch.get(pushed.digest))

    def _bundle(self, note: str) -> tuple[Descriptor, Said]:
        """Put an artifact there as one with a Sigstore bundle is."""
        config, said = self._scratch.blob(EMPTY, EMPTY_CONTENT)
        layer, taken = self._scratch.blob(BUNDLE, b'{"mediaType":"%s"}' % note.encode())
        if not (said.is_good and taken.is_good):
            return config, taken if said.is_good else said
        artifact = manifest(
            config,
            [layer],
            subject=self._image,
            artifact_type=BUNDLE,
            annotations={kinds.PREDICATE_TYPE: APPROVAL},
        )
        return self._scratch.manifest(artifact)

    def _fallback(self) -> Iterator[Finding]:
        listed: list[Descriptor] = []
        for name, note in ((names.FALLBACK_TAG, "first"), (names.FALLBACK_TAG_AGAIN, "second")):
            pushed, said = self._bundle(note)
            if said.is_good:
                said_of = {kinds.PREDICATE_TYPE: APPROVAL}
                listed.append(pushed._replace(artifact_type=BUNDLE, annotations=said_of))
                index = {
                    "schemaVersion": 2,
                    "mediaType": INDEX,
                    "manifests": [one.json() for one in listed],
                }
                tag = fallback_tag(self._image.digest)
                said = self._scratch.manifest(index, tag, INDEX)[1]
            yield answered(name, said)
            if not said.is_good:
                return

    def _media_types(self) -> Iterator[Finding]:
        envelope, said = self._artifact(kinds.NOTATION_TYPE, jws.MEDIA_TYPE, "")
        yield answered(names.NOTATION_TYPES, said)
        if said.is_good:
            yield answered(names.NOTATION_READ, self._scratch.get(envelope.digest))
        yield from self._read(names.READ_SIGNED)
        yield answered(names.MEDIA_TYPES, self._artifact(EMPTY, UNKNOWN, UNKNOWN)[1])

    def _artifact(
        self, config_type: str, layer_type: str, artifact_type: str
    ) -> tuple[Descriptor, Said]:
        config, said = self._scratch.blob(config_type, EMPTY_CONTENT)
        layer, taken = self._scratch.blob(layer_type, b'{"check":true}')
        if not (said.is_good and taken.is_good):
            return config, taken if said.is_good else said
        made = manifest(config, [layer], subject=self._image, artifact_type=artifact_type)
        return self._scratch.manifest(made)

    def _sizes(self) -> Iterator[Finding]:
        yield largest(names.MANIFEST_SIZE, _MANIFEST_SIZES, self._manifest_of)
        yield largest(names.LAYER_SIZE, _LAYER_SIZES, self._layer_of)
        yield answered(names.ANNOTATION_SIZE, self._signatures(_SIGNATURES, _CERTIFICATES))

    def _layer_of(self, size: int) -> Said:
        return self._scratch.blob(UNKNOWN, bytes(size))[1]

    def _manifest_of(self, size: int) -> Said:
        config, said = self._scratch.blob(EMPTY, EMPTY_CONTENT)
        if not said.is_good:
            return said
        made = manifest(config, [config], artifact_type=UNKNOWN, annotations={"check": ""})
        short = size - len(json.dumps(made, separators=(",", ":")))
        made["annotations"] = {"check": "a" * short}
        return self._scratch.manifest(made)[1]

    def _mount(self) -> Iterator[Finding]:
        if self._mounted is None:
            yield Finding(names.MOUNT, UNTRIED, "no other repository with an image was named")
            return
        source, blob = self._mounted
        if self._scratch.mount(blob, source):
            yield Finding(names.MOUNT, YES)
        else:
            yield Finding(names.MOUNT, NO, f"of {source}: it is uploaded again instead")

    def _lists(self) -> Iterator[Finding]:
        said = self._scratch.ask("GET", "tags/list?n=100")
        tags = texts(said, "tags")
        if said.is_good and TAG not in tags:
            yield Finding(names.TAGS, NO, f"{TAG} was pushed and is not among {len(tags)}")
        else:
            yield answered(names.TAGS, said)
        host, _, _ = self._scratch.registry.repository.partition("/")
        next(catalog(host, self._registries), None)
        yield Finding(names.CATALOG, YES)

    def _delete(self) -> Iterator[Finding]:
        self._scratch.image("to be untagged", f"{TAG}-untagged")
        yield answered(names.DELETE_TAG, self._scratch.delete(f"{TAG}-untagged"))
        pushed, said = self._bundle("to be deleted")
        if said.is_good:
            yield answered(names.DELETE_REFERRER, self._scratch.delete(pushed.digest))
        signatures = self._scratch.tagged(f"{fallback_tag(self._image.digest)}.sig")
        if signatures is not None:
            yield answered(names.DELETE_SIGNATURES, self._scratch.delete(signatures))
