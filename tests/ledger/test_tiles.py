"""Tiles: which are stored and when, and that every node can be read back out of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from ledger import tiles, tree
from ledger.edge import advance, load_edge
from ledger.errors import DamagedError
from ledger.tiles import Edge, EdgeLevel, TileId, TileReader
from ledger.tree import NodeId
from tests.ledger.making import refused
from verifier.merkle import hash_leaf

# Past 65,536, where the first tile of the second level is full and the third level begins.
MOST = 70_137


@cache
def levels() -> list[list[bytes]]:
    """All complete nodes of the largest tree, level by level, by pairing them up."""
    row: list[bytes] = [hash_leaf(b"%d" % i) for i in range(MOST)]
    rows = [row]
    while len(row) > 1:
        row = [
            hashlib.sha256(b"\x01" + row[i] + row[i + 1]).digest()
            for i in range(0, len(row) - 1, 2)
        ]
        rows.append(row)
    return rows


class Grown:
    """A tree that grew in some batches, and the tiles that it handed out; reads as a store."""

    def __init__(self) -> None:
        self.size = 0
        self.compact: tuple[bytes, ...] = ()
        self.edge: Edge = ()
        self.tiles: dict[TileId, bytes] = {}
        self.loaded: list[TileId] = []

    def grow(self, size: int) -> None:
        extension = tree.extend(self.size, self.compact, levels()[0][self.size : size])
        self.edge, full = advance(self.edge, extension)
        self.size, self.compact = size, extension.compact
        for tile in full:
            assert tile.id not in self.tiles, "a tile is filled once"
            self.tiles[tile.id] = tile.hashes

    def tile(self, tile: TileId) -> bytes:
        self.loaded.append(tile)
        if tile not in self.tiles:
            raise DamagedError("missing")
        return self.tiles[tile]

    def entries(self, start: int, stop: int) -> list[bytes]:
        return [b"%d" % i for i in range(start, min(stop, self.size))]


def grown(size: int) -> Grown:
    """A tree of `size` leaves that grew in batches of 512."""
    tree_ = Grown()
    for stop in [*range(512, size, 512), size]:
        tree_.grow(stop)
    return tree_


def full(size: int) -> dict[TileId, bytes]:
    """The tiles that a tree of `size` leaves has in full, by the words of tlog-tiles."""
    return {
        TileId(level, n): b"".join(levels()[8 * level][256 * n : 256 * (n + 1)])
        for level in range(8)
        for n in range(size // 256 ** (level + 1))
    }


def nodes(size: int) -> Iterator[NodeId]:
    """Every complete node of a tree of `size` leaves."""
    for level in range(size.bit_length()):
        for i in range(size >> level):
            yield NodeId(level, i)


def without_empty(edge: Edge) -> Edge:
    """The edge without the levels above that hold nothing yet."""
    while edge and not edge[-1].hashes and edge[-1].n == 0:
        edge = edge[:-1]
    return edge


@pytest.mark.parametrize("seed", range(3))
def test_random_batches_store_exactly_the_full_tiles(seed: int) -> None:
    """
    However 70,137 leaves fall into batches, each full tile is stored once and nothing else is.
    """
    dice = random.Random(seed)
    tree_ = Grown()
    while tree_.size < MOST:
        tree_.grow(min(MOST, tree_.size + dice.choice((1, 255, 256, 257, dice.randrange(2000)))))

    assert full(MOST) == tree_.tiles
    assert {(0, 272), (1, 0)} <= set(tree_.tiles)


def test_tiles_appear_with_their_last_leaf() -> None:
    """
    A tile is handed out by the batch that brings its last leaf, not earlier or later.
    """
    tree_ = Grown()
    for size in [*range(1, 800), *range(65_000, 65_536, 67), 65_535, 65_536, 65_537]:
        tree_.grow(size)

        assert full(size) == tree_.tiles


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 3_333, 65_536, MOST])
def test_every_node_can_be_read(size: int) -> None:
    """
    Every complete node of a tree is read back from its full tiles and its edge.
    """
    tree_ = grown(size)
    reader = TileReader(tree_.tile)

    for node in nodes(size):
        assert levels()[node.level][node.i] == reader.node(node, tree_.edge)


def test_nodes_of_older_trees() -> None:
    """
    Every node of a tree is still read, the same, when the tree has grown.
    """
    tree_ = grown(700)
    reader = TileReader(tree_.tile)
    for size in (701, 768, 769, 1024, 1500):
        tree_.grow(size)

        for node in nodes(700):
            assert levels()[node.level][node.i] == reader.node(node, tree_.edge)


def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The reader keeps so many tiles and no more, and gives up the one that was longest unused.
    """
    monkeypatch.setattr(tiles, "_CACHED_TILES", 4)
    tree_ = grown(256 * 10)
    reader = TileReader(tree_.tile)

    def read(n: int) -> list[TileId]:
        tree_.loaded.clear()
        assert levels()[0][256 * n] == reader.node(NodeId(0, 256 * n), tree_.edge)
        assert len(reader._cache) <= 4
        return list(tree_.loaded)

    assert [[TileId(0, n)] for n in range(10)] == [read(n) for n in range(10)]
    assert [] == read(6)  # 6 to 9 are kept, and now 7 is the longest unused
    assert [TileId(0, 0)] == read(0)
    assert [] == read(6)
    assert [TileId(0, 7)] == read(7)


def test_default_cache_is_bounded() -> None:
    """
    Without any setting the reader keeps at most 2,048 tiles, which are 33 MB.
    """
    reader = TileReader(lambda _: bytes(8192))
    edge = (EdgeLevel(2100, ()),)

    for n in range(2100):
        reader.node(NodeId(0, 256 * n), edge)

    assert 2048 == len(reader._cache)
    assert 16_352 == sum(len(row) for row in reader._cache[TileId(0, 2099)])


def test_missing_tile_is_not_remembered() -> None:
    """
    A tile that is missing is an error each time, until it is there.
    """
    tree_ = grown(300)
    lost = tree_.tiles.pop(TileId(0, 0))
    reader = TileReader(tree_.tile)

    for _ in range(2):
        refused("ledger-damaged", lambda: reader.node(NodeId(0, 1), tree_.edge))
    tree_.tiles[TileId(0, 0)] = lost
    assert levels()[0][1] == reader.node(NodeId(0, 1), tree_.edge)


def test_reader_in_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Threads that push each other's tiles out of the cache still read the right nodes.
    """
    monkeypatch.setattr(tiles, "_CACHED_TILES", 2)
    tree_ = grown(256 * 8 + 100)
    reader = TileReader(tree_.tile)

    def wrong(seed: int) -> list[NodeId]:
        dice = random.Random(seed)
        chosen = dice.choices(list(nodes(tree_.size)), k=300)
        return [n for n in chosen if levels()[n.level][n.i] != reader.node(n, tree_.edge)]

    with ThreadPoolExecutor(4) as pool:
        assert [[]] * 4 == list(pool.map(wrong, range(4)))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, MOST])
def test_edge_is_derived(size: int) -> None:
    """
    The edge that a start derives from entries and tiles is the edge that grew.
    """
    tree_ = grown(size)

    derived = load_edge(tree_, tree_.size)

    assert without_empty(tree_.edge) == without_empty(derived)
    assert all(len(level.hashes) < 256 for level in derived)


@pytest.mark.parametrize("seed", range(3))
def test_derived_edge_goes_on(seed: int) -> None:
    """
    A tree that is closed and opened again after each batch fills the same tiles.
    """
    dice = random.Random(seed)
    tree_ = Grown()
    while tree_.size < 5_000:
        tree_.edge = load_edge(tree_, tree_.size)
        tree_.grow(tree_.size + dice.choice((1, 100, 255, 256, 257, 512)))

    assert full(tree_.size) == tree_.tiles


def test_edge_reads_little() -> None:
    """
    Deriving the edge reads the last 255 entries and 255 tiles a level at most.
    """
    tree_ = grown(65_535)
    asked = []
    entries = tree_.entries
    tree_.entries = lambda start, stop: asked.append((start, stop)) or entries(start, stop)

    load_edge(tree_, tree_.size)

    assert [(65_280, 65_535)] == asked
    assert [TileId(0, n) for n in range(255)] == tree_.loaded


def test_edge_with_a_missing_entry() -> None:
    """
    Without its last entries a ledger is damaged, and no edge is derived.
    """
    tree_ = grown(300)

    refused("ledger-damaged", lambda: load_edge(tree_, 301))


def test_edge_of_an_exact_tile() -> None:
    """
    Behind 256 leaves there is no entry, and one hash on the second level.
    """
    tree_ = grown(256)

    expected = (EdgeLevel(1, ()), EdgeLevel(0, (levels()[8][0],)))
    assert expected == load_edge(tree_, 256)
