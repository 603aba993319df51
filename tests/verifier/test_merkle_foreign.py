"""Our proofs against other implementations: their vectors, and pymerkle."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.vectors import vectors
from tests.verifier import twin
from verifier.errors import VerificationError
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_consistency, verify_inclusion


def _hash(text: str) -> Hash:
    return Hash(base64.b64decode(text))


def _path(case: dict[str, Any]) -> tuple[Hash, ...]:
    return tuple(_hash(text) for text in case["proof"] or ())


def _inclusion(case: dict[str, Any]) -> None:
    proof = InclusionProof(case["leafIdx"], case["treeSize"], _path(case))
    verify_inclusion(_hash(case["leafHash"]), proof, _hash(case["root"]))


def _consistency(case: dict[str, Any]) -> None:
    verify_consistency(
        case["size1"], case["size2"], _path(case), _hash(case["root1"]), _hash(case["root2"])
    )


def _refuses(check: Callable[[dict[str, Any]], None], case: dict[str, Any]) -> bool:
    try:
        check(case)
    except VerificationError:
        return True
    return False


@pytest.mark.parametrize(
    ("file", "check", "differ"),
    [
        ("merkle/inclusion.json", _inclusion, []),
        # Its roots are the 12 bytes "don't care 2": no `Hash`, so we refuse what they accept.
        (
            "merkle/consistency.json",
            _consistency,
            ["additional/sizes-are-equal-one-and-proof-is-empty"],
        ),
    ],
    ids=["inclusion", "consistency"],
)
def test_transparency_dev(
    file: str, check: Callable[[dict[str, Any]], None], differ: list[str]
) -> None:
    """
    We judge the 98 vectors as transparency-dev/merkle does, but for the one that is named.
    """
    cases = vectors(file)
    found = [case["name"] for case in cases if _refuses(check, case) != case["wantErr"]]

    assert (98, differ) == (len(cases), found)


def test_pymerkle() -> None:
    """
    The roots and inclusion paths of pymerkle are ours, for every entry of trees below 80.
    """
    pymerkle = pytest.importorskip("pymerkle")
    entries = tuple(b"entry %d" % i for i in range(79))
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, 80):
        tree.append_entry(entries[size - 1])
        root = Hash(tree.get_root())

        assert twin.root(entries[:size]) == root
        for index in range(size):
            # It counts from 1 and puts the leaf itself in front of the path.
            leaf, *path = tree.prove_inclusion(index + 1, size).path
            assert hash_leaf(entries[index]) == leaf
            proof = InclusionProof(index, size, tuple(Hash(h) for h in path))
            verify_inclusion(hash_leaf(entries[index]), proof, root)
