"""The edge: the hashes behind the last full tile of each level, kept in memory.

It grows with every batch, gives up each tile that fills, and is derived again
at start from what is stored.
"""

from __future__ import annotations

from ledger.errors import DamagedError
from ledger.store import Store
from ledger.tiles import HEIGHT, WIDTH, Edge, EdgeLevel, Tile, TileId, full_tiles, tile_root
from ledger.tree import Extension
from verifier.merkle import hash_leaf


def advance(edge: Edge, extension: Extension) -> tuple[Edge, list[Tile]]:
    """Return the edge of the extended tree, and the tiles that it filled."""
    tiles: list[Tile] = []
    levels: list[EdgeLevel] = []
    for level in range(len(extension.rows) // HEIGHT + 1):
        n, known = edge[level] if level < len(edge) else EdgeLevel(0, ())
        hashes = [*known, *extension.new_nodes(HEIGHT * level).hashes]
        while len(hashes) >= WIDTH:
            tiles.append(Tile(TileId(level, n), b"".join(hashes[:WIDTH])))
            del hashes[:WIDTH]
            n += 1
        levels.append(EdgeLevel(n, tuple(hashes)))
    return tuple(levels), tiles


def load_edge(store: Store, tree_size: int) -> Edge:
    """Derive the edge of the tree: what lies behind the last full tile of each level.

    Reads at most 255 entries, and 255 tiles a level above.
    """
    start = full_tiles(tree_size, 0) * WIDTH
    entries = store.entries(start, tree_size)
    if len(entries) != tree_size - start:
        raise DamagedError(
            f"expected {tree_size - start} entries from {start}, found {len(entries)}"
        )
    if not all(isinstance(entry, bytes) for entry in entries):  # a damaged page gives other types
        raise DamagedError(f"expected bytes in the entries from {start}, found something else")
    levels = [EdgeLevel(start // WIDTH, tuple(hash_leaf(entry) for entry in entries))]
    while (below := full_tiles(tree_size, len(levels) - 1)) > 0:
        level = len(levels)
        n = below // WIDTH
        hashes = [tile_root(store.tile(TileId(level - 1, i))) for i in range(n * WIDTH, below)]
        levels.append(EdgeLevel(n, tuple(hashes)))
    return tuple(levels)
