"""The catalogue of bad proofs, row by row: each id starts with the row that it stands for.

Rows P1 to P20 are what provers and verifiers of other systems got wrong. P16 is
about tiles, which the ledger reads. Exhaustive loops and random damage are in
test_merkle_forged; here each row has its own cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.verifier import twin
from tests.verifier.making import (
    ORIGIN,
    NoteSigner,
    World,
    policy,
    refused,
    rows,
    verdict,
    witnesses,
)
from tests.verifier.trees import ENTRIES, Consistency, Inclusion, consistent, included, root
from verifier import limits
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.evidence import Evidence
from verifier.merkle import (
    EMPTY_ROOT,
    Hash,
    InclusionProof,
    hash_children,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)
from verifier.note import ML_DSA, Note
from verifier.proof import TlogProof

GOOD = included(4, 7)
LEAF, PROOF, ROOT = GOOD
PATH = PROOF.path
SEEN = ("2026-11-23T21:06:41Z", "2026-11-23T21:07:01Z")


def _path(*path: Hash) -> Inclusion:
    return GOOD._replace(proof=PROOF._replace(path=path))


def _at(index: Any, size: Any = 7) -> Inclusion:
    return GOOD._replace(proof=InclusionProof(index, size, PATH))


def _largest(path: tuple[Hash, ...]) -> Inclusion:
    return GOOD._replace(proof=InclusionProof(0, 2**63 - 1, path))


def _flipped(raw: Hash) -> Hash:
    return Hash(bytes([raw[0] ^ 1]) + raw[1:])


def _node(index: int, size: int) -> Inclusion:
    """Return the node above the leaf as if it were a leaf, with the rest of its path."""
    node = hash_children(LEAF, PATH[0])
    return Inclusion(node, InclusionProof(index, size, PATH[1:]), ROOT)


SMALLEST = included(0, 1)

INCLUSIONS = rows(
    ("P1 index of the size", _at(7), "malformed"),
    ("P1 index beyond", _at(8), "malformed"),
    ("P1 index -1", _at(-1), "malformed"),
    ("P1 index one less", _at(3), "not-included"),
    ("P1 index one more", _at(5), "not-included"),
    ("P1 last index", _at(6), "malformed"),
    ("P1 size 0", _at(0, 0), "malformed"),
    ("P1 size -1", _at(0, -1), "malformed"),
    ("P1 index 2**63", _at(2**63), "malformed"),
    ("P1 index 2**64 + 4", _at(2**64 + 4), "malformed"),
    ("P1 size 2**63", _at(4, 2**63), "malformed"),
    ("P1 size 2**64 + 7", _at(4, 2**64 + 7), "malformed"),
    ("P2 size one more", _at(4, 8), "yes"),  # the same shape, so it is the root that decides
    ("P2 size one more, with its root", _at(4, 8)._replace(root=root(8)), "not-included"),
    ("P2 size one less", _at(4, 6), "malformed"),
    ("P2 size doubled", _at(4, 14), "malformed"),
    ("P3 last hash missing", _path(*PATH[:-1]), "malformed"),
    ("P3 first hash missing", _path(*PATH[1:]), "malformed"),
    ("P3 hash more in front", _path(LEAF, *PATH), "malformed"),
    ("P3 hash more at the end", _path(*PATH, ROOT), "malformed"),
    ("P3 reordered", _path(*PATH[::-1]), "not-included"),
    *(
        (f"P3 bit in hash {i}", _path(*PATH[:i], _flipped(h), *PATH[i + 1 :]), "not-included")
        for i, h in enumerate(PATH)
    ),
    ("P5 empty path, many leaves", _path(), "malformed"),
    (
        "P5 path, one leaf",
        SMALLEST._replace(proof=InclusionProof(0, 1, (SMALLEST.leaf,))),
        "malformed",
    ),
    ("P5 empty path, one leaf", SMALLEST, "yes"),
    # A row of nodes is the leaves of a smaller tree: the size must be the checkpoint's.
    ("P6 node as leaf of a smaller tree", _node(2, 4), "yes"),
    ("P6 node as leaf of its tree", _node(2, 7), "malformed"),
    ("P6 node as leaf of its index", _node(4, 7), "malformed"),
    ("P6 leaf as node", GOOD._replace(root=LEAF), "not-included"),
    ("P7 root as leaf, size 1", Inclusion(root(7), InclusionProof(0, 1, ()), root(7)), "yes"),
    ("P7 root as leaf, size 7", Inclusion(root(7), InclusionProof(0, 7, ()), root(7)), "malformed"),
    ("P8 leaf hashed twice", GOOD._replace(leaf=hash_leaf(LEAF)), "not-included"),
    ("P13 63 hashes", _largest(PATH * 21), "not-included"),
    ("P13 64 hashes", _largest((LEAF,) * 64), "malformed"),
    ("P13 62 hashes", _largest((LEAF,) * 62), "malformed"),
    ("P14 leaf for root", Inclusion(ROOT, PROOF, LEAF), "not-included"),
    ("P17 last leaf repeated", included(6, 7)._replace(proof=included(7, 8).proof), "not-included"),
)  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), INCLUSIONS)
def test_inclusion(case: Inclusion, expected: str) -> None:
    """
    A path proves one leaf, at one index, under one root; nothing else comes out of it.
    """
    assert expected == verdict(case.verify)


@pytest.mark.parametrize("value", [1.0, "4", None, b"4"], ids=repr)
@pytest.mark.parametrize("field", ["index", "tree_size"])
def test_numbers_that_are_none(field: str, value: object) -> None:
    """
    P1: an index or size that is no integer is never compared into a yes.
    """
    bad = PROOF._replace(**{field: value})
    with pytest.raises((VerificationError, TypeError)):
        verify_inclusion(LEAF, bad, ROOT)


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_hashes_have_32_bytes(size: int) -> None:
    """
    P4: what has another length never becomes a hash, in a path or anywhere else.
    """
    refused("malformed", lambda: Hash(bytes(size)))


def test_root_as_leaf_needs_a_signed_size_of_1() -> None:
    """
    P7: a root is its own tree of one leaf, so the size must come from the checkpoint.
    """
    world = World()
    log, point = world.log, world.checkpoint
    proof = TlogProof(0, (), Note(str(point), (log.sign(str(point)),)))

    refused("malformed", lambda: proof.judge(point.root, world.trust.tlog_policy()))


GROWN = consistent(6, 7)
TWO_POWER = consistent(4, 7)

CONSISTENCIES = rows(
    ("P9 from 0", Consistency(0, 7, (), EMPTY_ROOT, root(7)), "malformed"),
    ("P9 from 0 to 0", Consistency(0, 0, (), EMPTY_ROOT, EMPTY_ROOT), "malformed"),
    ("P9 from 0 with a path", Consistency(0, 7, (root(7),), EMPTY_ROOT, root(7)), "malformed"),
    ("P10 one size, two roots", Consistency(7, 7, (), root(7), root(6)), "not-included"),
    ("P10 one size, a path", Consistency(7, 7, (root(7),), root(7), root(7)), "malformed"),
    ("P10 one size, one root", Consistency(7, 7, (), root(7), root(7)), "yes"),
    ("P11 backwards", Consistency(7, 6, GROWN.path, root(7), root(6)), "malformed"),
    ("P12 first hash said twice", TWO_POWER._replace(path=(root(4), *TWO_POWER.path)), "malformed"),
    ("P12 as it is", TWO_POWER, "yes"),
    ("P13 to 2**63 - 1", Consistency(1, 2**63 - 1, PATH * 21, LEAF, ROOT), "not-included"),
    ("P13 to 2**63", Consistency(1, 2**63, PATH * 21, LEAF, ROOT), "malformed"),
    ("P13 64 hashes", Consistency(1, 2**63 - 1, (LEAF,) * 64, LEAF, ROOT), "malformed"),
    ("P14 roots swapped", GROWN._replace(old_root=root(7), new_root=root(6)), "not-included"),
    ("P14 old root twice", GROWN._replace(new_root=root(6)), "not-included"),
    ("P17 last entry repeated", Consistency(7, 8, (), root(7), root(7)), "malformed"),
)


@pytest.mark.parametrize(("case", "expected"), CONSISTENCIES)
def test_consistency(case: Consistency, expected: str) -> None:
    """
    A tree grew out of another only by exactly the path of these two sizes and roots.
    """
    assert expected == verdict(case.verify)


@pytest.mark.parametrize("hashes", [64, 65, 10_000])
def test_long_paths_in_files(hashes: int) -> None:
    """
    P13: a file with more hashes than any tree needs is refused before they are decoded.
    """
    text = "c2sp.org/tlog-proof@v1\nindex 0\n" + "!\n" * hashes + "\nx\n\n\u2014 x AAAAAAA=\n"

    refused("over-limit", lambda: TlogProof.parse(text))


def test_largest_tree_ends() -> None:
    """
    P13: the work is as long as the path, not as large as the tree.
    """
    path, size = PATH * 21, 2**63 - 1

    refused("malformed", lambda: verify_consistency(2**62 - 1, size, path, ROOT, LEAF))
    refused("malformed", lambda: verify_inclusion(LEAF, InclusionProof(size - 1, size, path), ROOT))


def test_proof_states_neither_size_nor_root() -> None:
    """
    P15: a proof file has an index and hashes; the size is the signed checkpoint's.
    """
    assert ("index", "path", "note", "extra") == TlogProof._fields
    world = World()
    proof = world.bundle.tlog_proof()
    other = Checkpoint(ORIGIN, 8, world.checkpoint.root)
    bad = proof._replace(note=Note(str(other), proof.note.signatures))

    refused("bad-signature", lambda: bad.judge(hash_leaf(world.entry), world.trust.tlog_policy()))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 9, 255])
def test_repeated_last_entry(size: int) -> None:
    """
    P17: with its last entry once more a tree has another root, of which nothing is provable.
    """
    entries = (*ENTRIES[:size], ENTRIES[size - 1])
    repeated = Hash(twin.root(entries))

    assert repeated != root(size)
    path = tuple(Hash(h) for h in twin.inclusion(size, entries))
    with pytest.raises(VerificationError):
        verify_inclusion(hash_leaf(entries[-1]), InclusionProof(size, size + 1, path), root(size))


@pytest.mark.parametrize(
    ("signing", "expected"), rows(("P18 1 of 3", 1, "witness-quorum"), ("P18 2 of 3", 2, "yes"))
)
def test_quorum(signing: int, expected: str) -> None:
    """
    A proof to a checkpoint that too few witnesses signed proves nothing yet.
    """
    everyone = (*witnesses(2), *witnesses(1, ML_DSA))
    world = World(witnesses=everyone[-signing:], quorum=policy(2, everyone))
    proof, leaf = world.bundle.tlog_proof(), hash_leaf(world.entry)

    assert expected == verdict(lambda: proof.judge(leaf, world.trust.tlog_policy()))
    assert expected == verdict(world.verify)
    if expected == "yes":
        endorsed = proof.judge(leaf, world.trust.tlog_policy())
        assert (world.checkpoint, ("w1", "w2")) == (endorsed.checkpoint, endorsed.witnesses)


Make: TypeAlias = Callable[[Callable[[int, int], str]], Evidence]


def _signed(log: NoteSigner, size: int, root_: Hash) -> str:
    text = str(Checkpoint(ORIGIN, size, root_))
    return str(Note(text, (log.sign(text),)))


@pytest.mark.parametrize(
    ("make", "expected"),
    rows(
        ("P19 two roots", lambda n: Evidence.split_view(n(7, 7), n(7, 6), SEEN), "yes"),
        ("P19 one root", lambda n: Evidence.split_view(n(7, 7), n(7, 7), SEEN), "no-contradiction"),
        ("P20 smaller", lambda n: Evidence.rollback(n(7, 7), n(6, 6), SEEN), "yes"),
        ("P20 equal", lambda n: Evidence.rollback(n(7, 7), n(7, 7), SEEN), "no-contradiction"),
        ("P20 larger", lambda n: Evidence.rollback(n(6, 6), n(7, 7), SEEN), "no-contradiction"),
    ),
)  # fmt: skip
def test_contradictions(make: Make, expected: str) -> None:
    """
    Both notes of a split view and of a rollback are kept, and convince whoever pins the log.
    """
    world = World()
    evidence = make(lambda size, of: _signed(world.log, size, root(of)))
    again = Evidence.parse(evidence.json())

    assert evidence == again
    assert expected == verdict(lambda: again.verify(world.trust))


def test_limit_of_paths() -> None:
    """
    P13: 63 is what the largest tree needs, and what the table of limits says.
    """
    assert limits.PATH == (limits.TREE_SIZE - 2).bit_length() == 63
