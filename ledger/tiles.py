"""The tile layout of c2sp.org/tlog-tiles: 256 hashes to a tile, 8 levels of the tree.

Tile (level, n) holds the nodes (8 * level, 256 * n) to (8 * level, 256 * n + 255).
Only full tiles are ever stored. The hashes behind the last full tile of each
level, the *edge*, are few enough to keep in memory, and are derived at start:
level 0 from the last entries, higher levels from the roots of full tiles.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from ledger.tree import NodeId, fold
from verifier.merkle import Hash, hash_children

WIDTH = 256
HEIGHT = 8
_CACHED_TILES = 1024  # of about 35 KB each when expanded


class TileId(NamedTuple):
    """The tile `n` of `level`, where level 0 holds leaf hashes."""

    level: int
    n: int


class Tile(NamedTuple):
    """A full tile: 256 hashes, 8,192 bytes."""

    id: TileId
    hashes: bytes


class EdgeLevel(NamedTuple):
    """The hashes of tile `n` of one level that are there so far: 0 to 255 of them."""

    n: int
    hashes: tuple[bytes, ...]


Edge = tuple[EdgeLevel, ...]


def full_tiles(tree_size: int, level: int) -> int:
    """Return how many tiles of `level` are full in a tree of `tree_size` leaves."""
    return tree_size >> HEIGHT * (level + 1)


def tile_root(hashes: bytes) -> Hash:
    """Return the node that a full tile stands for, one level of tiles above."""
    return Hash(expand(hashes)[HEIGHT][0])


def expand(hashes: bytes) -> list[list[bytes]]:
    """Return all nodes of a full tile: 256 at height 0, 128 at 1, one at 8."""
    row = [hashes[i : i + Hash.SIZE] for i in range(0, len(hashes), Hash.SIZE)]
    assert len(row) == WIDTH
    rows = [row]
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=True)
        row = [bytes(hash_children(Hash(left), Hash(right))) for left, right in pairs]
        rows.append(row)
    return rows


class TileReader:
    """Reads nodes out of stored tiles, keeping the expanded ones in a bounded cache.

    Safe in many threads. Not trusted for truth: whoever shows a proof made from
    these nodes shows something that is checked against a signed root.
    """

    def __init__(self, load: Callable[[TileId], bytes]) -> None:
        """Read tiles with `load`, which raises when one is missing."""
        self._load = load
        self._lock = Lock()
        self._cache: OrderedDict[TileId, list[list[bytes]]] = OrderedDict()

    def node(self, node: NodeId, edge: Edge) -> Hash:
        """Return the hash of a complete node of the tree that has `edge`, or of a later one."""
        level, height = divmod(node.level, HEIGHT)
        start = node.i << height
        n, offset = divmod(start, WIDTH)
        partial = edge[level]
        if n < partial.n:
            return Hash(self._expanded(TileId(level, n))[height][offset >> height])
        assert n == partial.n
        assert offset + (1 << height) <= len(partial.hashes)
        return _subtree(partial.hashes[offset : offset + (1 << height)])

    def _expanded(self, tile: TileId) -> list[list[bytes]]:
        with self._lock:
            rows = self._cache.get(tile)
            if rows is not None:
                self._cache.move_to_end(tile)
                return rows
        rows = expand(self._load(tile))
        with self._lock:
            self._cache[tile] = rows
            if len(self._cache) > _CACHED_TILES:
                self._cache.popitem(last=False)
        return rows


def _subtree(hashes: tuple[bytes, ...]) -> Hash:
    """Return the root over a power of two of adjacent hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [fold(row[i : i + 2]) for i in range(0, len(row), 2)]
    return Hash(row[0])
