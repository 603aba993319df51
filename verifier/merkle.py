"""Merkle tree hashing and proof checking (RFC 6962 section 2.1, RFC 9162 2.1.3).

Only the checking half lives here: the ledger makes proofs, everyone checks
them. Indices count from 0. A hash is 32 bytes, the SHA-256 of a tree node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Self

from verifier import limits
from verifier.errors import InclusionError, MalformedError


class Hash(bytes):
    """The SHA-256 hash of a leaf or node: 32 bytes, checked once, here."""

    __slots__ = ()
    SIZE = 32

    def __new__(cls, raw: bytes) -> Self:
        """Take `raw` as a hash, or raise `MalformedError` if it is not 32 bytes."""
        if len(raw) != cls.SIZE:
            raise MalformedError(f"a hash has {cls.SIZE} bytes, got {len(raw)}")
        return super().__new__(cls, raw)


EMPTY_ROOT = Hash(hashlib.sha256(b"").digest())


def hash_leaf(entry: bytes) -> Hash:
    """Hash one ledger entry: SHA-256(0x00 || entry)."""
    return Hash(hashlib.sha256(b"\x00" + entry).digest())


def hash_children(left: Hash, right: Hash) -> Hash:
    """Hash an interior node: SHA-256(0x01 || left || right)."""
    return Hash(hashlib.sha256(b"\x01" + left + right).digest())


class InclusionProof(NamedTuple):
    """The claim that a tree of `tree_size` leaves has some leaf at `index`.

    `path` runs from the leaf's sibling up to the root's child.
    """

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    tree_size: int
    path: tuple[Hash, ...]


def verify_inclusion(leaf: Hash, proof: InclusionProof, root: Hash) -> None:
    """Check that `leaf` sits at `proof.index` under `root`.

    `root` must come from a checkpoint whose signature has been checked, and
    `proof.tree_size` must equal that checkpoint's size; else this proves nothing.

    Raises:
        MalformedError: the index is outside the tree, or the path is not
            exactly as long as that index in that tree needs.
        InclusionError: the path leads to another root.

    Spec: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= proof.index < proof.tree_size < limits.TREE_SIZE:
        raise MalformedError(f"index {proof.index} is outside a tree of {proof.tree_size}")
    # Below `inner` levels the path to the leaf and the path to the last leaf
    # differ, so siblings are on either side. Above, the path runs along the
    # tree's right edge, where only left siblings exist.
    inner = (proof.index ^ (proof.tree_size - 1)).bit_length()
    border = (proof.index >> inner).bit_count()
    if len(proof.path) != inner + border:
        raise MalformedError(f"expected {inner + border} hashes in the path, got {len(proof.path)}")
    node = leaf
    for level, sibling in enumerate(proof.path):
        if level >= inner or proof.index >> level & 1:
            node = hash_children(sibling, node)
        else:
            node = hash_children(node, sibling)
    if node != root:
        raise InclusionError(f"path leads to {node.hex()}, the checkpoint says {root.hex()}")


def verify_consistency(
    old_size: int, new_size: int, path: Sequence[Hash], old_root: Hash, new_root: Hash
) -> None:
    """Check that the tree under `new_root` only appended to the one under `old_root`.

    Raises:
        MalformedError: sizes out of order or zero, or a path of the wrong length.
        InclusionError: the path does not join the two roots.

    Spec: RFC 9162 section 2.1.4.2.
    """
    if not 0 < old_size <= new_size < limits.TREE_SIZE:
        raise MalformedError(f"no proof can lead from size {old_size} to {new_size}")
    if old_size == new_size:
        if path:
            raise MalformedError("equal sizes need an empty path")
        if old_root != new_root:
            raise InclusionError("two roots for one size: the log has split")
        return
    # Start at the largest complete subtree that ends at the old tree's edge.
    shift = (old_size & -old_size).bit_length() - 1
    index, last = old_size - 1 >> shift, new_size - 1 >> shift
    inner = (index ^ last).bit_length()
    border = (index >> inner).bit_count()
    seeded = index > 0  # else the old tree is that subtree and its root is the seed
    if len(path) != seeded + inner + border:
        raise MalformedError(
            f"expected {seeded + inner + border} hashes in the path, got {len(path)}"
        )
    old = new = path[0] if seeded else old_root
    for level, sibling in enumerate(path[seeded:]):
        if level >= inner or index >> level & 1:
            old, new = hash_children(sibling, old), hash_children(sibling, new)
        else:
            new = hash_children(new, sibling)
    if old != old_root or new != new_root:
        raise InclusionError("the path does not join the two roots")
