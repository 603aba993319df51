"""Hashes and good proofs, checked against the text of RFC 6962, and the limits of both."""

from __future__ import annotations

from functools import partial

import pytest

from tests.verifier import twin
from tests.verifier.making import refused
from tests.verifier.trees import consistent, included
from verifier.merkle import (
    EMPTY_ROOT,
    Hash,
    InclusionProof,
    hash_children,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)

LAST = 2**63 - 1

# The eight entries of transparency-dev/merkle, testonly/constants.go, and the root of each prefix.
REFERENCE = tuple(
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
)
REFERENCE_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


@pytest.mark.parametrize("size", range(9))
def test_twin_gives_the_reference_roots(size: int) -> None:
    """
    The slow twin computes the published roots, so what it says about others counts.
    """
    assert REFERENCE_ROOTS[size] == twin.root(REFERENCE[:size]).hex()


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_hashes_are_those_of_the_reference(size: int) -> None:
    """
    Our two hash functions, folded over a full tree, give the published root.
    """
    level = [hash_leaf(entry) for entry in REFERENCE[:size]]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hash_children(left, right) for left, right in pairs]

    assert REFERENCE_ROOTS[size] == level[0].hex()


def test_empty_root() -> None:
    """
    The root of the empty tree is the hash of nothing.
    """
    assert REFERENCE_ROOTS[0] == EMPTY_ROOT.hex()


@pytest.mark.parametrize("size", [0, 1, 12, 31, 33, 64])
def test_hash_has_32_bytes(size: int) -> None:
    """
    A hash of any other length cannot be made, so none can be compared.
    """
    refused("malformed", lambda: Hash(bytes(size)))


def test_inclusion_of_every_entry_of_every_tree() -> None:
    """
    The path of RFC 6962 is accepted for every index in every tree up to 256 entries.
    """
    for size in range(1, 257):
        for index in range(size):
            included(index, size).verify()


def test_consistency_of_every_pair_of_trees() -> None:
    """
    The proof of RFC 6962 is accepted for every two sizes up to 256.
    """
    for new in range(1, 257):
        for old in range(1, new + 1):
            consistent(old, new).verify()


@pytest.mark.parametrize(
    ("index", "size"),
    [(0, 0), (0, -1), (-1, 0), (-1, 1), (1, 1), (2, 1), (LAST, LAST), (0, 2**63), (2**64 - 1, 1)],
)
def test_index_outside_the_tree(index: int, size: int) -> None:
    """
    An index that is not inside a tree below 2**63 entries is malformed.
    """
    proof = InclusionProof(index, size, ())

    refused("malformed", lambda: verify_inclusion(hash_leaf(b""), proof, hash_leaf(b"")))


@pytest.mark.parametrize(
    ("old", "new"), [(0, 0), (0, 1), (-1, 1), (2, 1), (1, 0), (1, 2**63), (2**63, 2**63)]
)
def test_sizes_that_no_proof_joins(old: int, new: int) -> None:
    """
    Consistency is said of sizes in order, from 1, below 2**63.
    """
    refused("malformed", lambda: verify_consistency(old, new, (), EMPTY_ROOT, EMPTY_ROOT))


def test_largest_tree() -> None:
    """
    A path through the largest tree has 63 hashes, and one more is one too many.
    """
    siblings = (EMPTY_ROOT,) * 63
    node = leaf = hash_leaf(b"")
    for sibling in siblings:
        node = hash_children(node, sibling)

    verify_inclusion(leaf, InclusionProof(0, LAST, siblings), node)
    for bad in (
        InclusionProof(0, LAST, (*siblings, node)),
        InclusionProof(0, LAST + 1, siblings),
        InclusionProof(0, 2 * LAST, (*siblings, node)),
    ):
        refused("malformed", partial(verify_inclusion, leaf, bad, node))
