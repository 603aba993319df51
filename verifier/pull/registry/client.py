"""A repository in a registry, over the distribution API 1.1, as `Images`.

Spec: OCI distribution-spec 1.1, "Push" and "Content Management".
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.pull.errors import ReadOnlyError, RefusedContentError
from verifier.pull.images import Descriptor, Written
from verifier.pull.registry.asking import in_url
from verifier.pull.registry.faults import fault, read_said
from verifier.pull.registry.fetching import MANIFESTS, Fetching
from verifier.pull.registry.tokens import Scope
from verifier.pull.registry.uploading import Upload, check_digest
from verifier.repository import Repository

_MOST_KNOWN = 1000
_ATTEMPTS, _PAUSE_S = 4, 0.05


class Registry(Fetching):
    """One repository of a registry; see `Images`.

    Every method is over by `deadline_s`, or as much later as its bytes take at a slow line's pace.
    """

    # Small blobs are put for every signature, most of them the same empty configuration.
    _known: frozenset[Digest] = frozenset()

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
        digest, what = descriptor.digest, f"putting {descriptor.digest} into {self.repository}"
        if digest in self._known:
            return
        with self._host.turns.of((self._path, digest), self._deadline(what)):
            if not self.has_blob(digest) and not (
                mount_from is not None and self.mount(descriptor, mount_from)
            ):
                upload = Upload(self._host, self._path, self._push)
                upload.put(descriptor, pieces, self._deadline(what))
        self._know(digest)

    def mount(self, descriptor: Descriptor, source: Repository) -> bool:
        """Have the registry take a blob from another of its repositories; whether it did."""
        self._writes = True
        host, _, path = source.partition("/")
        if host != self._host.name or path == self._path:
            return False
        scopes = (*self._push, Scope("repository", path, ("pull",)))
        deadline = self._deadline(f"taking {descriptor.digest} into {self.repository}")
        upload = Upload(self._host, self._path, self._push)
        return upload.mount(descriptor, source, scopes, deadline)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Written:
        """Put a manifest there, under its digest or also under a tag.

        Raises:
            ImmutableTagError: the tag is there, and stays what it is.
            RefusedContentError: the registry does not take it, as when a child is missing.
            WrongContentError: the registry says that it has something else now.
        """
        if media_type not in MANIFESTS:
            raise MalformedError(f"expected a manifest, found {media_type[:80]!r}")
        self._writes = True
        descriptor = Descriptor.of(media_type, content)
        what = f"{self.repository}, {tag or descriptor.digest}"
        for attempt in range(_ATTEMPTS):
            answer = self._send(
                "PUT",
                f"manifests/{in_url(tag or descriptor.digest)}",
                headers=[("Content-Type", media_type)],
                content=content,
            )
            said = answer.discard()
            # Its digest is right: the registry read the link of a blob while it was written.
            if answer.status != 400 or read_said(said).code != "DIGEST_INVALID":
                break
            time.sleep(random.uniform(0.5, 1.5) * _PAUSE_S * 2**attempt)  # noqa: S311  no secret
        if answer.status not in (200, 201, 202):
            error = fault(what, answer.status, said, writes=True)
            if isinstance(error, RefusedContentError):
                self._known = frozenset()  # somebody may have deleted what we put there
            raise error
        check_digest(answer, descriptor, what)
        listed = bool(answer.headers.get("oci-subject"))
        if listed:
            self._host.without_referrers.discard(self._path)
        return Written(descriptor.digest, listed)

    def delete(self, reference: str) -> None:
        """Delete a manifest by digest, or a tag alone where the registry can do that.

        Raises:
            NoImageError: it is not there.
            ReadOnlyError: the registry deletes nothing, or no tags.
        """
        what = f"{self.repository}, deleting {reference}"
        answer = self._send("DELETE", f"manifests/{in_url(reference)}", scopes=self._delete)
        said = answer.discard()
        if answer.status in (200, 202, 204):
            return
        if answer.status == 400 and ":" not in reference:  # docker-registry: not a digest
            raise ReadOnlyError(f"{what}: the registry deletes by digest, and no tags")
        raise fault(what, answer.status, said, writes=True)

    def _know(self, digest: Digest) -> None:
        if len(self._known) < _MOST_KNOWN:
            self._known |= {digest}
