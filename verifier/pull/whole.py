"""An image with everything under it: an index, its children, and theirs.

A runtime may check the digest of the index or of its platform's child, so that whoever signs,
copies or judges an image does so with each of them.
"""

from __future__ import annotations

from verifier import limits
from verifier.digest import Digest
from verifier.errors import AmbiguousManifestError, LimitError, MalformedError
from verifier.pull.images import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Images, Manifest


def whole_image(images: Images, reference: str) -> list[Manifest]:
    """Return the image that `reference` names now, and after it every manifest under it.

    A tag is resolved once: all else is by digest. What is reached in two ways is there once.

    Raises:
        NoImageError: it is not there, or something under it is not.
        WrongContentError: the bytes of a manifest do not match its digest or size.
        AmbiguousManifestError: a manifest is an image and an index at once, or of two types.
        MalformedError: something under an index is no manifest.
        LimitError: a manifest too large, or too many.
    """
    found: dict[Digest, Manifest] = {}
    _walk(images, images.resolve(reference), found)
    return list(found.values())


def _walk(images: Images, listed: Descriptor, found: dict[Digest, Manifest]) -> None:
    """Add the manifest that `listed` describes, and then everything under it."""
    known = found.get(listed.digest)
    if known is None:
        if listed.media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            raise MalformedError(f"expected a manifest or index, found {listed.media_type[:80]!r}")
        if len(found) >= limits.MANIFESTS:
            raise LimitError(f"expected at most {limits.MANIFESTS} manifests in one image")
        known = images.manifest(listed.digest)
        # The place may have been told another size or type than whoever listed it.
        listed.check(known.content)
    elif known.descriptor.size != listed.size:
        raise AmbiguousManifestError(f"{listed.digest} is listed with two sizes")
    if known.descriptor.media_type != listed.media_type:
        raise AmbiguousManifestError(
            f"{listed.digest} is {known.descriptor.media_type[:80]!r}, "
            f"and listed as {listed.media_type[:80]!r}"
        )
    if listed.digest not in found:
        found[listed.digest] = known
        for child in known.children:
            _walk(images, child, found)
