"""The judge: may this image run?

`Verifier.verify` is the main flow of this room. It is pure: bytes, a trust root
and a clock go in; a `Verified` comes out, or a `VerificationError` that says
what was expected and found. Nothing is fetched, nothing is written.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier import statement as statements
from verifier.bundle import Bundle
from verifier.entry import Entry, check_same
from verifier.errors import (
    CheckpointMismatchError,
    DigestMismatchError,
    KeyScopeError,
    KeyWindowError,
    PredicateTypeError,
    RepositoryMismatchError,
    TrustExpiredError,
    UnknownKeyError,
    UnnamedRepositoryError,
)
from verifier.merkle import hash_leaf, verify_inclusion
from verifier.note import ML_DSA, Note
from verifier.repository import Repository
from verifier.statement import Statement, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from verifier.digest import Digest
    from verifier.tlogpolicy import Endorsed
    from verifier.trust import TrustRoot
    from verifier.trusted import TrustedKey

_SEEN_CHECKPOINTS = 256


class Verified(NamedTuple):
    """What is now known: `key` approved `digest` in `repository`, logged at `index`."""

    digest: Digest
    repository: Repository
    key: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    tree_size: int
    origin: str
    annotations: Mapping[str, str]
    witnesses: tuple[str, ...]  # those that stand behind the checkpoint
    known_witnesses: int  # how many the trust root names


class Verifier:
    """Judges bundles under one trust root.

    Safe in many threads: the only state is a bounded memory of checkpoints
    whose signatures were good, known by the hash of their exact text.
    """

    def __init__(self, trust: TrustRoot, clock: Callable[[], float] = time.time) -> None:
        """Believe `trust`; `clock` gives POSIX seconds and decides only its expiry."""
        self._trust = trust
        self._clock = clock
        self._policy = trust.tlog_policy()
        self._seen: dict[bytes, Endorsed] = {}

    def verify(self, data: bytes, digest: Digest, repository: Repository | None) -> Verified:
        """Return what the bundle `data` proves about `digest`.

        `repository` is where the image was pulled from; None accepts an
        approval for any repository, and the answer says which.

        1. Shape and limits.
        2. The key is known, for approvals, and may speak of the repository.
        3. Its signature covers the exact bytes of the payload.
        4. The statement approves this digest in this repository.
        5. The ledger entry is rebuilt from the bundle's own content.
        6. Its leaf is in the tree of the checkpoint.
        7. A pinned log key signed that checkpoint for its origin.
        8. Enough witnesses did too.
        9. The key was valid at the proven index.
        10. The trust root is fresh.

        Raises:
            VerificationError: one of its subclasses, by the first step that says no.
        """
        # 1.
        bundle = Bundle.parse(data)
        # 2.
        key = self._trust.key(bundle.hint, "approve")
        if repository is not None:
            _check_scope(key, repository)
        # 3.
        key.public.verify(bundle.envelope.signature, bundle.envelope.message)
        # 4.
        subject = _approved(Statement.parse(bundle.envelope.payload), digest, repository)
        named = Repository(subject.name)
        _check_scope(key, named)
        # 5 to 10.
        seen = self._logged(bundle, key)
        return Verified(
            digest,
            named,
            key.name,
            bundle.proof.index,
            bundle.proof.tree_size,
            seen.checkpoint.origin,
            subject.annotations,
            seen.witnesses,
            len(self._trust.quorum.witnesses),
        )

    def logged(self, bundle: Bundle) -> tuple[Endorsed, TrustedKey]:
        """Return by whom `bundle` was signed, and who stands behind the ledger that has it.

        This judges entries of every kind. What the statement says, and whether
        it is for this key to say, is left to the caller.

        Raises:
            VerificationError: one of its subclasses.
        """
        key = self._trust.keys.get(bundle.hint)
        if key is None:
            raise UnknownKeyError(f"no key of the trust root has the hint {bundle.hint[:80]!r}")
        key.public.verify(bundle.envelope.signature, bundle.envelope.message)
        return self._logged(bundle, key), key

    def _logged(self, bundle: Bundle, key: TrustedKey) -> Endorsed:
        """Do the steps 5 to 10 of `verify`: they are the same for whatever was signed."""
        # 5. What the bundle says of its entry is never believed, only compared.
        entry = Entry.of(bundle.envelope.message, bundle.envelope.signature, key.public)
        check_same(entry, bundle.entry)
        # 6.
        verify_inclusion(hash_leaf(entry.body()), bundle.proof, bundle.checkpoint.root)
        # 7, 8.
        seen = self._checkpoint(bundle)
        # 9.
        index = bundle.proof.index
        if not key.valid_at(index):
            raise KeyWindowError(
                f"key {key.name} counts from {key.valid_from_tree_size} to before "
                f"{key.valid_through_tree_size}, the entry is at {index}"
            )
        # 10.
        if self._clock() >= self._trust.expires:
            raise TrustExpiredError(f"trust file version {self._trust.version} has expired")
        return seen

    def _checkpoint(self, bundle: Bundle) -> Endorsed:
        """Return the checkpoint of `bundle` once a pinned log key and the quorum signed it."""
        known = hashlib.sha256(bundle.note.encode()).digest()  # a note can be 256 KB long
        seen = self._seen.get(known)
        if seen is None:
            seen = self._policy.verify(Note.parse(bundle.note))
            if len(self._seen) >= _SEEN_CHECKPOINTS:
                self._seen.clear()
            self._seen[known] = seen
        keys = self._trust.log_keys(seen.checkpoint.origin)
        log_ids = {key.log_id for key in keys if key.kind != ML_DSA}  # those that Sigstore knows
        if bundle.log_id not in log_ids:
            raise CheckpointMismatchError(
                f"the entry names log {bundle.log_id.hex()[:16]}…, the checkpoint another"
            )
        return seen


def _check_scope(key: TrustedKey, repository: Repository) -> None:
    if not key.covers(repository):
        raise KeyScopeError(f"key {key.name} may not approve images in {repository}")


def _approved(statement: Statement, digest: Digest, repository: Repository | None) -> Subject:
    """Return the subject that approves `digest` in `repository`, or in the one that it names."""
    if statement.predicate_type != statements.APPROVAL:
        raise PredicateTypeError(
            f"expected {statements.APPROVAL}, found {statement.predicate_type[:120]!r}"
        )
    matching = [subject for subject in statement.subjects if subject.digest == digest]
    if not matching:
        found = ", ".join(subject.digest for subject in statement.subjects[:3])
        raise DigestMismatchError(f"expected {digest}, the statement is about {found}")
    matching = [subject for subject in matching if subject.name]
    if not matching:
        raise UnnamedRepositoryError("expected the name of a repository, found none")
    for subject in matching:
        if repository is None or subject.name == repository:
            return subject
    found = ", ".join(repr(subject.name[:120]) for subject in matching[:3])
    raise RepositoryMismatchError(f"expected {repository}, the statement approves {found}")
