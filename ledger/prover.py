"""Proofs over the durable tree: from stored tiles, and the edge in memory.

What may be proven to whom is the ledger's matter; here, whatever is durable can be.
"""

from __future__ import annotations

from ledger import tree
from ledger.edge import load_edge
from ledger.store import Store
from ledger.tiles import Edge, TileReader
from verifier.merkle import EMPTY_ROOT, Hash


class Prover:
    """The tree of one store. One thread lets it grow; any thread asks."""

    def __init__(self, store: Store, tree_size: int) -> None:
        """Derive the edge of the tree of `tree_size` leaves."""
        self._reader = TileReader(store.tile)
        self.edge: Edge = load_edge(store, tree_size)  # replaced as a whole when the tree grows

    def inclusion(self, index: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the path of the leaf at `index` in the tree of `tree_size` (RFC 9162 2.1.3)."""
        ranges = tree.inclusion_ranges(index, tree_size)
        return tuple(self._hash(lo, hi) for lo, hi in ranges)

    def consistency(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the path between two trees (RFC 9162 section 2.1.4); 0 needs none."""
        ranges = tree.consistency_ranges(old_size, tree_size) if old_size else ()
        return tuple(self._hash(lo, hi) for lo, hi in ranges)

    def root_at(self, tree_size: int) -> Hash:
        """Return the root that the tree had at `tree_size`."""
        return self._hash(0, tree_size) if tree_size else EMPTY_ROOT

    def _hash(self, lo: int, hi: int) -> Hash:
        edge = self.edge
        return tree.fold([self._reader.node(node, edge) for node in tree.cover(lo, hi)])
