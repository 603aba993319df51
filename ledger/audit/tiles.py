"""The tiles of one checkpoint, each authenticated against its root before it is used.

The partial tiles at the right edge, the *head*, hold one hash for each complete
subtree that the root is made of: they fold to the root, or something is forged.
Every other tile is full, and is authentic when its own root stands in the tile
above, which is authenticated first. There is no third way in, and each tile
bears a flag that only these two set (CVE-2026-56865: a client that counted its
head tiles wrongly took the first tiles that it fetched as they came).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from ledger.audit.finding import ContradictionError, Finding
from ledger.audit.source import Source
from ledger.tiles import HEIGHT, WIDTH, TileId, full_tiles, tile_path
from ledger.tree import NodeId, consistency_ranges, cover, fold, inclusion_ranges, root
from verifier.checkpoint import Checkpoint
from verifier.merkle import EMPTY_ROOT, Hash, verify_consistency

_CACHED = 1024  # tiles of 8 KiB


class Grown(NamedTuple):
    """The tree as it was at a smaller size, and the proof that it became this one."""

    root: Hash
    path: tuple[Hash, ...]


class TileTree:
    """Hashes of the tree of `checkpoint`, all of them authentic."""

    def __init__(self, source: Source, checkpoint: Checkpoint) -> None:
        """Read the head from `source`, and fold it to the root of `checkpoint`.

        Raises:
            ContradictionError: a tile is missing, or forged.
        """
        self.checkpoint = checkpoint
        self._source = source
        self._cache: OrderedDict[TileId, bytes] = OrderedDict()
        self._verified: dict[TileId, bool] = {}
        self._head: dict[int, bytes] = {}
        self._read_head()

    @property
    def used(self) -> int:
        """How many tiles were used; every one of them bears the flag."""
        unverified = [tile for tile, verified in self._verified.items() if not verified]
        assert not unverified, f"used without having been authenticated: {unverified[:3]}"
        return len(self._verified)

    def root_at(self, size: int) -> Grown:
        """Return the root that this tree had at `size`, with the proof, which is checked."""
        assert size <= self.checkpoint.tree_size
        if not size:
            return Grown(EMPTY_ROOT, ())
        compact = self.compact_at(size)
        ranges = consistency_ranges(size, self.checkpoint.tree_size)
        path = tuple(self._range(lo, hi) for lo, hi in ranges)
        grown = Grown(fold(compact), path)
        tree = self.checkpoint
        verify_consistency(size, tree.tree_size, path, grown.root, tree.root)
        return grown

    def compact_at(self, size: int) -> tuple[Hash, ...]:
        """Return the compact range that this tree had at `size`."""
        return tuple(self._node(node) for node in cover(0, size))

    def inclusion(self, index: int) -> tuple[Hash, ...]:
        """Return the inclusion path of the entry at `index` in this tree."""
        ranges = inclusion_ranges(index, self.checkpoint.tree_size)
        return tuple(self._range(lo, hi) for lo, hi in ranges)

    def check(self, start: int, leaves: Sequence[bytes], compact: Sequence[bytes]) -> None:
        """Check that `leaves` are those of this tree from `start` on.

        Raises:
            ContradictionError: one is not; the finding has its index.
        """
        del compact  # the tiles say more: which one it is
        for index, leaf in enumerate(leaves, start):
            n, i = divmod(index, WIDTH)
            expected = self._tile(TileId(0, n))[i * Hash.SIZE : (i + 1) * Hash.SIZE]
            if leaf != expected:
                raise ContradictionError(
                    Finding(
                        "entry-mismatch",
                        index,
                        f"an entry with leaf {expected.hex()}",
                        f"one with {leaf.hex()}",
                    )
                )

    def _read_head(self) -> None:
        """Fetch the partial tile of each level; together they are the root's compact range."""
        size = self.checkpoint.tree_size
        compact: list[Hash] = []
        for level in range((size.bit_length() + HEIGHT - 1) // HEIGHT - 1, -1, -1):
            tile, width = TileId(level, full_tiles(size, level)), self._width(level)
            if width:
                self._head[level] = hashes = self._fetch(tile, width)
                compact += _subtrees(hashes)
        if root(compact) != self.checkpoint.root:
            raise _forged("the tiles at the tree's edge", self.checkpoint.root, root(compact))
        for level in self._head:
            self._verified[TileId(level, full_tiles(size, level))] = True

    def _width(self, level: int) -> int:
        return (self.checkpoint.tree_size >> HEIGHT * level) % WIDTH

    def _tile(self, tile: TileId) -> bytes:
        """Return the hashes of `tile` once they are known to be authentic."""
        full = full_tiles(self.checkpoint.tree_size, tile.level)
        if tile.n == full:
            hashes = self._head[tile.level]
        elif tile in self._cache:
            self._cache.move_to_end(tile)
            hashes = self._cache[tile]
        else:
            assert tile.n < full
            hashes = self._fetch(tile, WIDTH)
            n, i = divmod(tile.n, WIDTH)
            expected = self._tile(TileId(tile.level + 1, n))[i * Hash.SIZE : (i + 1) * Hash.SIZE]
            found = _join(hashes)
            if found != expected:
                raise _forged(tile_path(*tile), expected, found)
            self._verified[tile] = True
            self._cache[tile] = hashes
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        assert self._verified[tile]
        return hashes

    def _fetch(self, tile: TileId, width: int) -> bytes:
        self._verified[tile] = False
        path = tile_path(*tile, width)
        hashes = self._source.tile(*tile, width)
        if hashes is None:
            raise ContradictionError(Finding("missing-tile", None, path, "nothing there"))
        if len(hashes) != width * Hash.SIZE:
            found = f"{len(hashes)} bytes"
            raise ContradictionError(
                Finding("bad-tile", None, f"{width * Hash.SIZE} bytes in {path}", found)
            )
        return hashes

    def _node(self, node: NodeId) -> Hash:
        """Return the hash of a complete node."""
        level, height = divmod(node.level, HEIGHT)
        n, offset = divmod(node.i << height, WIDTH)
        hashes = self._tile(TileId(level, n))
        return _join(hashes[offset * Hash.SIZE : (offset + (1 << height)) * Hash.SIZE])

    def _range(self, lo: int, hi: int) -> Hash:
        return fold([self._node(node) for node in cover(lo, hi)])


def _forged(what: str, expected: bytes, found: bytes) -> ContradictionError:
    return ContradictionError(
        Finding("forged-tile", None, f"{what} to lead to {expected.hex()}", found.hex())
    )


def _join(hashes: bytes) -> Hash:
    """Return the root over a power of two of adjacent hashes."""
    row = [hashes[i : i + Hash.SIZE] for i in range(0, len(hashes), Hash.SIZE)]
    while len(row) > 1:
        row = [bytes(fold(row[i : i + 2])) for i in range(0, len(row), 2)]
    return Hash(row[0])


def _subtrees(hashes: bytes) -> list[Hash]:
    """Return the roots of the complete subtrees that cover these hashes, widest first."""
    nodes = cover(0, len(hashes) // Hash.SIZE)
    return [
        _join(hashes[(n.i << n.level) * Hash.SIZE : (n.i + 1 << n.level) * Hash.SIZE])
        for n in nodes
    ]
