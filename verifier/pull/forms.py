"""Everything that is attached to one digest, wherever its readers look for it.

    referrers API             bundles, notation, attestations      cosign 3, notation, oras
    index at sha256-<hex>     the same, where there is no API
    image at sha256-<hex>.sig simple signing, a layer each         Podman, CRI-O, skopeo, cosign 2
             sha256-<hex>.att attestations of cosign 2
             sha256-<hex>.sbom what cosign attached as an SBOM

Whoever may write there can add whatever they like. So one artifact that is not what its list
says is `odd` and hides no other, while too many, or a list that cannot be read, end the search:
what was not looked at could be the one good signature, and nobody is told "unsigned" then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from verifier import limits
from verifier.digest import Digest
from verifier.errors import MalformedError, VerificationError
from verifier.pull import kinds
from verifier.pull.errors import (
    ContentTrustError,
    ImagesError,
    NoImageError,
    TooManySignaturesError,
    WrongContentError,
)
from verifier.pull.images import Descriptor, Images, Manifest, fallback_tag
from verifier.pull.kinds import Identity

REFERRERS, FALLBACK = "referrers", "fallback"
SIG, ATT, SBOM = ".sig", ".att", ".sbom"
TAGS = (SIG, ATT, SBOM)


class Artifact(NamedTuple):
    """A manifest that is about a digest. `where` is the way to it: one of those above.

    `listed` is what the list of referrers says of it; under a tag, its own descriptor.
    """

    where: str
    manifest: Manifest
    listed: Descriptor


class Form(NamedTuple):
    """One signature, or one layer of something else. Nothing of it is verified.

    `content` are the bytes of the layer, and empty of what is not read: an `other`, an
    attestation of over 1 MiB, or anything when only listing was asked for.
    """

    kind: str
    artifact: Artifact
    layer: Descriptor
    content: bytes
    identity: Identity | None

    @property
    def where(self) -> str:
        """The way to it."""
        return self.artifact.where


class Odd(NamedTuple):
    """What is listed and cannot be taken: missing, hidden, something else, or about another.

    `listed` is what was said of the artifact that it is, or is in.
    """

    where: str
    digest: Digest
    error: VerificationError
    listed: Descriptor


class Found(NamedTuple):
    """All that is attached to `digest`; first come those that say where in our log they are.

    `has_api`: the place keeps the list of referrers. `fallback` is the index in its stead.
    """

    digest: Digest
    artifacts: Sequence[Artifact]
    forms: Sequence[Form]
    odd: Sequence[Odd]
    has_api: bool
    fallback: Manifest | None


def find_forms(
    images: Images, digest: Digest, *, read: bool = True, tags: Sequence[str] = TAGS
) -> Found:
    """Return everything that is attached to `digest`; `read`: with the signatures themselves.

    Without, kinds are as listings tell them, and a certificate passes for a bundle. Of tags,
    only those that end in one of `tags` are looked at, and the index of referrers.

    Raises:
        TooManySignaturesError: more than anybody needs; the good one may be among them.
        ImagesError, MalformedError: a list cannot be had, or cannot be read.
    """
    odd: list[Odd] = []
    api = images.referrers(digest)
    fallback = _tagged(images, fallback_tag(digest))
    if fallback is not None and not fallback.is_index:
        raise MalformedError(f"expected an index of referrers under {fallback_tag(digest)}")
    listed = [(REFERRERS, one) for one in api or ()]
    listed += [(FALLBACK, one) for one in (fallback.children if fallback is not None else ())]
    artifacts = list(_referrers(images, digest, listed, odd))
    for suffix in tags:
        tagged = _tagged(images, f"{fallback_tag(digest)}{suffix}")
        if tagged is not None:
            artifacts.append(Artifact(suffix, tagged, tagged.descriptor))
    forms = list(_forms(images, artifacts, odd, read=read))
    return Found(digest, artifacts, forms, odd, api is not None, fallback)


def _tagged(images: Images, tag: str) -> Manifest | None:
    try:
        return images.manifest(tag)
    except NoImageError:
        return None


def _referrers(
    images: Images, digest: Digest, listed: Sequence[tuple[str, Descriptor]], odd: list[Odd]
) -> Iterator[Artifact]:
    """Yield each manifest that is listed, once, if it refers to `digest` indeed."""
    once: dict[Digest, tuple[str, Descriptor]] = {}
    for where, one in listed:
        once.setdefault(one.digest, (where, one))
    _bound(len(once), limits.REFERRERS, f"referrers of {digest}")
    # A hint is no more than that: it says what to look at first.
    for where, one in sorted(once.values(), key=lambda it: kinds.hinted(it[1]) is None):
        try:
            manifest = images.manifest(one.digest)
            about = manifest.subject.digest if manifest.subject else "nothing"
            if about != digest:
                raise MalformedError(f"expected a referrer of {digest}, found one of {about}")
        except VerificationError as e:
            odd.append(_odd(where, one.digest, e, one))
        else:
            yield Artifact(where, manifest, one)


def _forms(
    images: Images, artifacts: Iterable[Artifact], odd: list[Odd], *, read: bool
) -> Iterator[Form]:
    left = limits.SIGNATURES
    for artifact in artifacts:
        layers = artifact.manifest.layers
        _bound(len(layers), limits.SIGNATURE_LAYERS, f"layers of {artifact.listed.digest}")
        for layer in layers:
            kind = kinds.kind_of(artifact.manifest, layer)
            if not read or kind == kinds.OTHER or layer.size > limits.BUNDLE:
                yield Form(kind, artifact, layer, b"", None)
                continue
            left -= layer.size
            if left < 0:
                raise TooManySignaturesError(
                    f"expected at most {limits.SIGNATURES} bytes of signatures, found more"
                )
            try:
                content = images.small_blob(layer, limits.BUNDLE)
            except VerificationError as e:
                odd.append(_odd(artifact.where, layer.digest, e, artifact.listed))
                continue
            identity = kinds.identify(kind, layer, content)
            yield Form(identity.kind, artifact, layer, content, identity)


def _bound(found: int, most: int, what: str) -> None:
    if found > most:
        raise TooManySignaturesError(f"expected at most {most} {what}, found {found}")


def _odd(where: str, digest: Digest, error: VerificationError, listed: Descriptor) -> Odd:
    """Take note of content that is not what it should be; nothing else is passed by.

    Content trust is about one manifest, too: what is no signature for it, it hides.

    Raises:
        ImagesError: `error`, when it is about the place, where the next one would fail too.
    """
    of_one = NoImageError | WrongContentError | ContentTrustError
    if isinstance(error, ImagesError) and not isinstance(error, of_one):
        raise error
    return Odd(where, digest, error, listed)
