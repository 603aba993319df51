"""One item of an order: checked, and what its approval says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ledger import dedup
from signer import rerun
from signer.access import Principal
from signer.errors import RequestError
from signer.forms import Approval
from signer.making import Signer
from signer.order import Item
from verifier import limits
from verifier import statement as statements
from verifier.digest import Digest
from verifier.errors import LimitError
from verifier.publickey import PublicKey
from verifier.repository import Repository

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MEDIA_TYPE = re.compile(r"(?=.{1,128}\Z)[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]*", re.ASCII)
_IDEMPOTENCY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


def requester(principal: Principal) -> dict[str, str]:
    """Return what a statement says of who asked for it; verifiers' policies may demand it."""
    # Who vouches and for whom comes last: no claim takes its place.
    claims = {**principal.claims, "issuer": principal.issuer, "subject": principal.subject}
    return {statements.REQUESTER + name: value for name, value in sorted(claims.items())}


class Request:
    """One checked item, and what its approval says."""

    def __init__(self, principal: Principal, repository: Repository, item: Item) -> None:
        """Check `item`, which promotes what `Promoted` found or nothing.

        Raises:
            MalformedError, RequestError, LimitError: it is none that can be approved.
        """
        self.digest = Digest(item.digest)
        statements.check_annotations(item.annotations)
        if item.tag and not _TAG.fullmatch(item.tag):
            raise RequestError(f"not a tag: {item.tag[:80]!r}")
        if item.media_type and not _MEDIA_TYPE.fullmatch(item.media_type):
            raise RequestError(f"not a media type: {item.media_type[:80]!r}")
        if item.idempotency_key and not _IDEMPOTENCY.fullmatch(item.idempotency_key):
            raise RequestError("expected an idempotency key of 1 to 128 printable ASCII characters")
        if item.size >= limits.TREE_SIZE:
            raise LimitError(f"expected a size below 2**63, found {item.size}")
        self.item = item
        self._repository = repository
        self._principal = principal
        self._annotations = {
            **item.annotations,
            **requester(principal),
            **({statements.MEDIA_TYPE: item.media_type} if item.media_type else {}),
            **({statements.SIZE: str(item.size)} if item.size else {}),
            **({statements.TAG: item.tag} if item.tag else {}),
            **({} if item.promotes is None else {statements.PROMOTES: str(item.promotes)}),
        }

    def approval(self, supersedes: int | None) -> Approval:
        """Return what is to be said, the same for the same request."""
        item = self.item
        annotations = self._with(supersedes)
        return Approval(self.digest, self._repository, annotations, item.media_type, item.size)

    def claim(self, signer: Signer) -> rerun.Claim:
        """Return the idempotency key, per principal and signer, and what it stands for."""

        def request(public: PublicKey) -> bytes:
            content = signer.form.content(self.approval(None))
            return dedup.request(public, content, renew=self.item.renew)

        idempotency_key = self.item.idempotency_key
        who = self._principal.name, signer.name
        return rerun.Claim(
            rerun.claim_key(*who, idempotency_key) if idempotency_key else b"", request
        )

    def _with(self, supersedes: int | None) -> Mapping[str, str]:
        if supersedes is None:
            return self._annotations
        return {**self._annotations, statements.SUPERSEDES: str(supersedes)}
