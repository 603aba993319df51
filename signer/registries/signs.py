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

from verifier import limits
from verifier.bundle import Bundle
from verifier.digest import Digest
from verifier.errors import LimitError, VerificationError
from verifier.publickey import PublicKey
from verifier.pull import kinds
from verifier.pull.errors import NoImageError, TooManySignaturesError, WrongContentError
from verifier.pull.forms import Form, find_forms
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
        found = find_forms(images, digest, read=False)
        forms, odd = list(found.forms), len(found.odd)
        if self._verifier is not None or self._hints:
            forms, spoiled = _with_bundles(images, forms)
            odd += spoiled
        ways = {way for form in forms if (way := _WAY.get(form.kind))}
        attestations = sum(form.kind == kinds.ATTESTATION for form in forms)
        proof, code, message = self._ours(forms, digest, repository)
        by = tuple(way for way in WAYS if way in ways or (way == OURS and proof))
        return Signs(by, proof, attestations, odd, code, message)

    def _ours(
        self, forms: Sequence[Form], digest: Digest, repository: Repository
    ) -> tuple[str, str, str]:
        """Return how it is known that one of them is ours, or with which code it is not."""
        bundles = [form.content for form in forms if form.content]
        if self._verifier is not None:
            return _judged(self._verifier, bundles, digest, repository)
        if self._hints:
            is_ours = any(_names(content, self._hints) for content in bundles)
            return (BY_KEY if is_ours else ""), "", ""
        signing = [form for form in forms if form.kind in _WAY]
        is_ours = any(kinds.LOG_ID in form.artifact.manifest.annotations for form in signing)
        return (BY_LISTING if is_ours else ""), "", ""


def _with_bundles(images: Images, forms: Sequence[Form]) -> tuple[list[Form], int]:
    """Return the forms with bundles read, less those that cannot be, and how many these are.

    Nothing else is read: neither notation's envelopes nor payloads are judged here.

    Raises:
        TooManySignaturesError: more bytes than anybody needs.
    """
    read: list[Form] = []
    left = limits.SIGNATURES
    for form in forms:
        if not form.layer.media_type.startswith(kinds.BUNDLE_TYPES):
            read.append(form)
            continue
        left -= form.layer.size
        if left < 0:
            raise TooManySignaturesError(
                f"expected at most {limits.SIGNATURES} bytes of bundles, found more"
            )
        try:
            content = images.small_blob(form.layer, limits.ATTESTATION)
        except (NoImageError, WrongContentError, LimitError):
            continue
        kind = kinds.identify(form.kind, form.layer, content).kind
        read.append(form._replace(kind=kind, content=content))
    return read, len(forms) - len(read)


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


def _names(content: bytes, hints: Collection[str]) -> bool:
    try:
        return Bundle.parse(content).hint in hints
    except VerificationError:
        return False
