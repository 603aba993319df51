"""Subtrees and their consistency proofs (draft-ietf-plants-merkle-tree-certs 4.1 and 4.4).

A subtree is the leaves [start, stop) where `start` is a multiple of the smallest power
of two that holds them all, or 0. Its proof generalises RFC 6962's: from start 0 the
two are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from verifier import limits
from verifier.errors import InclusionError, MalformedError
from verifier.merkle import Hash, hash_children


class Subtree(NamedTuple):
    """The leaves from `start` to before `stop`, under `root`."""

    start: int
    stop: int
    root: Hash


def is_subtree(start: int, stop: int) -> bool:
    """Whether the leaves [start, stop) are a subtree of whatever tree has them."""
    if not 0 <= start < stop:
        return False
    width = 1 << (stop - start - 1).bit_length()
    return start % width == 0


def verify_subtree(subtree: Subtree, tree_size: int, path: Sequence[Hash], root: Hash) -> None:
    """Check that `subtree` is a part of the tree of `tree_size` leaves under `root`.

    Raises:
        MalformedError: no subtree of that tree, or a path of the wrong length.
        InclusionError: the path does not join the two hashes.
    """
    start, stop, claimed = subtree
    if not is_subtree(start, stop) or not stop <= tree_size < limits.TREE_SIZE:
        raise MalformedError(f"[{start}, {stop}) is no subtree of a tree of {tree_size}")
    # 1. Walk down to a node that lies in both trees, noting on which side each sibling is.
    turns: list[tuple[bool, bool]] = []  # the sibling is left; it is in the subtree too
    whole = True
    size = tree_size
    while (start, stop) != (0, size):
        middle = 1 << (size - 1).bit_length() - 1
        if stop <= middle:
            turns.append((False, False))
            size = middle
        else:
            shared = start < middle  # then start is 0, by the alignment above
            turns.append((True, shared))
            whole = whole and not shared
            start, stop, size = max(0, start - middle), stop - middle, size - middle
    # 2. Walk up again and hash. The node is the subtree itself, or the path's first hash.
    if len(path) != len(turns) + (not whole):
        raise MalformedError(
            f"expected {len(turns) + (not whole)} hashes in the path, got {len(path)}"
        )
    inner = outer = claimed if whole else path[0]
    for (left, shared), sibling in zip(reversed(turns), path[not whole :], strict=True):
        outer = hash_children(sibling, outer) if left else hash_children(outer, sibling)
        if shared:
            inner = hash_children(sibling, inner)
    if inner != claimed or outer != root:
        raise InclusionError("the path does not join the subtree and the root")
