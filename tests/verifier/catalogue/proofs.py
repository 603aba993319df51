"""Bad proofs: rows P1 to P20 without P16, which is about tiles, and those the auditor reads.

Exhaustive loops over small trees and random damage are in test_merkle_forged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.verifier import twin
from tests.verifier.catalogue.case import Case
from tests.verifier.making import ORIGIN, World, policy, witnesses
from tests.verifier.trees import ENTRIES, Consistency, Inclusion, consistent, included, root
from verifier._strict import b64encode
from verifier.checkpoint import Checkpoint
from verifier.evidence import Evidence
from verifier.merkle import EMPTY_ROOT, Hash, InclusionProof, hash_children, hash_leaf
from verifier.note import ML_DSA, Note
from verifier.proof import TlogProof

GOOD = included(4, 7)
LEAF, PROOF, ROOT = GOOD
PATH = PROOF.path
SEEN = ("2026-11-23T21:06:41Z", "2026-11-23T21:07:01Z")


def proof(row: str, name: str, asked: Inclusion | Consistency, code: str) -> Case:
    """Check one inclusion or consistency."""
    return Case(row, name, asked.verify, code)


def _path(*path: Hash) -> Inclusion:
    return GOOD._replace(proof=PROOF._replace(path=path))


def _at(index: int, size: int = 7) -> Inclusion:
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
ITSELF = Inclusion(root(7), InclusionProof(0, 1, ()), root(7))

INCLUSIONS = (
    proof("P1", "index of the size", _at(7), "malformed"),
    proof("P1", "index beyond", _at(8), "malformed"),
    proof("P1", "index -1", _at(-1), "malformed"),
    proof("P1", "index one less", _at(3), "not-included"),
    proof("P1", "index one more", _at(5), "not-included"),
    proof("P1", "last index", _at(6), "malformed"),
    proof("P1", "size 0", _at(0, 0), "malformed"),
    proof("P1", "size -1", _at(0, -1), "malformed"),
    proof("P1", "index 2**63", _at(2**63), "malformed"),
    proof("P1", "index 2**64 + 4", _at(2**64 + 4), "malformed"),
    proof("P1", "size 2**63", _at(4, 2**63), "malformed"),
    proof("P1", "size 2**64 + 7", _at(4, 2**64 + 7), "malformed"),
    proof("P2", "size one more", _at(4, 8), "yes"),  # the same shape: it is the root that decides
    proof("P2", "size one more, its root", _at(4, 8)._replace(root=root(8)), "not-included"),
    proof("P2", "size one less", _at(4, 6), "malformed"),
    proof("P2", "size doubled", _at(4, 14), "malformed"),
    proof("P3", "last hash missing", _path(*PATH[:-1]), "malformed"),
    proof("P3", "first hash missing", _path(*PATH[1:]), "malformed"),
    proof("P3", "hash more in front", _path(LEAF, *PATH), "malformed"),
    proof("P3", "hash more at the end", _path(*PATH, ROOT), "malformed"),
    proof("P3", "reordered", _path(*PATH[::-1]), "not-included"),
    *(
        proof("P3", f"bit in hash {i}", _path(*PATH[:i], _flipped(h), *PATH[i + 1 :]),
              "not-included")
        for i, h in enumerate(PATH)
    ),
    *(Case("P4", f"{n} bytes", partial(Hash, bytes(n)), "malformed") for n in (0, 1, 31, 33, 64)),
    proof("P5", "empty path, many leaves", _path(), "malformed"),
    proof("P5", "path, one leaf",
          SMALLEST._replace(proof=InclusionProof(0, 1, (SMALLEST.leaf,))), "malformed"),
    proof("P5", "empty path, one leaf", SMALLEST, "yes"),
    # A row of nodes is the leaves of a smaller tree: the size must be the checkpoint's.
    proof("P6", "node as leaf of a smaller tree", _node(2, 4), "yes"),
    proof("P6", "node as leaf of its tree", _node(2, 7), "malformed"),
    proof("P6", "node as leaf of its index", _node(4, 7), "malformed"),
    proof("P6", "leaf as node", GOOD._replace(root=LEAF), "not-included"),
    proof("P6", "leaf that was hashed as a node",
          GOOD._replace(leaf=hash_children(LEAF, LEAF)), "not-included"),
    proof("P7", "root as leaf, size 1", ITSELF, "yes"),
    proof("P7", "root as leaf, size 7", ITSELF._replace(proof=InclusionProof(0, 7, ())),
          "malformed"),
    proof("P8", "leaf hashed twice", GOOD._replace(leaf=hash_leaf(LEAF)), "not-included"),
    proof("P8", "data for its hash", GOOD._replace(leaf=Hash(b"entry 4".ljust(32))),
          "not-included"),
    proof("P13", "63 hashes", _largest(PATH * 21), "not-included"),
    proof("P13", "64 hashes", _largest((LEAF,) * 64), "malformed"),
    proof("P13", "62 hashes", _largest((LEAF,) * 62), "malformed"),
    proof("P13", "100,000 hashes", _path(*(LEAF,) * 100_000), "malformed"),
    proof("P13", "last of 2**63 - 1",
          GOOD._replace(proof=InclusionProof(2**63 - 2, 2**63 - 1, PATH * 21)), "malformed"),
    proof("P14", "leaf for root", Inclusion(ROOT, PROOF, LEAF), "not-included"),
    proof("P17", "last leaf repeated", included(6, 7)._replace(proof=included(7, 8).proof),
          "not-included"),
)  # fmt: skip

GROWN, TWO_POWER = consistent(6, 7), consistent(4, 7)
CONSISTENCIES = (
    proof("P9", "from 0", Consistency(0, 7, (), EMPTY_ROOT, root(7)), "malformed"),
    proof("P9", "from 0 to 0", Consistency(0, 0, (), EMPTY_ROOT, EMPTY_ROOT), "malformed"),
    proof("P9", "from 0, a path", Consistency(0, 7, (root(7),), EMPTY_ROOT, root(7)), "malformed"),
    proof("P9", "from -1", Consistency(-1, 7, GROWN.path, root(6), root(7)), "malformed"),
    proof("P10", "one size, two roots", Consistency(7, 7, (), root(7), root(6)), "not-included"),
    proof("P10", "a path to itself", Consistency(7, 7, (root(7),), root(7), root(7)), "malformed"),
    proof("P10", "one size, one root", Consistency(7, 7, (), root(7), root(7)), "yes"),
    proof("P11", "backwards", Consistency(7, 6, GROWN.path, root(7), root(6)), "malformed"),
    proof("P12", "first hash said twice",
          TWO_POWER._replace(path=(root(4), *TWO_POWER.path)), "malformed"),
    proof("P12", "as it is", TWO_POWER, "yes"),
    proof("P13", "to 2**63 - 1", Consistency(1, 2**63 - 1, PATH * 21, LEAF, ROOT), "not-included"),
    proof("P13", "to 2**63", Consistency(1, 2**63, PATH * 21, LEAF, ROOT), "malformed"),
    proof("P13", "from 2**62 - 1",
          Consistency(2**62 - 1, 2**63 - 1, PATH * 21, ROOT, LEAF), "malformed"),
    proof("P13", "64 hashes to 2**63 - 1",
          Consistency(1, 2**63 - 1, (LEAF,) * 64, LEAF, ROOT), "malformed"),
    proof("P14", "roots swapped", GROWN._replace(old_root=root(7), new_root=root(6)),
          "not-included"),
    proof("P14", "old root twice", GROWN._replace(new_root=root(6)), "not-included"),
    proof("P17", "last entry repeated", Consistency(7, 8, (), root(7), root(7)), "malformed"),
)  # fmt: skip


def _repeated(size: int) -> Inclusion:
    """Return the proof of the last entry's copy, in a tree that has it once more."""
    entries = (*ENTRIES[:size], ENTRIES[size - 1])
    path = tuple(Hash(h) for h in twin.inclusion(size, entries))
    return Inclusion(hash_leaf(entries[-1]), InclusionProof(size, size + 1, path), root(size))


def file(row: str, name: str, world: World, code: str, **other: Any) -> Case:
    """Ask what the proof file of a world's bundle says of its entry, with other fields."""
    leaf = other.pop("leaf", hash_leaf(world.entry))
    written = str(world.bundle.tlog_proof()._replace(**other))
    judge = world.trust.tlog_policy()
    return Case(row, name, lambda: TlogProof.parse(written).judge(leaf, judge), code)


def _lines(hashes: int) -> Case:
    text = "c2sp.org/tlog-proof@v1\nindex 0\n" + "!\n" * hashes + "\nx\n\n\u2014 x AAAAAAA=\n"
    return Case("P13", f"{hashes:,} lines", partial(TlogProof.parse, text), "over-limit")


def bundle(  # noqa: PLR0917  a row of the table
    row: str, name: str, world: World, code: str, old: str = "", new: str = ""
) -> Case:
    """Ask about a world's bundle, with `new` in the place of `old`."""
    data = world.bundle.json()
    assert old.encode() in data
    data = data.replace(old.encode(), new.encode())
    judge = partial(world.verifier.verify, data, world.digest, world.repository)
    return Case(row, name, judge, code)


def _files() -> Iterator[Case]:
    world = World()
    point, signed = world.checkpoint, world.bundle.tlog_proof().note
    larger = Note(str(point._replace(tree_size=8)), signed.signatures)
    yield file(
        "P7",
        "root as leaf of a signed tree of 7",
        world,
        "malformed",
        leaf=point.root,
        index=0,
        path=(),
    )
    yield file("P15", "size of the checkpoint, edited", world, "bad-signature", note=larger)
    yield file("P15", "index of its own", world, "not-included", index=5)
    yield file("P15", "as it is", world, "yes")
    yield from map(_lines, (64, 65, 10_000))
    hashes = [b64encode(h) for h in world.bundle.proof.path]
    yield bundle("P4", "31 bytes in a bundle", world, "bad-base64", hashes[0], "A" * 40 + "AA==")
    yield bundle("P4", "33 bytes in a bundle", world, "bad-base64", hashes[0], "A" * 44)
    yield bundle("P4", "no bytes in a bundle", world, "bad-base64", hashes[0], "")
    yield bundle("P1", "-1 in a bundle", world, "bad-integer", '"logIndex":"4"', '"logIndex":"-1"')
    yield bundle("P1", "a number in a bundle", world, "malformed", '"logIndex":"4"', '"logIndex":4')
    yield bundle("P1", "true in a bundle", world, "malformed", '"treeSize":"7"', '"treeSize":true')
    yield bundle(
        "P1", "4.0 in a bundle", world, "bad-integer", '"treeSize":"7"', '"treeSize":"7.0"'
    )
    yield bundle(
        "P2", "8 in a bundle", world, "checkpoint-mismatch", '"treeSize":"7"', '"treeSize":"8"'
    )
    yield bundle(
        "P15",
        "the root of its own",
        world,
        "checkpoint-mismatch",
        b64encode(point.root) + '","treeSize"',
        b64encode(root(7)) + '","treeSize"',
    )
    for size in (1, 2, 3, 5, 6, 7, 9, 255):
        yield proof("P17", f"copy of the last of {size}", _repeated(size), "not-included")


def _quorums() -> Iterator[Case]:
    everyone = (*witnesses(2), *witnesses(1, ML_DSA))
    for signing, code in ((0, "witness-quorum"), (1, "witness-quorum"), (2, "yes")):
        some = everyone[-signing:] if signing else ()
        world = World(witnesses=some, quorum=policy(2, everyone))
        yield file("P18", f"{signing} of 3 in a file", world, code)
        yield bundle("P18", f"{signing} of 3 in a bundle", world, code)


Make = Callable[[Callable[[int, int], str]], Evidence]


def evidence(row: str, name: str, make: Make, code: str) -> Case:
    """Ask whether two signed notes, each of a size and of the root at another, contradict."""
    world = World()

    def signed(size: int, of: int) -> str:
        text = str(Checkpoint(ORIGIN, size, root(of)))
        return str(Note(text, (world.log.sign(text),)))

    written = make(signed).json()
    return Case(row, name, lambda: Evidence.parse(written).verify(world.trust), code)


CONTRADICTIONS = (
    evidence("P19", "two roots", lambda n: Evidence.split_view(n(7, 7), n(7, 6), SEEN), "yes"),
    evidence("P19", "one root", lambda n: Evidence.split_view(n(7, 7), n(7, 7), SEEN),
             "no-contradiction"),
    evidence("P19", "two sizes", lambda n: Evidence.split_view(n(7, 7), n(6, 6), SEEN),
             "no-contradiction"),
    evidence("P20", "smaller", lambda n: Evidence.rollback(n(7, 7), n(6, 6), SEEN), "yes"),
    evidence("P20", "equal", lambda n: Evidence.rollback(n(7, 7), n(7, 7), SEEN),
             "no-contradiction"),
    evidence("P20", "larger", lambda n: Evidence.rollback(n(6, 6), n(7, 7), SEEN),
             "no-contradiction"),
)  # fmt: skip


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*INCLUSIONS, *CONSISTENCIES, *_files(), *_quorums(), *CONTRADICTIONS)
