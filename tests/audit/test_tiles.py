"""Every tile is authenticated, and none is believed because another one was."""

from __future__ import annotations

import random

import pytest

from ledger.audit.finding import ContradictionError
from ledger.audit.source import StaticSource
from ledger.audit.tiles import TileTree
from ledger.tiles import TileId, parse_path
from tests.audit.making import ORIGIN, files, leaf, mth
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash, verify_consistency

SIZES = (1, 2, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000)
ENTRIES = [b"entry %d" % i for i in range(70_000)]


class Tree:
    """A tree of `size` entries, any tile of which can be altered."""

    def __init__(self, size: int) -> None:
        self.leaves = [leaf(entry) for entry in ENTRIES[:size]]
        self.checkpoint = Checkpoint(ORIGIN, size, Hash(mth(self.leaves)))
        self.files = files(ENTRIES[:size])
        self.tiles = sorted(p for p in self.files if not p.startswith("tile/entries/"))

    def open(self, **altered: bytes | None) -> TileTree:
        """Open it as an auditor does, with other content for some tiles."""
        return TileTree(
            StaticSource(lambda path, _: altered.get(path, self.files.get(path))), self.checkpoint
        )

    def check(self, index: int, **altered: bytes | None) -> None:
        """Look one leaf up in the altered tree."""
        self.open(**altered).check(index, [self.leaves[index]], ())


def _below(path: str) -> tuple[int, int]:
    """Return the leaves below a tile: from, to before."""
    tile = parse_path(path)
    assert tile.level is not None
    span = 256**tile.level
    return tile.n * 256 * span, (tile.n * 256 + tile.width) * span


@pytest.mark.parametrize("size", SIZES)
def test_each_forged_tile_is_found(size: int) -> None:
    """
    Whichever tile is altered, in whichever hash, nothing below it is believed (CVE-2026-56865).
    """
    tree, rng = Tree(size), random.Random(size)
    for path in tree.tiles:
        content = bytearray(tree.files[path])
        at = rng.randrange(len(content))
        content[at] ^= 1 << rng.randrange(8)
        lo, hi = _below(path)
        for index in {lo, hi - 1, rng.randrange(lo, hi)}:
            with pytest.raises(ContradictionError) as caught:
                tree.check(index, **{path: bytes(content)})
            assert "forged-tile" == caught.value.finding.code
        tree.check(rng.randrange(lo, hi))


@pytest.mark.parametrize("size", SIZES)
def test_a_forged_leaf_is_not_helped_by_a_forged_tile(size: int) -> None:
    """
    An entry that is not logged is refused even when its tile was made to fit.
    """
    tree, rng = Tree(size), random.Random(size)
    zeros = [path for path in tree.tiles if path.startswith("tile/0/")]
    for path in {zeros[0], zeros[-1], rng.choice(zeros)}:
        lo, hi = _below(path)
        index = rng.randrange(lo, hi)
        content = bytearray(tree.files[path])
        content[(index - lo) * 32 : (index - lo + 1) * 32] = leaf(b"forged")
        with pytest.raises(ContradictionError):
            tree.open(**{path: bytes(content)}).check(index, [leaf(b"forged")], ())


@pytest.mark.parametrize("size", SIZES)
def test_all_tiles_bear_the_flag(size: int) -> None:
    """
    After everything was read, as many tiles are authenticated as there are.
    """
    tree = Tree(size)
    opened = tree.open()
    opened.check(0, tree.leaves, ())

    assert len(tree.tiles) == opened.used


def test_a_tile_without_its_flag_is_a_bug() -> None:
    """
    A tile that was fetched and not authenticated stops the program.
    """
    opened = Tree(513).open()
    opened._fetch(TileId(0, 0), 256)

    with pytest.raises(AssertionError, match="authenticated"):
        _ = opened.used


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 513, 70_000])
def test_the_root_at_each_size_is_proven(size: int) -> None:
    """
    Roots of smaller trees are the recursion's, and the proof is RFC 9162's.
    """
    tree, rng = Tree(size), random.Random(size)
    opened = tree.open()
    for old in {0, 1, size // 2, size - 1, size, *(rng.randrange(size + 1) for _ in range(20))}:
        grown = opened.root_at(old)
        assert mth(tree.leaves[:old]) == grown.root
        if old:
            verify_consistency(old, size, grown.path, grown.root, tree.checkpoint.root)


def test_a_missing_and_a_short_tile_are_findings() -> None:
    """
    A tile that the checkpoint implies must be there, whole.
    """
    tree = Tree(513)
    for content, code in ((None, "missing-tile"), (b"\0" * 8191, "bad-tile")):
        with pytest.raises(ContradictionError) as caught:
            tree.check(0, **{"tile/0/000": content})
        assert code == caught.value.finding.code
