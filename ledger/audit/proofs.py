"""The tree of one checkpoint by a service's proofs, where there are no tiles to read.

Every answer is joined to the checkpoint's root by a consistency proof, so what
the service says is checked and not believed; only which entry is wrong in a
slice cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledger.audit.finding import ContradictionError, Finding
from ledger.audit.source import Source
from ledger.audit.tiles import Grown
from ledger.tiles import WIDTH
from ledger.tree import root
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, VerificationError
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf, verify_consistency


class ProofSource(Source, Protocol):
    """A source that proves, instead of giving tiles."""

    def inclusion(self, index: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the inclusion path of an entry in the tree of that size."""

    def consistency(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the consistency path between two sizes."""


class ProofTree:
    """The tree of `checkpoint`, by proofs; the counterpart of `TileTree`."""

    used = 0  # tiles

    def __init__(self, source: ProofSource, checkpoint: Checkpoint) -> None:
        """Ask `source`; nothing is asked yet."""
        self.checkpoint = checkpoint
        self._source = source

    def root_at(self, size: int) -> Grown:
        """Return the root that this tree had at `size`, with the proof, which is checked.

        The root follows from the last entry of that size and its path; that it is
        this tree's follows from the consistency proof.

        Raises:
            ContradictionError: the service does not prove it.
        """
        tree = self.checkpoint
        assert size <= tree.tree_size
        if not size:
            return Grown(EMPTY_ROOT, ())
        if size == tree.tree_size:
            return Grown(tree.root, ())
        root_then = root(self._edge(size))
        try:
            path = self._source.consistency(size, tree.tree_size)
            verify_consistency(size, tree.tree_size, path, root_then, tree.root)
        except VerificationError as e:
            raise ContradictionError(
                Finding(
                    "no-consistency",
                    None,
                    f"a proof that the tree of {tree.tree_size} grew out of its first {size}",
                    e.message,
                )
            ) from e
        return Grown(root_then, path)

    def compact_at(self, size: int) -> tuple[Hash, ...]:
        """Return the compact range that this tree had at `size`.

        Raises:
            ContradictionError: the service does not prove it.
        """
        if not size:
            return ()
        edge, grown = self._edge(size), self.root_at(size)
        node = edge[-1]
        joined = (size & -size).bit_length() - 1  # levels up to the narrowest complete subtree
        for sibling in edge[-2 : -2 - joined : -1]:
            node = root([sibling, node])
        compact = (*edge[: -1 - joined], node)
        if root(compact) != grown.root or len(compact) != size.bit_count():
            what = f"the edge of a tree of {size} entries"
            raise ContradictionError(Finding("no-consistency", None, what, "another"))
        return compact

    def inclusion(self, index: int) -> tuple[Hash, ...]:
        """Return the inclusion path that the service gives; it is not checked yet."""
        return self._source.inclusion(index, self.checkpoint.tree_size)

    def _edge(self, size: int) -> tuple[Hash, ...]:
        """Return the path to the last entry of a tree of `size`, all to its left, and its leaf."""
        n, i = divmod(size - 1, WIDTH)
        bundle = self._source.entries(n, i + 1)
        if bundle is None or len(bundle) <= i:
            raise ContradictionError(Finding("missing-entries", size - 1, "an entry", "none"))
        try:
            path = self._source.inclusion(size - 1, size)
        except MalformedError as e:
            what = f"a proof of entry {size - 1}"
            raise ContradictionError(Finding("no-consistency", None, what, e.message)) from e
        return (*reversed(path), hash_leaf(bundle[i]))

    def check(self, start: int, leaves: Sequence[bytes], compact: Sequence[bytes]) -> None:
        """Check that the tree that ends with `leaves` has this compact range.

        Raises:
            ContradictionError: it has not; one of the leaves from `start` on is another.
        """
        expected, found = self.root_at(start + len(leaves)).root, root(compact)
        if expected != found:
            raise ContradictionError(
                Finding(
                    "entry-mismatch",
                    start,
                    f"entries from here on that lead to root {expected.hex()}",
                    found.hex(),
                )
            )
