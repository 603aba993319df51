"""A repository in a registry, over the distribution API 1.1, as `Images`.

What a registry says is believed only as far as it can be checked: content by its digest, which
was asked for or is computed; a tag is what the registry says it is, and nothing more.

Spec: OCI distribution-spec 1.1.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from verifier import limits
from verifier.digest import Digest
from verifier.errors import DigestError, LimitError, MalformedError
from verifier.pull.errors import (
    ImagesError,
    ReadOnlyError,
    RegistryAnswerError,
    TooManySignaturesError,
    WrongContentError,
)
from verifier.pull.images import (
    INDEX,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Manifest,
    Written,
)
from verifier.pull.registry.connections import Answer, Headers
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.faults import fault, read_said
from verifier.pull.registry.host import Share, shared_host
from verifier.pull.registry.listing import pages, texts
from verifier.pull.registry.settings import Registries
from verifier.pull.registry.tokens import Scope, Scopes
from verifier.pull.registry.uploading import Upload, check_digest
from verifier.repository import Repository

DEADLINE_S = 60.0
_MANIFESTS = (*INDEX_TYPES, *MANIFEST_TYPES)
_ACCEPT = ("Accept", ", ".join(_MANIFESTS))
_TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{limits.TAG - 1}}}", re.ASCII)
_NO_API = (400, 404, 405, 406, 501)  # what registries answer that keep no list of referrers


class _NoListError(Exception):
    """The registry keeps no list of referrers."""


class Reply(NamedTuple):
    """An answer as it came, for who looks into what a registry does."""

    status: int
    headers: dict[str, str]
    content: bytes


class Registry:
    """One repository of a registry; see `Images`.

    Every method is over by `deadline_s`, or as much later as its bytes take at a slow line's pace.
    """

    def __init__(
        self,
        repository: Repository,
        registries: Registries,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Connect to nobody yet.

        Raises:
            RegistrySettingsError: a file that is configured for it cannot be used.
        """
        name, _, self._path = repository.partition("/")
        self.repository = repository
        self._deadline_s = deadline_s
        self._share: Share = shared_host(name, registries.of(repository), registries)
        self._host = self._share.host
        self._pull: Scopes = (Scope("repository", self._path, ("pull",)),)
        self._push: Scopes = (Scope("repository", self._path, ("pull", "push")),)
        self._delete: Scopes = (Scope("repository", self._path, ("pull", "push", "delete")),)
        self._writes = False  # whoever writes reads with the same token

    @property
    def name(self) -> str:
        """How a person would write it."""
        return self.repository

    @property
    def origin(self) -> str:
        """Where it is talked to, and how: https://registry.example."""
        return str(self._host.origin)

    @property
    def challenge(self) -> str:
        """What the registry last wanted to know of us: a WWW-Authenticate header, or nothing."""
        return self._host.access.challenge

    def resolve(self, reference: str) -> Descriptor:
        """Return what a tag or digest is now.

        Raises:
            NoImageError: it is nothing.
        """
        answer = self._send("HEAD", f"manifests/{_reference(reference)}", headers=[_ACCEPT])
        answer.discard()
        if answer.status != 200:
            if answer.status == 404:
                raise self._fault(f"{self.repository}, {reference}", answer, b"")
            return self.manifest(reference).descriptor  # a HEAD has no words that say why
        said, size = answer.headers.get("docker-content-digest", ""), answer.length
        media_type = _media_type(answer)
        if not said.startswith("sha256:") or not size or media_type not in _MANIFESTS:
            return self.manifest(reference).descriptor
        try:
            digest = Digest(said)
        except DigestError as e:
            raise RegistryAnswerError(f"{self.repository}: {e.message}") from e
        if ":" in reference and digest != reference:
            raise WrongContentError(f"expected {reference}, the registry says it is {digest}")
        return Descriptor(media_type, digest, size)

    def manifest(self, reference: str) -> Manifest:
        """Return a manifest by tag or digest; by digest, its bytes are those.

        Raises:
            NoImageError: it is not there.
            WrongContentError: it is another than was asked for, or than the registry says.
            LimitError: it is too large.
        """
        what = f"{self.repository}, {reference}"
        answer = self._send("GET", f"manifests/{_reference(reference)}", headers=[_ACCEPT])
        if answer.status != 200:
            raise self._fault(what, answer, answer.discard())
        content = answer.read(limits.MANIFEST, what)
        digest = Digest.of(content)
        said = answer.headers.get("docker-content-digest", "")
        for expected in (reference if ":" in reference else "", said):
            if expected.startswith("sha256:") and expected != digest:
                raise WrongContentError(f"{what}: expected {expected[:80]}, found {digest}")
        return Manifest.parse(content, _media_type(answer))

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in pieces; raises after the last one if they were not what was described.

        Raises:
            NoImageError: it is not there.
            WrongContentError: it is not what was described.
        """
        what = f"{self.repository}, blob {descriptor.digest}"
        deadline = self._deadline(what)
        answer = self._send("GET", f"blobs/{descriptor.digest}", deadline=deadline)
        if answer.status != 200:
            raise self._fault(what, answer, answer.discard())
        if answer.length not in (None, descriptor.size):
            answer.close()
            raise WrongContentError(
                f"{what}: expected {descriptor.size} bytes, found {answer.length}"
            )
        digest, size = sha256(), 0
        for piece in answer.pieces():
            size += len(piece)
            if size > descriptor.size:
                answer.close()
                raise WrongContentError(f"{what}: expected {descriptor.size} bytes, found more")
            digest.update(piece)
            before = time.monotonic()
            yield piece
            deadline.pause(time.monotonic() - before)
        if size != descriptor.size or f"sha256:{digest.hexdigest()}" != descriptor.digest:
            raise WrongContentError(
                f"{what}: expected {descriptor.size} bytes, found {size} bytes "
                f"whose digest is sha256:{digest.hexdigest()}"
            )

    def small_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return a blob of at most `limit` bytes.

        Raises:
            LimitError: it says that it is larger.
        """
        if descriptor.size > limit:
            raise LimitError(
                f"{self.repository}, blob {descriptor.digest}: "
                f"expected at most {limit} bytes, found {descriptor.size}"
            )
        return b"".join(self.blob(descriptor))

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there."""
        answer = self._send("HEAD", f"blobs/{digest}")
        answer.discard()
        if answer.status not in (200, 404):
            raise self._fault(f"{self.repository}, blob {digest}", answer, b"")
        return answer.status == 200

    def put_blob(
        self,
        descriptor: Descriptor,
        pieces: Iterable[bytes],
        *,
        mount_from: Repository | None = None,
    ) -> None:
        """Put a blob there, whole or not at all; nothing is sent when it is there already.

        With `mount_from`, another repository of this registry, it is taken from there if that is
        possible. `pieces` that can be gone through again can be sent in parts, where a proxy
        takes no large requests.

        Raises:
            WrongContentError: the pieces are not what was described; nothing is there then.
            RefusedContentError: the registry does not take it.
        """
        self._writes = True
        if self.has_blob(descriptor.digest):
            return
        if mount_from is not None and self.mount(descriptor, mount_from):
            return
        deadline = self._deadline(f"putting {descriptor.digest} into {self.repository}")
        Upload(self._host, self._path, self._push).put(descriptor, pieces, deadline)

    def mount(self, descriptor: Descriptor, source: Repository) -> bool:
        """Have the registry take a blob from another of its repositories; whether it did."""
        self._writes = True
        host, _, path = source.partition("/")
        if host != self._host.name or path == self._path:
            return False
        scopes = (*self._push, Scope("repository", path, ("pull",)))
        deadline = self._deadline(f"taking {descriptor.digest} into {self.repository}")
        return Upload(self._host, self._path, self._push).mount(
            descriptor, source, scopes, deadline
        )

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """Put a manifest there, under its digest or also under a tag.

        Raises:
            ImmutableTagError: the tag is there, and stays what it is.
            RefusedContentError: the registry does not take it, as when a child is missing.
            WrongContentError: the registry says that it has something else now.
        """
        if media_type not in _MANIFESTS:
            raise MalformedError(f"expected a manifest, found {media_type[:80]!r}")
        self._writes = True
        descriptor = Descriptor.of(media_type, content)
        what = f"{self.repository}, {tag or descriptor.digest}"
        answer = self._send(
            "PUT",
            f"manifests/{_reference(tag or descriptor.digest)}",
            headers=[("Content-Type", media_type)],
            content=content,
        )
        said = answer.discard()
        if answer.status not in (200, 201, 202):
            raise fault(what, answer.status, said, writes=True)
        check_digest(answer, descriptor, what)
        listed = bool(answer.headers.get("oci-subject"))
        if listed:
            self._host.without_referrers.discard(self._path)
        return Written(descriptor.digest, listed)

    def tags(self) -> Iterator[str]:
        """Yield every tag.

        Raises:
            NoImageError: there is no such repository.
            LimitError: there are more than `limits.TAGS`.
        """
        what = f"{self.repository}, tags"
        count = 0
        for page in self._pages("tags/list?n=1000", "application/json", what):
            for tag in texts(page.get("tags"), what):
                if not _TAG.fullmatch(tag):
                    raise RegistryAnswerError(f"{what}: expected a tag, found {tag[:80]!r}")
                count += 1
                if count > limits.TAGS:
                    raise LimitError(f"{what}: expected at most {limits.TAGS}")
                yield tag

    def referrers(self, subject: Digest) -> Sequence[Descriptor] | None:
        """Return what the registry lists as referring to `subject`; None: it keeps no such list.

        Raises:
            TooManySignaturesError: there are more than `limits.REFERRERS`.
            RegistryAnswerError: the list is something else.
        """
        if self._path in self._host.without_referrers:
            return None
        what = f"{self.repository}, referrers of {subject}"
        found: list[Descriptor] = []
        try:
            for page in self._pages(f"referrers/{subject}", INDEX, what):
                found += _listed(page, limits.REFERRERS - len(found), what)
        except _NoListError:
            return None
        return found

    def delete(self, reference: str) -> None:
        """Delete a manifest by digest, or a tag alone where the registry can do that.

        Raises:
            NoImageError: it is not there.
            ReadOnlyError: the registry deletes nothing, or no tags.
        """
        what = f"{self.repository}, deleting {reference}"
        answer = self._send("DELETE", f"manifests/{_reference(reference)}", scopes=self._delete)
        said = answer.discard()
        if answer.status in (200, 202, 204):
            return
        if answer.status == 400 and ":" not in reference:  # docker-registry: not a digest
            raise ReadOnlyError(f"{what}: the registry deletes by digest, and no tags")
        raise fault(what, answer.status, said, writes=True)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        content: bytes = b"",
        limit: int = limits.MANIFEST,
    ) -> Reply:
        """Send any request under this repository, as in `tags/list`, and return what comes back.

        Whatever the status is, it is no error; only 401 is dealt with.

        Raises:
            LimitError: the body has more than `limit` bytes.
        """
        answer = self._send(method, path, headers=headers, content=content, scopes=self._delete)
        body = answer.read(limit, f"{method} {path}")
        return Reply(answer.status, dict(answer.headers), body)

    def close(self) -> None:
        """Let go of the registry, whose connections are kept a while for others."""
        self._share.close()

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()

    def _deadline(self, what: str) -> Deadline:
        return Deadline(self._deadline_s, what)

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        content: bytes = b"",
        deadline: Deadline | None = None,
        scopes: Scopes | None = None,
    ) -> Answer:
        return self._host.send(
            method,
            f"/v2/{self._path}/{path}",
            scopes or (self._push if self._writes else self._pull),
            deadline or self._deadline(f"{self.repository}, {method} {path:.100}"),
            headers=headers,
            content=content,
        )

    def _pages(self, path: str, media_type: str, what: str) -> Iterator[dict[str, Any]]:
        def otherwise(answer: Answer) -> Exception:
            said = answer.discard()
            if media_type != INDEX or answer.status not in _NO_API:
                return self._fault(what, answer, said)
            # A registry that has the list may say of what is not there yet that it is not.
            if not read_said(said).code:
                self._host.without_referrers.add(self._path)
            return _NoListError()

        return pages(
            self._host,
            f"/v2/{self._path}/{path}",
            self._push if self._writes else self._pull,
            self._deadline(what),
            media_type=media_type,
            what=what,
            otherwise=otherwise,
        )

    def _fault(self, what: str, answer: Answer, said: bytes) -> ImagesError:
        return fault(what, answer.status, said, writes=False)


def _reference(reference: str) -> str:
    """Return a tag or digest as it may stand in a URL.

    Raises:
        MalformedError: it is neither.
    """
    if ":" in reference:
        return Digest(reference)
    if not _TAG.fullmatch(reference):
        raise MalformedError(f"expected a tag or a digest, found {reference[:80]!r}")
    return quote(reference)


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _listed(page: dict[str, Any], most: int, what: str) -> list[Descriptor]:
    """Read the descriptors of a page of referrers, of which `most` may be there."""
    listed = page.get("manifests")
    if not isinstance(listed, list):
        raise RegistryAnswerError(f"{what}: expected an index, found no manifests")
    if len(listed) > most:
        raise TooManySignaturesError(f"{what}: expected at most {limits.REFERRERS}, found more")
    try:
        return [Descriptor.parse(one, what) for one in listed]
    except MalformedError as e:
        raise RegistryAnswerError(e.message) from e
