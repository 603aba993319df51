"""Carrying an image with all that belongs to it, so that nothing is lost at either end.

For each image:
1. Resolve it once; find what is under it, and all that is attached (`signer.carry.baggage`).
2. Put the blobs there, many at once, each once. What is there is not sent again, and what lies
   in another repository of the same registry is taken from there.
3. Put the manifests there by their digests, what is under others first.
4. Put what refers to them. Where the place keeps no list, it goes into the index that clients
   keep, with what is there already; so do the layers under `.sig`, `.att` and `.sbom`.
5. Put the tag there, last: whoever finds the image by it finds all of it, and its signatures.
Then, for all images at once:
6. Wait until the tags that others may write too have settled (`signer.attach.settling`).

Whoever is stopped in between and starts again sends no blob twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from signer.attach.settling import PATIENCE, Patience, settle
from signer.attach.union import Union
from signer.carry.baggage import Baggage, baggage
from signer.carry.sent import Pieces, Sent
from verifier import limits
from verifier._strict import json_object
from verifier.digest import Digest
from verifier.errors import MalformedError, VerificationError
from verifier.pull.errors import NoImageError, ReadOnlyError
from verifier.pull.forms import Artifact
from verifier.pull.images import Descriptor, Images, Manifest, fallback_tag
from verifier.pull.layout_index import is_accessory
from verifier.pull.registry.client import Registry
from verifier.pull.whole import whole_image
from verifier.repository import Repository

AT_ONCE = Patience(settle_s=0.0, total_s=PATIENCE.total_s)  # where registries' delays are not
_ELSEWHERE = ("nondistributable", ".foreign.")  # layers that may lie at a URL alone

Refusals = list[tuple[str, VerificationError]]  # tags that are not let be written, and why
Row = Mapping[str, Any]  # a descriptor as it is written, with all its fields


class Carried(NamedTuple):
    """What became of one image: all of `attached` artifacts, but those that were `refused`.

    They are attached to `subjects`: the image, what is under it, and artifacts themselves.
    `odd` is listed at the source, and missing there or about something else: it was left behind.
    """

    digest: Digest
    tag: str
    manifests: int
    attached: int
    subjects: Sequence[Digest]
    refused: Sequence[tuple[str, VerificationError]] = ()
    odd: Sequence[str] = ()


class Carrier:
    """Carries images from one place to another. Safe in many threads."""

    def __init__(
        self,
        source: Images,
        target: Images,
        executor: Executor,
        *,
        sent: Sent | None = None,
    ) -> None:
        """Carry from `source` to `target`, as much at once as `executor` has threads."""
        self._source, self._target = source, target
        self._executor = executor
        self._sent = sent or Sent()
        self._mount_from = _repository_beside(source, target)
        self._blobs: dict[Digest, Future[None]] = {}
        self._attached: set[Digest] = set()
        self._unions: list[Union] = []
        self._written_at = 0.0
        self._lock = threading.Lock()

    def image(self, reference: str, tag: str = "") -> Carried:
        """Carry the image `reference` with all that belongs to it, and put it under `tag`.

        Raises:
            NoImageError: it is not there.
            VerificationError: something of it cannot be read, or written.
        """
        # 1.
        manifests = whole_image(self._source, reference)
        found = baggage(self._source, [one.descriptor.digest for one in manifests], self._executor)
        artifacts = [one for bag in found for one in (*bag.referrers, *bag.tagged)]
        self._sent.expect(len(manifests) + len(artifacts))
        # 2.
        missing = self._missing(manifests)
        self._put_blobs(missing)
        # 3.
        for one in reversed(missing):
            self._target.put_manifest(one.content, one.descriptor.media_type)
        self._sent.finish(len(manifests))
        # 4.
        refused = [error for bag in found for error in self._attach(bag)]
        # 5.
        top = manifests[0]
        if tag:
            self._target.put_manifest(top.content, top.descriptor.media_type, tag)
        odd = [
            f"{one.digest}: {one.error.message} ({one.error.code})"
            for bag in found
            for one in bag.odd
        ]
        counts = (len(manifests), len(artifacts))
        subjects = [bag.subject for bag in found]
        return Carried(top.descriptor.digest, tag, *counts, subjects, refused, odd)

    def rest(self) -> Iterator[Carried]:
        """Carry what is attached to images that no tag leads to, with those that are there."""
        for tag in self._source.tags():
            if not is_accessory(tag):
                continue
            digest = Digest(tag.partition(".")[0].replace("-", ":", 1))
            if digest in self._attached:
                continue
            try:
                yield self.image(digest)
            except NoImageError:  # it was deleted, and its signatures were not
                yield self._attached_to(digest)

    def _attached_to(self, subject: Digest) -> Carried:
        found = baggage(self._source, [subject], self._executor)
        artifacts = [one for bag in found for one in (*bag.referrers, *bag.tagged)]
        self._sent.expect(len(artifacts))
        refused = [error for bag in found for error in self._attach(bag)]
        subjects = [bag.subject for bag in found]
        return Carried(subject, "", 0, len(artifacts), subjects, refused)

    def settle(self) -> Refusals:
        """Wait until all that was attached lasts; return which tags do not, and why."""
        unions, self._unions = self._unions, []
        ends = settle(unions, self._executor, self._patience(unions))
        return [
            (union.tag, error)
            for union, error in zip(unions, ends, strict=True)
            if error is not None
        ]

    def _patience(self, unions: Sequence[Union]) -> Patience:
        """Return how long to wait: less, when time has passed since and all is there still."""
        if not isinstance(self._target, Registry):
            return AT_ONCE
        passed = time.monotonic() - self._written_at
        if passed >= PATIENCE.settle_s and all(map(_lasts, unions)):
            return PATIENCE._replace(settle_s=0.0)
        return PATIENCE

    def _missing(self, manifests: Sequence[Manifest]) -> list[Manifest]:
        """Return what is not there: a registry has a manifest only with all that is in it."""
        if not isinstance(self._target, Registry):
            return list(manifests)
        there = self._executor.map(lambda one: self._is_there(one.descriptor.digest), manifests)
        return [one for one, is_there in zip(manifests, there, strict=True) if not is_there]

    def _is_there(self, digest: Digest) -> bool:
        try:
            return self._target.resolve(digest).digest == digest
        except NoImageError:
            return False

    def _put_blobs(self, manifests: Iterable[Manifest]) -> None:
        """Put everything there that `manifests` describe; return when all of it is."""
        waiting = []
        for manifest in manifests:
            parts = [*manifest.layers, *([manifest.config] if manifest.config else [])]
            waiting += [self._put_blob(one) for one in parts]
        for one in waiting:
            one.result()

    def _put_blob(self, descriptor: Descriptor) -> Future[None]:
        with self._lock:
            known = self._blobs.get(descriptor.digest)
            if known is not None:
                return known
            self._sent.expect(1)
            begun = self._executor.submit(self._send, descriptor)
            self._blobs[descriptor.digest] = begun
        begun.add_done_callback(lambda _: self._sent.finish())
        return begun

    def _send(self, descriptor: Descriptor) -> None:
        may_be_elsewhere = any(word in descriptor.media_type for word in _ELSEWHERE)
        if may_be_elsewhere and not self._source.has_blob(descriptor.digest):
            return
        pieces = Pieces(self._source, descriptor, self._sent)
        if isinstance(self._target, Registry):
            self._target.put_blob(descriptor, pieces, mount_from=self._mount_from)
        else:
            self._target.put_blob(descriptor, pieces)

    def _attach(self, bag: Baggage) -> Refusals:
        """Put what belongs to one digest there; return which tags are not let be written."""
        with self._lock:
            if bag.subject in self._attached:
                return []
            self._attached.add(bag.subject)
        self._put_under((*bag.referrers, *bag.tagged))
        listed = self._executor.map(self._refer, bag.referrers)
        unlisted = [
            one.manifest.descriptor.digest
            for one, is_listed in zip(bag.referrers, listed, strict=True)
            if not is_listed
        ]
        tag = fallback_tag(bag.subject)
        refused = self._merge_index(tag, [bag.rows[digest] for digest in unlisted])
        for artifact in bag.tagged:
            refused += self._merge_layers(f"{tag}{artifact.where}", artifact.manifest)
        self._sent.finish(len(bag.referrers) + len(bag.tagged))
        return refused

    def _put_under(self, artifacts: Sequence[Artifact]) -> None:
        """Put there what artifacts are made of: blobs, and of an index the manifests under it."""
        manifests = [one.manifest for one in artifacts]
        under = [
            below
            for one in manifests
            if one.is_index
            for below in whole_image(self._source, one.descriptor.digest)[1:]
        ]
        self._put_blobs([*manifests, *under])
        for one in reversed(under):
            self._target.put_manifest(one.content, one.descriptor.media_type)

    def _refer(self, artifact: Artifact) -> bool:
        """Put a referrer there; return whether the place lists it by itself."""
        manifest = artifact.manifest
        return self._target.put_manifest(manifest.content, manifest.descriptor.media_type).listed

    def _merge_index(self, tag: str, rows: Sequence[Row]) -> Refusals:
        """List referrers where the place does not do it."""
        if not rows:
            return []
        there = self._there(tag)
        known = {child.digest for child in there.children} if there is not None else set()
        new = [row for row in rows if row["digest"] not in known]
        return self._merge(Union(self._target, tag, index=True), new)

    def _merge_layers(self, tag: str, manifest: Manifest) -> Refusals:
        """Have all signatures of `manifest` under `tag`, with those that are there."""
        there = self._there(tag)
        if there is not None and there.descriptor.digest == manifest.descriptor.digest:
            return []
        if there is None:  # byte for byte, as long as nobody else has anything there
            try:
                self._target.put_manifest(manifest.content, manifest.descriptor.media_type, tag)
            except ReadOnlyError as e:
                return [(tag, e)]
        if manifest.is_index:
            return [] if there is None else [(tag, ReadOnlyError(f"{tag} is something else there"))]
        value = json_object(manifest.content, limit=limits.MANIFEST, floats=True)
        return self._merge(Union(self._target, tag), value.get("layers", []), mine=there is None)

    def _merge(self, union: Union, rows: Sequence[Row], *, mine: bool = False) -> Refusals:
        """Write what is missing under a tag; `mine`: it was just put there for the first time."""
        try:
            union.look()
            union.want(rows)
            if not union.look():
                union.write()
            elif not mine:
                return []  # it was there before we came, and nobody undoes that on our account
        except (ReadOnlyError, MalformedError) as e:  # of this tag; the others may be written
            return [(union.tag, e)]
        with self._lock:
            self._unions.append(union)
            self._written_at = time.monotonic()
        return []

    def _there(self, tag: str) -> Manifest | None:
        try:
            return self._target.manifest(tag)
        except NoImageError:
            return None


def _lasts(union: Union) -> bool:
    try:
        return union.look()
    except VerificationError:  # whoever settles it will say what that was
        return False


def _repository_beside(source: Images, target: Images) -> Repository | None:
    """Return where blobs can be had without sending them, should both be of one registry."""
    if isinstance(source, Registry) and isinstance(target, Registry):
        return source.repository
    return None
