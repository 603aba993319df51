"""Bundles that are attached to an image, looked for one by one while somebody waits.

The list of referrers and the index under the fallback tag are read whole; of what they list,
what says where in a log it is comes first, and no more is fetched than is judged. What else is
attached, for Podman or notation, has no proof in it: that it is there is only said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import MalformedError, VerificationError
from verifier.pull import kinds
from verifier.pull.errors import (
    ContentTrustError,
    ImagesError,
    NoImageError,
    NoProofError,
    TooManySignaturesError,
    WrongContentError,
)
from verifier.pull.forms import SIG
from verifier.pull.images import fallback_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.digest import Digest
    from verifier.pull.images import Descriptor, Images

# About one artifact; whatever else goes wrong would go wrong with the next one too.
_OF_ONE = (NoImageError, WrongContentError, ContentTrustError)


def attached(images: Images, digest: Digest) -> Iterator[bytes]:
    """Yield the bundles that are attached to `digest`, the likeliest first.

    Raises:
        TooManySignaturesError: more than is looked at; the good one may be among the rest.
        NoProofError: there are signatures, and none that has a proof.
        VerificationError: a list cannot be had, or something in it could not be.
    """
    listed = _listed(images, digest)
    error: VerificationError | None = None
    others = 0
    looked_at = 0
    yielded = False
    for one in listed:
        if one.artifact_type and not one.artifact_type.startswith(kinds.BUNDLE_TYPES):
            others += 1
            continue
        looked_at += 1
        if looked_at > limits.CANDIDATES:
            raise TooManySignaturesError(
                f"expected at most {limits.CANDIDATES} attached bundles, found {len(listed)}"
            )
        try:
            for bundle in _bundles(images, digest, one):
                yielded = True
                yield bundle
        except VerificationError as e:
            if isinstance(e, ImagesError) and not isinstance(e, _OF_ONE):
                raise
            error = error or e
    if error is not None:
        raise error
    if not yielded and (others or _is_there(images, fallback_tag(digest) + SIG)):
        raise NoProofError(f"{digest} is signed for others, and no bundle is attached")


def _listed(images: Images, digest: Digest) -> list[Descriptor]:
    once: dict[Digest, Descriptor] = {}
    for one in images.referrers(digest) or ():
        once.setdefault(one.digest, one)
    try:
        index = images.manifest(fallback_tag(digest))
    except NoImageError:
        pass
    else:
        if not index.is_index:
            raise MalformedError(f"expected an index of referrers under {fallback_tag(digest)}")
        for one in index.children:
            once.setdefault(one.digest, one)
    if len(once) > limits.REFERRERS:
        raise TooManySignaturesError(
            f"expected at most {limits.REFERRERS} referrers of {digest}, found {len(once)}"
        )
    # A hint is no more than that: it says what to look at first.
    return sorted(once.values(), key=lambda one: kinds.hinted(one) is None)


def _bundles(images: Images, digest: Digest, listed: Descriptor) -> Iterator[bytes]:
    manifest = images.manifest(listed.digest)
    about = manifest.subject.digest if manifest.subject else "nothing"
    if about != digest:
        raise MalformedError(f"expected a referrer of {digest}, found one of {about}")
    for layer in manifest.layers:
        if layer.media_type.startswith(kinds.BUNDLE_TYPES):
            yield images.small_blob(layer, limits.CANDIDATE)


def _is_there(images: Images, tag: str) -> bool:
    try:
        images.manifest(tag)
    except NoImageError:
        return False
    return True
