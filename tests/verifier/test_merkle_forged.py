"""Proofs that prove something else, or were spoiled, are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier import twin
from tests.verifier.making import refused
from tests.verifier.trees import ENTRIES, Consistency, Inclusion, consistent, included, root
from verifier import limits
from verifier.errors import VerificationError
from verifier.merkle import Hash, InclusionProof, hash_children, hash_leaf, verify_inclusion


@pytest.mark.parametrize("size", range(1, 17))
def test_no_entry_is_at_another_index(size: int) -> None:
    """
    The path of one index proves no other index of the same tree, and none outside.
    """
    for index in range(size):
        good = included(index, size)
        for other in set(range(-1, size + 2)) - {index}:
            bad = good._replace(proof=good.proof._replace(index=other))
            with pytest.raises(VerificationError):
                bad.verify()


@pytest.mark.parametrize("size", range(1, 17))
def test_no_path_fits_another_tree(size: int) -> None:
    """
    The path in one tree proves nothing under the root of another size.
    """
    for index in range(size):
        good = included(index, size)
        for other in set(range(1, 33)) - {size}:
            bad = good._replace(proof=good.proof._replace(tree_size=other), root=root(other))
            with pytest.raises(VerificationError):
                bad.verify()


@pytest.mark.parametrize("new", range(1, 17))
def test_no_consistency_under_other_sizes(new: int) -> None:
    """
    A consistency proof is refused when either size is said to be another one.
    """
    for old in range(1, new + 1):
        good = consistent(old, new)
        for other in set(range(-1, 33)) - {old}:
            with pytest.raises(VerificationError):
                good._replace(old_size=other, old_root=root(max(other, 0))).verify()
        for other in set(range(-1, 33)) - {new}:
            with pytest.raises(VerificationError):
                good._replace(new_size=other, new_root=root(max(other, 0))).verify()


def test_split_log() -> None:
    """
    Two roots for one size are refused as what they are: another history.
    """
    bad = Consistency(7, 7, (), root(7), root(8))

    refused("not-included", bad.verify)


def test_equal_sizes_need_no_path() -> None:
    """
    A path between equal trees is malformed, even an otherwise harmless one.
    """
    bad = Consistency(7, 7, (root(7),), root(7), root(7))

    refused("malformed", bad.verify)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (4, 8), (6, 15), (7, 8), (8, 15)])
def test_consistency_path_of_another_length(old: int, new: int) -> None:
    """
    A consistency path has one length: none of its hashes may be missing, and none is ignored.
    """
    good = consistent(old, new)

    refused("malformed", good._replace(path=good.path[:-1]).verify)
    refused("malformed", good._replace(path=(*good.path, good.new_root)).verify)
    refused("malformed", good._replace(path=(good.old_root, *good.path)).verify)


def test_node_is_no_leaf() -> None:
    """
    The bytes of an interior node, logged as an entry, have another hash than that node.
    """
    left, right = hash_leaf(b"left"), hash_leaf(b"right")

    assert hash_children(left, right) != hash_leaf(left + right)
    assert hash_children(left, right) != hash_leaf(b"\x01" + left + right)


def test_node_is_not_proven_as_an_entry() -> None:
    """
    An interior node with the rest of its path does not pass for an entry of that tree.
    """
    good = included(0, 4)
    node = hash_children(good.leaf, good.proof.path[0])
    bad = good._replace(leaf=node, proof=good.proof._replace(path=good.proof.path[1:]))

    refused("malformed", bad.verify)


def test_root_is_not_proven_as_its_own_leaf() -> None:
    """
    An empty path does not prove the root to be an entry of its own tree.
    """
    refused("malformed", lambda: verify_inclusion(root(4), InclusionProof(0, 4, ()), root(4)))


@pytest.mark.parametrize("size", range(1, 16))
def test_repeated_last_entry_changes_the_root(size: int) -> None:
    """
    A tree never equals itself with its last entry repeated (CVE-2012-2459).
    """
    entries = ENTRIES[:size]

    assert twin.root(entries) != twin.root((*entries, entries[-1]))
    with pytest.raises(VerificationError):
        Consistency(size, size + 1, (), root(size), root(size)).verify()


@pytest.mark.parametrize("value", [1.0, "4", None, b"4"], ids=repr)
@pytest.mark.parametrize("field", ["index", "tree_size"])
def test_numbers_that_are_none(field: str, value: object) -> None:
    """
    An index or size that is no integer is never compared into a yes.
    """
    good = included(4, 7)
    bad = good.proof._replace(**{field: value})

    with pytest.raises((VerificationError, TypeError)):
        good._replace(proof=bad).verify()


def test_limit_of_paths() -> None:
    """
    63 hashes are what the largest tree needs, and what the table of limits says.
    """
    assert limits.PATH == (limits.TREE_SIZE - 2).bit_length() == 63


def flipped(value: Hash, bit: int) -> Hash:
    raw = bytearray(value)
    raw[bit // 8] ^= 1 << bit % 8
    return Hash(bytes(raw))


@st.composite
def other_paths(draw: st.DrawFn, path: tuple[Hash, ...]) -> tuple[Hash, ...]:
    """Draw `path` with one hash flipped, left out, added, repeated or moved."""
    here = draw(st.integers(0, max(len(path) - 1, 0)))
    extra = Hash(draw(st.binary(min_size=32, max_size=32)))
    inserted = (*path[:here], extra, *path[here:])
    if not path:
        return inserted
    bit = flipped(path[here], draw(st.integers(0, 255)))
    ways = [
        inserted,
        (*path, extra),
        (*path[:here], *path[here + 1 :]),
        (*path[:here], bit, *path[here + 1 :]),
        (*path[:here], path[here], *path[here:]),
    ]
    if len(path) > 1:
        ways += [(*path[1:], path[0]), path[::-1]]
    return draw(st.sampled_from(ways))


@st.composite
def other_inclusions(draw: st.DrawFn) -> Inclusion:
    """Draw a good inclusion with one part spoiled."""
    size = draw(st.integers(1, 64))
    good = included(draw(st.integers(0, size - 1)), size)
    bit = draw(st.integers(0, 255))
    path = draw(other_paths(good.proof.path))
    index = draw(st.integers(-1, 70).filter(lambda i: i != good.proof.index))
    ways = [
        good._replace(leaf=flipped(good.leaf, bit)),
        good._replace(root=flipped(good.root, bit)),
        good._replace(proof=good.proof._replace(path=path)),
        good._replace(proof=good.proof._replace(index=index)),
    ]
    return draw(st.sampled_from(ways))


@st.composite
def other_consistencies(draw: st.DrawFn) -> Consistency:
    """Draw a good consistency with one part spoiled."""
    new = draw(st.integers(1, 64))
    good = consistent(draw(st.integers(1, new)), new)
    bit = draw(st.integers(0, 255))
    ways = [
        good._replace(old_root=flipped(good.old_root, bit)),
        good._replace(new_root=flipped(good.new_root, bit)),
        good._replace(path=draw(other_paths(good.path))),
    ]
    if good.old_size < new:
        ways += [
            good._replace(old_root=good.new_root, new_root=good.old_root),
            good._replace(old_size=new, new_size=good.old_size),
        ]
    return draw(st.sampled_from(ways))


@given(other_inclusions())
def test_spoiled_inclusion(bad: Inclusion) -> None:
    """
    An inclusion with any one part spoiled is refused.
    """
    with pytest.raises(VerificationError):
        bad.verify()


@given(other_consistencies())
def test_spoiled_consistency(bad: Consistency) -> None:
    """
    A consistency with any one part spoiled is refused.
    """
    with pytest.raises(VerificationError):
        bad.verify()
