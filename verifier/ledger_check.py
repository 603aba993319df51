"""Is it in the ledger, and does it count there? The steps 5 to 9 of `Verifier.verify`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.entry import Entry, check_same
from verifier.errors import (
    CheckpointMismatchError,
    KeyWindowError,
    NoStatusError,
    SplitViewError,
)
from verifier.merkle import hash_leaf, verify_inclusion
from verifier.note import ML_DSA, Note

if TYPE_CHECKING:
    from verifier.bundle import Bundle
    from verifier.proof import TlogProof
    from verifier.tlogpolicy import Endorsed
    from verifier.trust import TrustRoot
    from verifier.trust.listed import TrustedKey
    from verifier.trust.revocation import Revocations
    from verifier.trust.status import Status

_SEEN_CHECKPOINTS = 256


class LedgerCheck:
    """Checks entries under one trust root.

    Safe in many threads: the only state is a bounded memory of checkpoints
    whose signatures were good, known by the hash of their exact text.
    """

    def __init__(self, trust: TrustRoot, status: Status | None, revoked: Revocations) -> None:
        """Believe the logs of `trust`; `revoked` is what `status` takes away."""
        self._trust = trust
        self._status = status
        self._revoked = revoked
        self._tlog_policy = trust.tlog_policy()
        self._seen: dict[bytes, Endorsed] = {}

    def check(self, bundle: Bundle, key: TrustedKey) -> Endorsed:
        """Return who stands behind the checkpoint under which `bundle`, signed by `key`, is.

        Raises:
            EntryMismatchError: its entry is another signature's.
            InclusionError, CheckpointMismatchError, UntrustedLogError, WitnessQuorumError:
                it is not proven to be in a ledger that we trust.
            KeyWindowError, RevokedError: it is, where the key or it does not count.
            NoStatusError, SplitViewError: the status file is of another tree.
        """
        # 5. What the bundle says of its entry is never believed, only compared.
        envelope = bundle.envelope
        entry = Entry.of(envelope.message, envelope.signature, key.public, bundle.certificate)
        check_same(entry, bundle.entry)
        # 6.
        verify_inclusion(hash_leaf(entry.body()), bundle.proof, bundle.checkpoint.root)
        # 7, 8.
        seen = self._endorsed(bundle.note)
        keys = self._trust.log_keys(seen.checkpoint.origin)
        log_ids = {log.log_id for log in keys if log.kind != ML_DSA}  # those that Sigstore knows
        if bundle.log_id not in log_ids:
            raise CheckpointMismatchError(
                f"the entry names log {bundle.log_id.hex()[:16]}…, the checkpoint another"
            )
        # 9.
        self._check_counts(seen, bundle.proof.index, key)
        return seen

    def proven(self, entry: Entry, proof: TlogProof, key: TrustedKey) -> Endorsed:
        """Return the same for an `entry` of `key` that was made from the caller's own data.

        Raises:
            VerificationError: as from `check`.
        """
        seen = self._endorsed(str(proof.note))
        proof.verify(hash_leaf(entry.body()))
        self._check_counts(seen, proof.index, key)
        return seen

    def _check_counts(self, seen: Endorsed, index: int, key: TrustedKey) -> None:
        if self._status is not None:
            _check_against(seen, self._status)
        if not key.valid_at(index):
            raise KeyWindowError(
                f"key {key.name} counts from {key.valid_from_tree_size} to before "
                f"{key.valid_through_tree_size}, the entry is at {index}"
            )
        self._revoked.check_entry(index, key.public.hint)

    def _endorsed(self, note: str) -> Endorsed:
        """Return the checkpoint in `note` once a pinned log key and the quorum signed it."""
        known = hashlib.sha256(note.encode()).digest()  # a note can be 256 KB long
        seen = self._seen.get(known)
        if seen is None:
            seen = self._tlog_policy.verify(Note.parse(note))
            if len(self._seen) >= _SEEN_CHECKPOINTS:
                self._seen.clear()
            self._seen[known] = seen
        return seen


def _check_against(seen: Endorsed, status: Status) -> None:
    """Check that the status file is about the ledger of this checkpoint, and about one tree."""
    newest = status.endorsed.checkpoint
    if seen.checkpoint.origin != newest.origin:
        raise NoStatusError(f"the status file is of {newest.origin}, not {seen.checkpoint.origin}")
    if seen.checkpoint.tree_size == newest.tree_size and seen.checkpoint.root != newest.root:
        raise SplitViewError(
            f"the status file has another tree of {newest.tree_size} entries than the bundle"
        )
