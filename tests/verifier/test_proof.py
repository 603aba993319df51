"""Proof files: the published ones, what they prove, and what is no such file."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.verifier import examples, twin
from tests.verifier.making import World, policy, refused, rows, witnesses
from verifier import limits
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash, hash_leaf
from verifier.note import ML_DSA, Note, NoteKey
from verifier.proof import TlogProof

HEADER = "c2sp.org/tlog-proof@v1"
HASH = examples.PATH_7_OF_15[0]
NOTE = examples.COSIGNED
LEAF = hash_leaf(examples.LOG_ENTRIES[7])


def test_published_file() -> None:
    """
    The published file of 537 bytes parses, prints to the same bytes, and proves its entry.
    """
    text, digest = examples.TLOG_PROOF, examples.TLOG_PROOF_SHA256
    proof = TlogProof.parse(text)
    keys = tuple(NoteKey.parse(vkey) for vkey in (examples.LOG_VKEY, examples.COSIGNER_VKEY))

    assert (text, 537) == (str(proof), len(text.encode()))
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    assert Checkpoint.parse(examples.CHECKPOINT) == proof.verify(LEAF)
    assert keys == notes.verify(proof.note, keys)


@pytest.mark.parametrize(
    ("index", "path"), [(7, examples.PATH_7_OF_15), (14, examples.PATH_14_OF_15)]
)
def test_published_paths(index: int, path: tuple[str, ...]) -> None:
    """
    The published paths are the twin's, and prove that entry and no other.
    """
    hashes = tuple(Hash(base64.b64decode(text)) for text in path)
    proof = TlogProof(index, hashes, Note.parse(NOTE))

    assert hashes == twin.inclusion(index, examples.LOG_ENTRIES)
    proof.verify(hash_leaf(examples.LOG_ENTRIES[index]))
    refused("not-included", lambda: proof.verify(hash_leaf(examples.LOG_ENTRIES[index - 1])))


def test_who_stands_behind_an_entry() -> None:
    """
    A proof that convinces says of which tree, who of the pinned witnesses saw it, and no more.
    """
    everyone = (*witnesses(2), *witnesses(1, ML_DSA))
    world = World(witnesses=everyone[1:], quorum=policy(2, everyone))
    proof = world.bundle.tlog_proof()
    endorsed = proof.judge(hash_leaf(world.entry), world.trust.tlog_policy())

    assert (world.checkpoint, ("w1", "w2")) == (endorsed.checkpoint, endorsed.witnesses)
    assert ("index", "path", "note", "extra") == TlogProof._fields


def test_proof_of_a_bundle() -> None:
    """
    A bundle renders to the file that proves its own entry.
    """
    world = World()
    proof = world.bundle.tlog_proof()

    assert proof == TlogProof.parse(str(proof))
    assert world.checkpoint == proof.verify(hash_leaf(world.entry))


@pytest.mark.parametrize("extra", [b"", b"anything"])
def test_extra(extra: bytes) -> None:
    """
    What stands under `extra` is kept, and changes nothing about the proof.
    """
    proof = TlogProof.parse(examples.TLOG_PROOF)._replace(extra=extra)

    assert proof == TlogProof.parse(str(proof))
    assert Checkpoint.parse(examples.CHECKPOINT) == proof.verify(LEAF)


@pytest.mark.parametrize(
    ("text", "code"),
    rows(
        ("nothing", "", "malformed"),
        ("no header", f"index 0\n\n{NOTE}", "malformed"),
        ("other version", f"c2sp.org/tlog-proof@v2\nindex 0\n\n{NOTE}", "malformed"),
        ("space after the header", f"{HEADER} \nindex 0\n\n{NOTE}", "malformed"),
        ("carriage returns", f"{HEADER}\nindex 0\n\n{NOTE}".replace("\n", "\r\n"), "malformed"),
        ("no index", f"{HEADER}\n{HASH}\n\n{NOTE}", "malformed"),
        ("only a header", f"{HEADER}\n\n{NOTE}", "malformed"),
        ("index without a space", f"{HEADER}\nindex0\n\n{NOTE}", "malformed"),
        ("upper case", f"{HEADER}\nIndex 0\n\n{NOTE}", "malformed"),
        *(
            (f"index {index!r}", f"{HEADER}\nindex {index}\n\n{NOTE}", "bad-integer")
            for index in ("", "-1", "+1", "07", " 7", "7 ", "7\r", "0x7", "\uff17", str(2**63))
        ),
        ("extra twice", f"{HEADER}\nextra eA==\nextra eA==\nindex 0\n\n{NOTE}", "malformed"),
        ("extra after the index", f"{HEADER}\nindex 0\nextra eA==\n\n{NOTE}", "bad-base64"),
        ("extra that is no Base64", f"{HEADER}\nextra x\nindex 0\n\n{NOTE}", "bad-base64"),
        ("extra without a space", f"{HEADER}\nextra\nindex 0\n\n{NOTE}", "malformed"),
        ("hash of 31 bytes", f"{HEADER}\nindex 0\n{'A' * 41}A==\n\n{NOTE}", "bad-base64"),
        ("hash of 33 bytes", f"{HEADER}\nindex 0\n{'A' * 44}\n\n{NOTE}", "bad-base64"),
        ("space after a hash", f"{HEADER}\nindex 0\n{HASH} \n\n{NOTE}", "bad-base64"),
        ("no empty line", f"{HEADER}\nindex 0\n{NOTE}", "bad-base64"),
        ("no note", f"{HEADER}\nindex 0\n\n", "malformed"),
        ("no end", f"{HEADER}\nindex 0", "malformed"),
        ("unsigned checkpoint", f"{HEADER}\nindex 0\n\n{examples.CHECKPOINT}", "malformed"),
        ("64 hashes", f"{HEADER}\nindex 0\n{64 * (HASH + chr(10))}\n{NOTE}", "over-limit"),
        ("too long", f"{HEADER}\nindex 0\n\n{NOTE}{'x' * limits.NOTE}", "over-limit"),
    ),
)
def test_malformed(text: str, code: str) -> None:
    """
    A file of any other form is refused.
    """
    refused(code, lambda: TlogProof.parse(text))


def test_longest_path() -> None:
    """
    63 hashes are read, as the largest tree needs them.
    """
    proof = TlogProof(0, (Hash(bytes(32)),) * 63, Note.parse(NOTE))

    assert proof == TlogProof.parse(str(proof))


@pytest.mark.parametrize(
    ("index", "length", "code"),
    rows(
        ("index of the tree's size", 15, 4, "malformed"),
        ("path too short", 7, 3, "malformed"),
        ("path too long", 7, 5, "malformed"),
        ("other index", 6, 4, "not-included"),
    ),
)
def test_proofs_of_something_else(index: int, length: int, code: str) -> None:
    """
    A path that does not lead from this index to this root proves nothing.
    """
    good = TlogProof.parse(examples.TLOG_PROOF)
    bad = good._replace(index=index, path=(good.path * 2)[:length])

    refused(code, lambda: bad.verify(LEAF))


def test_note_that_is_no_checkpoint() -> None:
    """
    A note about anything else proves no entry.
    """
    proof = TlogProof(0, (), Note.parse(examples.NOTE))

    refused("malformed", lambda: proof.verify(hash_leaf(b"")))
