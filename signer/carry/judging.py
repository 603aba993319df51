"""The gate: an image with everything under it, judged before any of it goes anywhere.

A runtime may ask for the index or for a child of it, so that each of them has to be approved.
What is attached to it counts first. Where that is not enough, what the service has of it does
too, since nobody need have attached anything yet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from ledger.transport import Request, Transport
from signer.errors import ServiceError
from verifier import limits
from verifier._strict import Fields, json_object
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull import kinds
from verifier.pull.forms import find_forms
from verifier.pull.images import Descriptor, Images, Manifest
from verifier.repository import Repository
from verifier.verdict import Verdict
from verifier.verify import Verifier

Fetch = Callable[[Digest], Iterable[bytes]]  # every bundle that somebody else has of a digest
_JUDGED = (kinds.BUNDLE, kinds.CERTIFICATE, kinds.ATTESTATION)
_PAGES = 16
_TIMEOUT_S = 30.0
_TYPE = f"{kinds.BUNDLE_TYPES}.v0.3+json"


class Judged(NamedTuple):
    """One manifest, and the verdict or why there is none."""

    manifest: Manifest
    verdict: Verdict | VerificationError

    @property
    def allowed(self) -> bool:
        """Whether it may go on."""
        return isinstance(self.verdict, Verdict) and self.verdict.allowed


def judge(
    images: Images,
    manifests: Sequence[Manifest],
    repository: Repository,
    verifier: Verifier,
    fetch: Fetch | None = None,
) -> list[Judged]:
    """Return of each of `manifests` whether it may be taken for an image of `repository`.

    Raises:
        SealbookError: what is attached, or what `fetch` is to have, cannot be had at all.
    """
    return [_judge(images, one, repository, verifier, fetch) for one in manifests]


def _judge(
    images: Images,
    manifest: Manifest,
    repository: Repository,
    verifier: Verifier,
    fetch: Fetch | None,
) -> Judged:
    digest = manifest.descriptor.digest
    found = dict(_attached(images, digest))
    try:
        return Judged(manifest, verifier.judge(found.values(), digest, repository))
    except VerificationError as e:
        if fetch is None:
            return Judged(manifest, e)
    # A bundle that is rendered again has another proof in it, and is the same nevertheless.
    for bundle in fetch(digest):
        described = Descriptor.of(_TYPE, bundle)
        found.setdefault(kinds.identify(kinds.BUNDLE, described, bundle), bundle)
    try:
        return Judged(manifest, verifier.judge(found.values(), digest, repository))
    except VerificationError as e:
        return Judged(manifest, e)


def _attached(images: Images, digest: Digest) -> Iterator[tuple[kinds.Identity, bytes]]:
    """Yield each bundle that is attached to `digest`."""
    for form in find_forms(images, digest, tags=()).forms:
        if form.kind in _JUDGED and form.layer.media_type.startswith(kinds.BUNDLE_TYPES):
            content = form.content or images.small_blob(form.layer, limits.ATTESTATION)
            identity = form.identity or kinds.identify(form.kind, form.layer, content)
            yield identity, content


def fetching(transport: Transport, url: str, repository: Repository, token: str = "") -> Fetch:
    """Return what asks the service at `url` for bundles about images of `repository`."""
    headers = (("authorization", f"Bearer {token}"),) if token else ()

    def fetch(digest: Digest) -> Iterator[bytes]:
        start = 0
        for _ in range(_PAGES):
            where = f"{url.rstrip('/')}/v1/bundles/{digest}?repository={quote(repository)}"
            answer = transport(
                Request(
                    "GET",
                    f"{where}&start={start}",
                    headers=headers,
                    limit=limits.FETCHED,
                    timeout_s=_TIMEOUT_S,
                )
            )
            if answer.status == 404:
                return
            if answer.status != 200:
                raise ServiceError(
                    "bad-answer", f"{url}: expected bundles, found status {answer.status}"
                )
            page = json_object(answer.body, limit=limits.FETCHED)
            fields = Fields(page, "bundles")
            for bundle in fields.items("bundles", most=limits.CANDIDATES):
                yield json.dumps(bundle).encode()
            start = fields.number("next")
            if not start:
                return

    return fetch
