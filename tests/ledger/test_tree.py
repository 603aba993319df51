"""The arithmetic of the tree, against the text of RFC 6962, the verifier and pymerkle."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import tree
from tests.verifier import twin
from verifier.merkle import (
    EMPTY_ROOT,
    Hash,
    InclusionProof,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)

MOST = 256
ENTRIES = tuple(b"entry %d" % i for i in range(MOST))
LEAVES = [hash_leaf(entry) for entry in ENTRIES]
SIZES = range(1, MOST + 1)


def root(size: int) -> Hash:
    return Hash(twin.root(ENTRIES[:size]))


def path(index: int, size: int) -> tuple[Hash, ...]:
    return tuple(Hash(h) for h in twin.inclusion(index, ENTRIES[:size]))


def node(level: int, i: int) -> Hash:
    return Hash(twin.root(ENTRIES[i << level : (i + 1) << level]))


def compact(size: int) -> tuple[Hash, ...]:
    """The roots of the widest complete trees that make up `size` leaves, by the twin."""
    found = []
    start = 0
    for level in range(size.bit_length(), -1, -1):
        if size >> level & 1:
            found.append(node(level, start >> level))
            start += 1 << level
    return tuple(found)


def fold(lo: int, hi: int) -> Hash:
    """The hash of a range, from the nodes that `cover` names."""
    return tree.fold([node(*n) for n in tree.cover(lo, hi)])


def grow(sizes: list[int]) -> list[tree.Extension]:
    """Grow a tree from nothing through `sizes`."""
    grown = []
    size, range_ = 0, ()
    for stop in sizes:
        grown.append(tree.extend(size, range_, LEAVES[size:stop]))
        size, range_ = stop, grown[-1].compact
    return grown


def check(extension: tree.Extension) -> None:
    """Check everything that an extension says against the twin."""
    size = extension.tree_size
    assert root(size) == extension.root
    assert compact(size) == extension.compact
    for index in range(extension.old_size, size):
        assert path(index, size) == extension.path(index)
    for level in range(size.bit_length() + 2):
        new = [node(level, i) for i in range(extension.old_size >> level, size >> level)]
        assert tree.Row(extension.old_size >> level, new) == extension.new_nodes(level)


def test_tree_in_one_step() -> None:
    """
    A tree of any size up to 256, made at once, has the root, nodes and paths of RFC 6962.
    """
    for size in SIZES:
        check(tree.extend(0, (), LEAVES[:size]))


def test_tree_in_two_steps() -> None:
    """
    A tree up to 256 leaves, cut in two batches anywhere, has the same root and compact range.
    """
    for size in SIZES:
        for old in range(size + 1):
            extension = tree.extend(old, compact(old), LEAVES[old:size])

            assert (root(size), compact(size)) == (extension.root, extension.compact)
            for index in {old, size - 1, (old + size) // 2} & set(range(old, size)):
                assert path(index, size) == extension.path(index)


def test_every_path_of_every_second_step() -> None:
    """
    A second batch makes every node and path of its leaves, in all trees up to 64 leaves.
    """
    for size in range(1, 65):
        for old in range(size + 1):
            check(tree.extend(old, compact(old), LEAVES[old:size]))


def test_tree_leaf_by_leaf() -> None:
    """
    A tree that grows leaf by leaf has the root of RFC 6962 at each size.
    """
    for extension in grow(list(SIZES)):
        check(extension)


@pytest.mark.parametrize("seed", range(20))
def test_tree_in_random_steps(seed: int) -> None:
    """
    However 256 leaves fall into batches, each batch leaves the tree that one would.
    """
    dice = random.Random(seed)
    cuts = sorted(dice.choices(range(MOST), k=dice.randrange(1, 30)))

    for extension in grow([*cuts, MOST]):
        check(extension)


@given(st.lists(st.integers(0, 40), max_size=12))
def test_any_batches(batches: list[int]) -> None:
    """
    Batches of any lengths, empty ones too, leave the tree that one batch would.
    """
    sizes = [size for size in accumulate(batches) if size <= MOST]

    for extension in grow(sizes):
        check(extension)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 255, 256])
def test_empty_batch(size: int) -> None:
    """
    A batch without leaves leaves the tree as it was, and completes nothing.
    """
    extension = tree.extend(size, compact(size), [])

    assert (size, size) == (extension.old_size, extension.tree_size)
    assert (compact(size), root(size)) == (extension.compact, extension.root)
    assert [] == [h for level in range(12) for h in extension.new_nodes(level).hashes]


def test_empty_tree() -> None:
    """
    The tree without leaves has an empty compact range and the hash of nothing as its root.
    """
    assert EMPTY_ROOT == tree.root(())
    assert ((), EMPTY_ROOT) == tree.extend(0, (), [])[2:4]


def test_path_of_an_old_leaf() -> None:
    """
    A batch cannot be asked for the path of a leaf that it did not add.
    """
    extension = tree.extend(4, compact(4), LEAVES[4:6])

    for index in (-1, 0, 3, 6):
        with pytest.raises(AssertionError):
            extension.path(index)


def test_inclusion_of_every_leaf_of_every_tree() -> None:
    """
    The ranges of a path hash to the path of RFC 6962, and the verifier accepts it.
    """
    for size in SIZES:
        for index in range(size):
            found = tuple(fold(lo, hi) for lo, hi in tree.inclusion_ranges(index, size))

            assert path(index, size) == found
            verify_inclusion(LEAVES[index], InclusionProof(index, size, found), root(size))


def test_consistency_of_every_two_trees() -> None:
    """
    The ranges of a consistency proof hash to RFC 6962's, and the verifier accepts it.
    """
    for size in SIZES:
        for old in range(1, size + 1):
            found = tuple(fold(lo, hi) for lo, hi in tree.consistency_ranges(old, size))

            assert twin.consistency(old, ENTRIES[:size]) == found
            verify_consistency(old, size, found, root(old), root(size))


@given(st.integers(1, 2**63 - 1), st.data())
def test_ranges_of_large_trees(size: int, data: st.DataObject) -> None:
    """
    In a tree of any size the ranges of a path and its leaf are the whole tree, in 63 at most.
    """
    index = data.draw(st.integers(0, size - 1))
    ranges = tree.inclusion_ranges(index, size)

    pieces = sorted([*ranges, (index, index + 1)])
    assert [0, *(hi for _, hi in pieces)] == [*(lo for lo, _ in pieces), size]
    assert len(ranges) <= 63
    for lo, hi in ranges:
        nodes = list(tree.cover(lo, hi))
        bounds = [(n.i << n.level, (n.i + 1) << n.level) for n in nodes]
        assert [lo, *(stop for _, stop in bounds)] == [*(start for start, _ in bounds), hi]
        assert sorted({n.level for n in nodes}, reverse=True) == [n.level for n in nodes]


def test_pymerkle() -> None:
    """
    Batches of 1 to 13 leaves give the roots and inclusion paths that pymerkle gives.
    """
    pymerkle = pytest.importorskip("pymerkle")
    other = pymerkle.InmemoryTree(algorithm="sha256")
    sizes = [size for size in accumulate(1 + i % 13 for i in range(MOST)) if size <= MOST]
    for extension in grow(sizes):
        for entry in ENTRIES[extension.old_size : extension.tree_size]:
            other.append_entry(entry)

        assert other.get_root() == extension.root
        for index in range(extension.old_size, extension.tree_size):
            # It counts from 1 and puts the leaf itself in front of the path.
            leaf, *theirs = other.prove_inclusion(index + 1, extension.tree_size).path
            assert LEAVES[index] == leaf
            assert tuple(theirs) == extension.path(index)
