"""Good proofs about one fixed ledger, made by the slow twin, to be spoiled by tests."""

from __future__ import annotations

from typing import NamedTuple

from tests.verifier import twin
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_consistency, verify_inclusion

ENTRIES = tuple(b"entry %d" % i for i in range(256))


class Inclusion(NamedTuple):
    """Everything that `verify_inclusion` looks at."""

    leaf: Hash
    proof: InclusionProof
    root: Hash

    def verify(self) -> None:
        """Check it, as our verifier does."""
        verify_inclusion(*self)


class Consistency(NamedTuple):
    """Everything that `verify_consistency` looks at."""

    old_size: int
    new_size: int
    path: tuple[Hash, ...]
    old_root: Hash
    new_root: Hash

    def verify(self) -> None:
        """Check it, as our verifier does."""
        verify_consistency(*self)


def root(size: int) -> Hash:
    """Return the root when the ledger had `size` entries."""
    return Hash(twin.root(ENTRIES[:size]))


def included(index: int, size: int) -> Inclusion:
    """Return the good proof that the entry at `index` was among the first `size`."""
    path = tuple(Hash(h) for h in twin.inclusion(index, ENTRIES[:size]))
    return Inclusion(hash_leaf(ENTRIES[index]), InclusionProof(index, size, path), root(size))


def consistent(old: int, new: int) -> Consistency:
    """Return the good proof that the ledger of `new` entries continues that of `old`."""
    path = tuple(Hash(h) for h in twin.consistency(old, ENTRIES[:new]))
    return Consistency(old, new, path, root(old), root(new))
