"""Detaching: what was revoked is found at no image any more, and everybody else's stays as it is.

For all images at once:
1. See what is attached, in each of its places, and what of it is revoked.
2. What is under a tag (`sha256-<hex>` of referrers, `….sig`, `….att`): the tag is deleted, by the
   digest that was seen, when nothing else is under it. Else, or where nothing is deleted, it is
   written again without what was revoked, byte by byte the same besides, until that lasts.
3. Artifacts that refer to the image are deleted. Where the registry keeps the list of them, that
   alone helps, and what may not be deleted *stays*; elsewhere nothing leads to it by now.
4. What was changed is looked at again, from the start, until there is nothing left to do: who had
   read before we wrote may have put it back.

Deleting by digest is a compare-and-swap: a tag that somebody else wrote meanwhile names another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from signer.attach.revoked import Revoked
from signer.attach.settling import Patience, settle
from signer.attach.union import Item, Union
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.errors import (
    BusyTagError,
    ImagesError,
    NoImageError,
    ReadOnlyError,
)
from verifier.pull.forms import REFERRERS, TAGS, Artifact, Form, Found, find_forms
from verifier.pull.images import Images, Manifest, fallback_tag

_PARALLEL = 8
# Another who attaches gives up after a minute; then what we took out stays out.
PATIENCE = Patience(total_s=180.0)

Choose = Callable[[Found], Revoked]
Tell = Callable[[int, int], object]


class Piece(NamedTuple):
    """A signature that was revoked. `digest` is what holds it: an artifact, or a layer of a tag."""

    kind: str
    where: str
    digest: Digest
    entry: int


class Detached(NamedTuple):
    """What became of the revoked signatures of one image; `error`: it could not be looked at."""

    image: Digest
    removed: Sequence[Piece] = ()
    stays: Sequence[tuple[Piece, VerificationError]] = ()
    error: VerificationError | None = None


class _Work:
    """One image, over all rounds."""

    def __init__(self, image: Digest) -> None:
        self.image = image
        self.removed: dict[Piece, None] = {}
        self.stays: dict[Piece, VerificationError] = {}
        self.error: VerificationError | None = None
        self.unions: list[tuple[Union, list[Piece]]] = []
        self.artifacts: dict[Digest, tuple[Artifact, list[Piece]]] = {}

    def keep(self, pieces: Iterable[Piece], error: VerificationError) -> None:
        """Take note that these stay."""
        for piece in pieces:
            self.removed.pop(piece, None)
            self.stays[piece] = error

    def remove(self, pieces: Iterable[Piece]) -> None:
        """Take note that these are gone, unless they are known to stay."""
        self.removed.update((piece, None) for piece in pieces if piece not in self.stays)

    def result(self) -> Detached:
        return Detached(self.image, list(self.removed), list(self.stays.items()), self.error)


def detach(
    images: Images,
    digests: Iterable[Digest],
    choose: Choose,
    patience: Patience = PATIENCE,
    tell: Tell | None = None,
) -> list[Detached]:
    """Take what `choose` says out of `images`; return what became of it, for each digest.

    `choose` is asked in several threads. Nothing is raised for one image: it is in its result.
    """
    works = [_Work(one) for one in dict.fromkeys(digests)]
    left, end = list(works), time.monotonic() + patience.total_s
    with ThreadPoolExecutor(_PARALLEL, "detaching") as executor:
        while left:
            steps = [executor.submit(_look, images, work, choose) for work in left]
            for done, step in enumerate(steps, 1):
                step.result()
                if tell is not None:
                    tell(done, len(left))
            changed = [work for work in left if work.unions or work.artifacts]
            if time.monotonic() > end:
                for work in changed:
                    _give_up(work)
                break
            tags = [(work, union, pieces) for work in changed for union, pieces in work.unions]
            ends = settle([union for _, union, _ in tags], executor, patience)
            for (work, _, pieces), error in zip(tags, ends, strict=True):
                work.keep(pieces, error) if error is not None else work.remove(pieces)
            for step in [executor.submit(_delete_artifacts, images, work) for work in changed]:
                step.result()
            left = changed
    return [work.result() for work in works]


def _look(images: Images, work: _Work, choose: Choose) -> None:
    """See what is to be done for one image, and begin with its tags."""
    work.unions, work.artifacts, work.error = [], {}, None
    try:
        found = find_forms(images, work.image)
        revoked = choose(found)
        gone = [
            (form, entry) for form in found.forms if (entry := revoked.entry_of(form)) is not None
        ]
        for artifact in found.artifacts:
            here = [(form, entry) for form, entry in gone if form.artifact is artifact]
            if here and artifact.where in TAGS:
                tag = f"{fallback_tag(work.image)}{artifact.where}"
                _begin_layers(images, work, tag, artifact.manifest, here)
            elif here:
                _begin_artifact(work, artifact, here)
        _begin_index(images, work, found)
    except VerificationError as e:
        work.error = e


def _begin_layers(
    images: Images, work: _Work, tag: str, manifest: Manifest, here: list[tuple[Form, int]]
) -> None:
    """Take layers out of what is under a tag of its own."""
    pieces = [Piece(form.kind, form.where, form.layer.digest, entry) for form, entry in here]
    layers = {_layer_key(form.layer.digest, form.layer.annotations) for form, _ in here}

    def unwanted(item: Item) -> bool:
        return _layer_key(item.get("digest"), item.get("annotations")) in layers

    pieces = [piece for piece in pieces if piece not in work.stays]
    if not pieces:
        return  # it was tried
    if len(here) == len(manifest.layers):
        _try_delete(images, manifest)
    work.unions.append((Union(images, tag, unwanted=unwanted), pieces))


def _begin_artifact(work: _Work, artifact: Artifact, here: list[tuple[Form, int]]) -> None:
    """Have an artifact deleted, if nothing else is in it."""
    digest = artifact.manifest.descriptor.digest
    pieces = [Piece(form.kind, form.where, digest, entry) for form, entry in here]
    pieces = [piece for piece in pieces if piece not in work.stays]
    if not pieces:
        return
    if len(here) != len(artifact.manifest.layers):
        error = ReadOnlyError(f"expected nothing else in {digest}, which cannot be changed")
        work.keep(pieces, error)
        return
    work.artifacts[digest] = (artifact, pieces)


def _begin_index(images: Images, work: _Work, found: Found) -> None:
    """Take artifacts out of the index of referrers, before they are deleted."""
    going = set(work.artifacts)
    listed = [child.digest for child in found.fallback.children] if found.fallback else []
    if found.fallback is None or going.isdisjoint(listed):
        return
    if going.issuperset(listed):
        _try_delete(images, found.fallback)
    pieces = [piece for digest in going.intersection(listed) for piece in work.artifacts[digest][1]]
    union = Union(
        images,
        fallback_tag(work.image),
        index=True,
        unwanted=lambda item: item.get("digest") in going,
    )
    work.unions.append((union, pieces))


def _delete_artifacts(images: Images, work: _Work) -> None:
    """Delete what refers to the image, unless an index that could not be written still lists it."""
    for digest, (artifact, pieces) in work.artifacts.items():
        if any(piece in work.stays for piece in pieces):
            continue
        try:
            images.delete(digest)
        except NoImageError:
            work.remove(pieces)
        except VerificationError as e:
            # What no list leads to is found by nobody.
            work.keep(pieces, e) if artifact.where == REFERRERS else work.remove(pieces)
        else:
            work.remove(pieces)


def _try_delete(images: Images, manifest: Manifest) -> None:
    """Delete what a tag names; where that is not to be had, it is going to be written again."""
    with suppress(ImagesError):
        images.delete(manifest.descriptor.digest)


def _give_up(work: _Work) -> None:
    error = BusyTagError(f"others put it back at {work.image} all the time", hint="try again")
    for _, pieces in work.unions:
        work.keep(pieces, error)
    for _, pieces in work.artifacts.values():
        work.keep(pieces, error)


def _layer_key(digest: object, annotations: object) -> tuple[object, ...]:
    """Tell layers apart: one payload under two signatures is two of them."""
    said = annotations if isinstance(annotations, Mapping) else {}
    return (digest, *sorted(said.items()))
