"""Promoting: what an approval stands on, for an image that was approved elsewhere before.

It names the entry that was there first, however many repositories the image came through:

    "sealbook.promotes":"17"

The annotation is ours alone, so that whoever reads it knows that entry 17 is an approval of the
same digest, in another repository, which counted when this one was signed.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger import labels
from ledger.ledger import Ledger
from signer.access import Principal
from signer.errors import PromotesError
from signer.seeing import FETCH, Sight
from signer.status.in_force import InForce
from verifier import statement as statements
from verifier._strict import decimal
from verifier.digest import Digest
from verifier.entry import parse_any
from verifier.errors import RevokedError
from verifier.publickey import PublicKey
from verifier.record import Record
from verifier.rekor_v1 import EnvelopeEntry
from verifier.repository import Repository

_APPROVE_ALWAYS = (labels.SIMPLESIGNING, labels.NOTATION)
_STATEMENTS = (labels.BUNDLE, labels.CERTIFICATE)


class _Approval(NamedTuple):
    record: Record
    repository: Repository
    key: PublicKey
    promotes: int | None


class Promoted:
    """Finds in one ledger what an approval may stand on."""

    def __init__(
        self, ledger: Ledger, in_force: InForce, behind_issuer: tuple[str, ...] = ()
    ) -> None:
        """Look in `ledger`, for what is not revoked by what is `in_force`."""
        self._ledger = ledger
        self._in_force = in_force
        self._behind_issuer = behind_issuer

    def first(
        self, principal: Principal, digest: Digest, repository: Repository, index: int
    ) -> int:
        """Return the entry that is to be named in an approval that promotes the one at `index`.

        That is the first one: `index` itself, unless it was promoted too. Both have to count,
        and neither may be in `repository`.

        Raises:
            PromotesError: it is no published approval of `digest` that `principal` may fetch,
                is of this repository, or was revoked.
        """
        named = self._approval(index, digest, Sight(principal, FETCH))
        self._check(named, digest, repository)
        if named.promotes is None:
            return index
        # Who promotes from the one in the middle need not see where it came from.
        first = self._approval(named.promotes, digest, None)
        self._check(first, digest, repository)
        return first.record.index

    def _approval(self, index: int, digest: Digest, sight: Sight | None) -> _Approval:
        """Return the approval at `index`; one that is not shown is not there."""
        none = PromotesError(f"entry {index} is no approval of {digest} that you may fetch")
        if index >= self._ledger.published.checkpoint.tree_size:
            raise none
        row = self._ledger.row(index)
        about = labels.decode(row.labels)
        [form], named = about["form"], about.get("repository", [])
        approves = form in _APPROVE_ALWAYS or (
            form in _STATEMENTS and about.get("predicate_type") == [statements.APPROVAL]
        )
        if about.get("digest") != [digest] or not approves or len(named) != 1:
            raise none
        if sight is not None and not sight.shows(row.labels):
            raise none
        record = self._ledger.record(index)
        logged = parse_any(record.entry)
        if isinstance(logged, EnvelopeEntry) or not record.body:
            raise none
        said = labels.approval_annotations(form, record.body).get(statements.PROMOTES)
        promotes = None if said is None else decimal(said)
        return _Approval(record, Repository(named[0]), logged.key, promotes)

    def _check(self, one: _Approval, digest: Digest, repository: Repository) -> None:
        """Check that an approval is of another repository, and that nobody took it back."""
        index = one.record.index
        if one.repository == repository:
            raise PromotesError(
                f"expected an approval in another repository, entry {index} is in {repository}",
                hint="it was approved here before: sign it without promoting anything",
            )
        try:
            self._in_force.check_entry(index, one.key)
            self._in_force.check_digest(digest, one.repository)
            if one.record.form == labels.CERTIFICATE:
                self._in_force.check_authorities(self._behind_issuer)
        except RevokedError as e:
            raise PromotesError(f"entry {index} does not count any more: {e.message}") from e
