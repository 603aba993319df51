"""Attaching signatures to images: each form where its readers look, and nobody's lost.

For each image:
1. See what is there. A signature that is there already is not put there again, under whatever
   digest: re-runs add nothing.
2. Put the manifests there that refer to the image. Where the registry keeps the list of
   referrers, it answers so, and that was all: nobody can take it away. Else add them to the index
   under the tag `sha256-<hex>`.
3. Add the legacy signatures, all in one push, to the image under the tag `sha256-<hex>.sig`: first
   of all where the image is not shown without.
Then, for all images at once:
4. Wait until the tags have settled (`signer.attach.settling`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

from signer.attach.making import Made
from signer.attach.settling import PATIENCE, Patience, Tell, settle
from signer.attach.union import Union
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull import kinds
from verifier.pull.errors import (
    ContentTrustError,
    ReadOnlyError,
    RegistryAccessError,
    RegistryBusyError,
    RegistryUnreachableError,
)
from verifier.pull.forms import SIG, Found, find_forms
from verifier.pull.images import EMPTY_CONTENT, IMAGE, Descriptor, Images, fallback_tag

_PARALLEL = 8
_TRIES, _LONGEST_WAIT_S = 4, 2.0  # where a registry is busy, and says no more


class Attached(NamedTuple):
    """What became of the signatures of one image: put there, there already, or refused."""

    subject: Descriptor
    added: Sequence[Made] = ()
    there: Sequence[Made] = ()
    refused: Sequence[tuple[Made, VerificationError]] = ()


class _Job:
    """One image on its way; `fallback` and `legacy` are the tags that it needs, if any."""

    def __init__(self, images: Images, subject: Descriptor, made: Iterable[Made]) -> None:
        self.images = images
        self.subject = subject
        self.made = list({one.identity: one for one in made}.values())
        self.tried = False
        self.there: list[Made] = []
        self.refused: list[tuple[Made, VerificationError]] = []
        self.tags: list[tuple[Union, list[Made]]] = []

    def refuse(self, made: Iterable[Made], error: VerificationError) -> None:
        known = {one.identity for one, _ in self.refused}
        self.refused += [(one, error) for one in made if one.identity not in known]

    def described(self) -> Descriptor:
        """Return the descriptor of the image; of one that was not readable, as it is now."""
        return self.subject if self.subject.size else self.images.resolve(self.subject.digest)

    def result(self) -> Attached:
        refused = {one.identity for one, _ in self.refused}
        there = {one.identity for one in self.there}
        added = [one for one in self.made if one.identity not in refused | there]
        return Attached(self.subject, added, self.there, self.refused)


class Attaching:
    """Attaches to many images in parallel; `finish` waits until all of it lasts.

    A registry that is busy is asked again. When one cannot be reached, or lets nobody in, the
    images that are left there are refused without being tried. Use as a context manager; `start`
    from one thread.
    """

    def __init__(self, patience: Patience = PATIENCE, *, parallel: int = _PARALLEL) -> None:
        """Give each tag time to settle as `patience` says."""
        self._patience = patience
        self._executor = ThreadPoolExecutor(parallel, "attaching")
        self._started: list[tuple[_Job, Future[None]]] = []
        self._blobs: set[tuple[str, Digest]] = set()
        self._down: dict[str, VerificationError] = {}

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """End the threads; what was not begun, is not."""
        self._executor.shutdown(cancel_futures=True)

    def start(self, images: Images, subject: Descriptor, made: Iterable[Made]) -> Future[None]:
        """Begin to attach `made` to `subject`, which is in `images`.

        Of an image that nobody may read yet the digest alone will do, with size 0: it is read
        once its legacy signature is there.
        """
        job = _Job(images, subject, made)
        future = self._executor.submit(self._attach, job)
        self._started.append((job, future))
        return future

    def finish(self, tell: Tell | None = None) -> list[Attached]:
        """Return what became of each image, in the order in which they were started.

        `tell` is told how many tags are settled, and of how many.
        """
        jobs = []
        for job, future in self._started:
            future.result()
            jobs.append(job)
        tags = [(job, union, made) for job in jobs for union, made in job.tags]
        unions = [union for _, union, _ in tags]
        ends = settle(unions, self._executor, self._patience, tell)
        for (job, _, made), error in zip(tags, ends, strict=True):
            if error is not None:
                job.refuse(made, error)
        self._started.clear()
        return [job.result() for job in jobs]

    def _attach(self, job: _Job) -> None:
        if down := self._down.get(job.images.name):
            job.refuse(job.made, down)
            return
        for again in range(_TRIES):
            try:
                self._put(job)
            except RegistryBusyError as e:
                if again == _TRIES - 1:
                    job.refuse(job.made, e)
                    return
                longest = _LONGEST_WAIT_S * 2.0 ** (again + 1 - _TRIES)
                time.sleep(random.uniform(0, longest))  # noqa: S311  no secret
            except VerificationError as e:
                if _is_of_all(e):
                    self._down[job.images.name] = e
                job.refuse(job.made, e)
                return
            else:
                return

    def _put(self, job: _Job) -> None:
        digest = job.subject.digest
        found = find_forms(job.images, digest, tags=(SIG,))  # 1.
        present = [one for one in job.made if _is_there(one, found)]
        there = {one.identity for one in present}
        if not job.tried:  # a registry that was busy has a part of it from the first try
            job.there, job.tried = present, True
        missing = [one for one in job.made if one.identity not in there]
        referring = [one for one in missing if one.refers]
        legacy = [one for one in missing if not one.refers]
        if not job.subject.size:  # it may be shown once it has a legacy signature
            self._legacy(job, found, legacy)
        try:
            self._referring(job, found, referring)
        except ContentTrustError as e:
            job.refuse(referring, e)
        if job.subject.size:
            self._legacy(job, found, legacy)

    def _referring(self, job: _Job, found: Found, made: Sequence[Made]) -> None:
        if not made:
            return
        subject = job.described()
        listed = [(one, self._refer(job, subject, one)) for one in made]
        index = Union(job.images, fallback_tag(subject.digest), index=True)
        index.start(found.fallback)
        self._write(job, index, [(one, item) for one, item in listed if item is not None])

    def _legacy(self, job: _Job, found: Found, made: Sequence[Made]) -> None:
        for one in made:
            self._put_blob(job.images, one.described, one)
        image = Union(job.images, f"{fallback_tag(job.subject.digest)}{SIG}")
        image.start(next((one.manifest for one in found.artifacts if one.where == SIG), None))
        self._write(job, image, [(one, one.described) for one in made])

    def _refer(self, job: _Job, subject: Descriptor, made: Made) -> Descriptor | None:
        """Put what refers to the image there; return what to list, if the registry does not."""
        self._put_blob(job.images, made.described, made)
        self._put_blob(job.images, made.config, None)
        content = made.manifest(subject)
        described = Descriptor.of(IMAGE, content)
        if job.images.put_manifest(content, IMAGE).listed:
            return None
        return described._replace(artifact_type=made.artifact_type, annotations=made.annotations)

    def _write(self, job: _Job, union: Union, items: list[tuple[Made, Descriptor]]) -> None:
        """Write one tag for the first time, which has to settle then."""
        if not items:
            return
        made = [one for one, _ in items]
        union.want(item.json() for _, item in items)

        def changed() -> None:
            for one, item in items:
                if _came(job, union, one):
                    union.forget(item.json())

        job.tags.append((union, made))  # it may be there though the answer was lost
        try:
            union.write(changed)
        except ReadOnlyError as e:  # of this tag: the others may be written
            job.tags.pop()
            job.refuse(made, e)

    def _put_blob(self, images: Images, described: Descriptor, made: Made | None) -> None:
        """Put a layer or `{}` there; what this run put there is not asked for again."""
        key = (images.name, described.digest)
        if key in self._blobs:
            return
        images.put_blob(described, made.pieces() if made is not None else [EMPTY_CONTENT])
        self._blobs.add(key)


def _is_of_all(error: VerificationError) -> bool:
    """Whether no other image there would fare better."""
    return isinstance(error, RegistryUnreachableError | RegistryAccessError) and not isinstance(
        error, ContentTrustError
    )


def _came(job: _Job, union: Union, made: Made) -> bool:
    """Whether somebody else attached the same meanwhile, with another proof in it."""
    place = (made.identity.log_id.hex(), made.identity.index)
    if not made.refers or place not in union.places():
        return False
    if not _is_there(made, find_forms(job.images, job.subject.digest, tags=())):
        return False
    job.there.append(made)
    return True


def _is_there(made: Made, found: Found) -> bool:
    """Whether a signature is attached already; one too large to read, or hidden, by its hint."""
    place = (made.identity.log_id.hex(), made.identity.index)
    hidden = [one.listed for one in found.odd if isinstance(one.error, ContentTrustError)]
    if any((one.artifact_type, kinds.hinted(one)) == (made.artifact_type, place) for one in hidden):
        return True
    return any(
        form.identity == made.identity
        if form.identity is not None
        else (form.kind, kinds.hinted(form.artifact.listed)) == (made.form, place)
        for form in found.forms
    )
