"""What of a decision is in the ledger, whoever was told of it."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ledger import labels
from ledger.ledger import Ledger
from signer.audit_trail.tail import Decision
from verifier.merkle import Hash, hash_leaf

_MOST_SOUGHT = 256


class Landed:
    """Looks for what came of decisions in one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        """Look in `ledger`."""
        self._ledger = ledger

    def known_by(self, wanted: Sequence[bytes]) -> list[int]:
        """Return where what has these dedup keys is; what is not there is left out."""
        return list(self._ledger.store.find_many(list(wanted)).values()) if wanted else []

    def raw(self, decision: Decision, claimed: Container[int]) -> list[int]:
        """Return where a bare hash is that a raw key was to sign, if it was signed since.

        One that is `claimed` came of another decision.
        """
        if decision.sought is None:
            return []
        digest, key = decision.sought
        found = self._ledger.store.search("digest", digest, decision.tree_size - 1, _MOST_SOUGHT)
        for index in found:
            named = labels.decode(self._ledger.stored(index).labels)
            is_it = (named.get("form"), named.get("key")) == ([labels.OPAQUE], [key])
            if is_it and index not in claimed:
                return [index]
        return []

    def leaf(self, index: int) -> Hash:
        """Return the leaf hash of the entry at `index`."""
        return hash_leaf(self._ledger.stored(index).entry)
