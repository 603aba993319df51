"""The arithmetic of an append-only tree: which nodes a batch completes, which a proof needs.

Pure: no storage, no clock. A *node* (level, i) is the root of the 2**level
leaves from i << level on; only complete nodes have a hash that never changes.

    level 2        [0]               a tree of 7 leaves: its compact range is
    level 1    [0]     [1]    [2]    node (2,0), node (1,2), node (0,6),
    level 0    0 1     2 3    4 5  6 one for each bit of 7, widest first

RFC 6962 section 2.1 defines the tree; a range of leaves [lo, hi) that is no
single node is covered by complete nodes, whose hashes fold from the right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from verifier.merkle import EMPTY_ROOT, Hash

_sha256 = hashlib.sha256


class NodeId(NamedTuple):
    """The complete node over the leaves [i << level, (i + 1) << level)."""

    level: int
    i: int


class Row(NamedTuple):
    """Hashes of one level: those of the nodes first, first + 1, …"""

    first: int
    hashes: list[bytes]


class Extension(NamedTuple):
    """A tree of `old_size` leaves grown to `tree_size`, with all that is new in it.

    `rows[level]` holds every node that the new leaves completed, and before them
    the old one that they needed, if any. Its memory is about two hashes a leaf.
    """

    old_size: int
    tree_size: int
    compact: tuple[Hash, ...]
    root: Hash
    rows: list[Row]
    edges: list[bytes | None]  # edges[level]: the incomplete node at that level, if any

    def new_nodes(self, level: int) -> Row:
        """Return the nodes of `level` that this extension completed."""
        first = self.old_size >> level
        if level >= len(self.rows):
            return Row(first, [])
        row = self.rows[level]
        return Row(first, row.hashes[first - row.first :])

    def path(self, index: int) -> tuple[Hash, ...]:
        """Return the inclusion path of one of the *new* leaves, in the new tree."""
        assert self.old_size <= index < self.tree_size
        path = []
        for level, row in enumerate(self.rows):
            sibling = index >> level ^ 1
            if sibling < row.first + len(row.hashes):
                path.append(Hash(row.hashes[sibling - row.first]))
            elif sibling << level < self.tree_size:
                edge = self.edges[level]
                assert edge is not None
                path.append(Hash(edge))
        return tuple(path)


def extend(old_size: int, compact: Sequence[bytes], leaves: Sequence[bytes]) -> Extension:
    """Append leaf hashes to the tree that has this compact range.

    Costs one hash a leaf and a logarithm more, and needs nothing but the range.
    """
    assert len(compact) == old_size.bit_count()
    old = _by_level(old_size, compact)
    tree_size = old_size + len(leaves)
    rows: list[Row] = []
    completed = list(leaves)
    for level in range(tree_size.bit_length()):
        first = old_size >> level
        # An old left sibling takes part exactly when the first new node is a right one.
        hashes = [old[level], *completed] if first & 1 else completed
        rows.append(Row(first - (first & 1), hashes))
        completed = _pair(hashes) if completed else []
    new_compact = tuple(
        Hash(_node_at_edge(level, rows[level], old, old_size, tree_size))
        for level in _bits(tree_size)
    )
    edges = _edges(tree_size, dict(zip(_bits(tree_size), new_compact, strict=True)))
    return Extension(old_size, tree_size, new_compact, root(new_compact), rows, edges)


def root(compact: Sequence[bytes]) -> Hash:
    """Return the root of the tree with this compact range."""
    return fold(compact) if compact else EMPTY_ROOT


def fold(hashes: Sequence[bytes]) -> Hash:
    """Join the hashes of adjacent nodes, widest first, from the right."""
    node = hashes[-1]
    for left in reversed(hashes[:-1]):
        node = _sha256(b"\x01" + left + node).digest()
    return Hash(node)


def cover(lo: int, hi: int) -> Iterator[NodeId]:
    """Yield the complete nodes that make up the leaves [lo, hi), widest first.

    `lo` must be aligned as the ranges of a proof are: to the width of the first node.
    """
    while lo < hi:
        level = (hi - lo).bit_length() - 1
        yield NodeId(level, lo >> level)
        lo += 1 << level


def inclusion_ranges(index: int, tree_size: int) -> list[tuple[int, int]]:
    """Return the ranges whose hashes are the path of `index`, leaf's sibling first (PATH)."""
    assert 0 <= index < tree_size
    ranges = []
    lo, hi = 0, tree_size
    while hi - lo > 1:
        middle = lo + _split(hi - lo)
        if index < middle:
            ranges.append((middle, hi))
            hi = middle
        else:
            ranges.append((lo, middle))
            lo = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, tree_size: int) -> list[tuple[int, int]]:
    """Return the ranges whose hashes prove old_size -> tree_size (PROOF, RFC 6962 2.1.2)."""
    assert 0 < old_size <= tree_size
    ranges = []
    lo, hi = 0, tree_size
    while old_size != hi:
        middle = lo + _split(hi - lo)
        if old_size <= middle:
            ranges.append((middle, hi))
            hi = middle
        else:
            ranges.append((lo, middle))
            lo = middle
    if lo:  # else the old tree is a node that the verifier knows: its own root
        ranges.append((lo, hi))
    return ranges[::-1]


def _split(n: int) -> int:
    """Return the largest power of two smaller than `n`."""
    return 1 << (n - 1).bit_length() - 1


def _bits(size: int) -> Iterator[int]:
    """Yield the levels of the compact range of `size` leaves, widest first."""
    return (level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1)


def _by_level(size: int, compact: Iterable[bytes]) -> dict[int, bytes]:
    return dict(zip(_bits(size), compact, strict=True))


def _pair(hashes: Sequence[bytes]) -> list[bytes]:
    pairs = iter(hashes)
    return [_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs)]  # noqa: B905  an odd last one waits


def _node_at_edge(
    level: int, row: Row, old: dict[int, bytes], old_size: int, tree_size: int
) -> bytes:
    """Return the rightmost complete node of `level`, new or from the old compact range."""
    i = (tree_size >> level) - 1
    if i >= row.first and i - row.first < len(row.hashes):
        return row.hashes[i - row.first]
    assert i == (old_size >> level) - 1
    return old[level]


def _edges(tree_size: int, compact: dict[int, Hash]) -> list[bytes | None]:
    """Return for each level the hash over the leaves behind its last complete node."""
    edges: list[bytes | None] = []
    edge: bytes | None = None
    for level in range(tree_size.bit_length()):
        edges.append(edge)
        if tree_size >> level & 1:
            left = compact[level]
            edge = left if edge is None else _sha256(b"\x01" + left + edge).digest()
    return edges
