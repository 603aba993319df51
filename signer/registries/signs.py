"""What signs one image: by what is attached to it, and whether that is ours.

    ours      a bundle that our verifier accepts under the trust file that was given; with a
              public key alone, one that names this key; with nothing, one whose listing says
              that it is in a log of ours. `proof` tells which of these it was.
    bundle    a Sigstore bundle of anybody, under a key or a certificate     cosign 3
    .sig      simple signing                                 Podman, CRI-O, skopeo, cosign 2
    notation  an envelope of Notary's

Attestations say more about an image, and do not approve it: they are counted apart. Other than
under a trust file nothing is verified here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from verifier.bundle import Bundle
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.publickey import PublicKey
from verifier.pull import kinds
from verifier.pull.forms import Form, Found, find_forms
from verifier.pull.images import Images
from verifier.repository import Repository
from verifier.verify import Verifier

OURS, BUNDLE, SIG, NOTATION = "ours", "bundle", ".sig", "notation"
WAYS = (OURS, BUNDLE, SIG, NOTATION)
VERIFIED, BY_KEY, BY_LISTING = "verified", "key", "listing"
_WAY = {
    kinds.BUNDLE: BUNDLE,
    kinds.CERTIFICATE: BUNDLE,
    kinds.SIMPLESIGNING: SIG,
    kinds.NOTATION: NOTATION,
}


class Signs(NamedTuple):
    """What signs an image: some of `WAYS`, in their order.

    `proof` is how it is known that one is ours, and `code` why none of those there is, if that
    was judged. `odd`: what is listed and could not be taken.
    """

    by: tuple[str, ...] = ()
    proof: str = ""
    attestations: int = 0
    odd: int = 0
    code: str = ""
    message: str = ""


class Look:
    """Looks at one image after another, for `signs_of`. Safe in many threads."""

    def __init__(self, verifier: Verifier | None = None, keys: Collection[PublicKey] = ()) -> None:
        """Judge by `verifier`, or else recognise bundles that name one of `keys`."""
        self._verifier = verifier
        self._hints = frozenset(key.hint for key in keys)

    def signs_of(self, images: Images, digest: Digest, repository: Repository) -> Signs:
        """Return what signs the image `digest`, pulled from `repository`.

        Raises:
            ImagesError, MalformedError: it cannot be told; that is not "by nothing".
        """
        found = find_forms(images, digest, read=bool(self._verifier or self._hints))
        ways = {way for form in found.forms if (way := _WAY.get(form.kind))}
        attestations = sum(form.kind == kinds.ATTESTATION for form in found.forms)
        proof, code, message = self._ours(found, digest, repository)
        by = tuple(way for way in WAYS if way in ways or (way == OURS and proof))
        return Signs(by, proof, attestations, len(found.odd), code, message)

    def _ours(self, found: Found, digest: Digest, repository: Repository) -> tuple[str, str, str]:
        """Return how it is known that one of them is ours, or with which code it is not."""
        if self._verifier is not None:
            return _judged(self._verifier, _bundles(found.forms), digest, repository)
        if self._hints:
            is_ours = any(_names(content, self._hints) for content in _bundles(found.forms))
            return (BY_KEY if is_ours else ""), "", ""
        signing = [form for form in found.forms if form.kind in _WAY]
        is_ours = any(kinds.LOG_ID in form.artifact.manifest.annotations for form in signing)
        return (BY_LISTING if is_ours else ""), "", ""


def _judged(
    verifier: Verifier, bundles: Sequence[bytes], digest: Digest, repository: Repository
) -> tuple[str, str, str]:
    if not bundles:
        return "", "", ""
    try:
        verifier.judge(bundles, digest, repository)
    except VerificationError as e:
        return "", e.code, e.message
    return VERIFIED, "", ""


def _bundles(forms: Sequence[Form]) -> list[bytes]:
    return [
        form.content
        for form in forms
        if form.content and form.layer.media_type.startswith(kinds.BUNDLE_TYPES)
    ]


def _names(content: bytes, hints: Collection[str]) -> bool:
    try:
        return Bundle.parse(content).hint in hints
    except VerificationError:
        return False
