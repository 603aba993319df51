"""What is read from a repository: manifests, blobs, tags, referrers.

What a registry says is believed only as far as it can be checked: content by its digest, which
was asked for or is computed; a tag is what the registry says it is, and nothing more.

Spec: OCI distribution-spec 1.1, "Pull" and "Content Discovery".
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from verifier import limits
from verifier.digest import Digest
from verifier.errors import DigestError, LimitError, MalformedError
from verifier.pull.errors import (
    RegistryAnswerError,
    TooManySignaturesError,
    WrongContentError,
)
from verifier.pull.images import INDEX, INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest
from verifier.pull.registry.answers import Answer
from verifier.pull.registry.asking import TAG, Asking, in_url, media_type_of
from verifier.pull.registry.faults import fault, read_said
from verifier.pull.registry.listing import JSON, texts

MANIFESTS = (*INDEX_TYPES, *MANIFEST_TYPES)
_ACCEPT = ("Accept", ", ".join(MANIFESTS))
_NO_API = (400, 404, 405, 406, 501)  # what registries answer that keep no list of referrers


class Fetching(Asking):
    """The half of `Images` that reads."""

    def resolve(self, reference: str) -> Descriptor:
        """Return what a tag or digest is now.

        Raises:
            NoImageError: it is nothing.
        """
        what = f"{self.repository}, {reference}"
        answer = self._send("HEAD", f"manifests/{in_url(reference)}", headers=[_ACCEPT])
        answer.discard()
        if answer.status == 404:
            raise fault(what, answer.status, b"", writes=False)
        said, size = answer.headers.get("docker-content-digest", ""), answer.length
        media_type = media_type_of(answer)
        whole = said.startswith("sha256:") and size and media_type in MANIFESTS
        if answer.status != 200 or not size or not whole:
            # What a HEAD leaves out, a GET has: a digest that can be computed, a reason for no.
            return self.manifest(reference).descriptor
        try:
            digest = Digest(said)
        except DigestError as e:
            raise RegistryAnswerError(f"{what}: {e.message}") from e
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
        answer = self._send("GET", f"manifests/{in_url(reference)}", headers=[_ACCEPT])
        if answer.status != 200:
            raise self._unread(what, answer)
        content = answer.read(limits.MANIFEST, what)
        digest = Digest.of(content)
        said = answer.headers.get("docker-content-digest", "")
        for expected in (reference if ":" in reference else "", said):
            if expected.startswith("sha256:") and expected != digest:
                raise WrongContentError(f"{what}: expected {expected[:80]}, found {digest}")
        return Manifest.parse(content, media_type_of(answer))

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
            raise self._unread(what, answer)
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
            answer = self._send("GET", f"blobs/{digest}")  # which has words that say why
            if answer.status not in (200, 404):
                raise self._unread(f"{self.repository}, blob {digest}", answer)
            answer.close()
        return answer.status == 200

    def tags(self) -> Iterator[str]:
        """Yield every tag.

        Raises:
            NoImageError: there is no such repository.
            LimitError: there are more than `limits.TAGS`.
        """
        what = f"{self.repository}, tags"
        count = 0

        def otherwise(answer: Answer) -> Exception:
            return self._unread(what, answer)

        for page in self._pages("tags/list?n=1000", JSON, what, otherwise):
            for tag in texts(page.get("tags"), what):
                if not TAG.fullmatch(tag):
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
        without = self._host.without_referrers
        if self._path in without:
            return None
        what = f"{self.repository}, referrers of {subject}"
        found: list[Descriptor] = []

        def otherwise(answer: Answer) -> Exception:
            if found or answer.status not in _NO_API:
                return self._unread(what, answer)
            # A registry that has the list may say of what is not there yet that it is not.
            if not read_said(answer.discard()).code:
                without.add(self._path)
            return _NoListError()

        try:
            for page in self._pages(f"referrers/{subject}", INDEX, what, otherwise):
                found += _listed(page, limits.REFERRERS - len(found), what)
        except _NoListError:
            return None
        return found


class _NoListError(Exception):
    """The registry keeps no list of referrers."""


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
