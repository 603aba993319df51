"""What a verifier remembers, how much of it, and that threads share it safely."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.verifier.making import EXPIRES, World, policy, refused, witnesses
from verifier import note as notes
from verifier.errors import VerificationError
from verifier.merkle import Hash
from verifier.note import Note, NoteSignature
from verifier.verdict import Verified


def test_second_look() -> None:
    """
    A verifier that remembers a checkpoint says the same as one that does not.
    """
    everyone = witnesses(3)
    world = World(witnesses=everyone[:2], quorum=policy(2, everyone))
    verifier = world.verifier
    data = world.bundle.json()
    first = verifier.verify(data, world.digest, world.repository)

    assert world.verify() == first == verifier.verify(data, world.digest, world.repository)


def test_signatures_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The signatures under one checkpoint are checked for its first bundle and no other.
    """
    checked: list[str] = []
    monkeypatch.setattr(notes, "verify", lambda note, _: checked.append(note.text))
    world = World()
    verifier, data = world.verifier, world.bundle.json()
    for _ in range(3):
        verifier.verify(data, world.digest, world.repository)

    assert [str(world.checkpoint)] == checked


def test_memory_is_of_checkpoints_only() -> None:
    """
    A remembered checkpoint spares its signatures and nothing else: all other faults are found.
    """
    world = World()
    verifier = world.verifier
    good = world.bundle
    verifier.verify(good.json(), world.digest, world.repository)
    wrong = {
        "entry-mismatch": good._replace(entry=b"x"),
        "not-included": good._replace(proof=good.proof._replace(path=(Hash(bytes(32)),) * 3)),
        "checkpoint-mismatch": good._replace(log_id=bytes(32)),
    }
    for code, bundle in wrong.items():
        refused(code, partial(verifier.verify, bundle.json(), world.digest, world.repository))
    world.now = EXPIRES
    refused("trust-expired", lambda: verifier.verify(good.json(), world.digest, world.repository))


def test_refused_checkpoints_are_not_remembered() -> None:
    """
    A checkpoint that was refused is refused again, and takes no memory.
    """
    world = World(quorum=policy(1, witnesses(1)))
    verifier, data = world.verifier, world.bundle.json()
    for _ in range(3):
        refused("witness-quorum", lambda: verifier.verify(data, world.digest, world.repository))

    assert not verifier._ledger._seen


def test_memory_is_bounded() -> None:
    """
    However many checkpoints come, a verifier remembers at most 256, and says yes to each.
    """
    world = World()
    verifier, bundle = world.verifier, world.bundle
    note = Note.parse(bundle.note)
    for i in range(600):
        line = NoteSignature("x.example", b"\0\0\0\0", b"%d" % i)
        other = bundle._replace(note=str(note._replace(signatures=(*note.signatures, line))))
        verified = verifier.verify(other.json(), world.digest, world.repository)

        assert world.index == verified.index
        assert len(verifier._ledger._seen) <= 256


def test_threads() -> None:
    """
    32 threads that share a verifier get the answers that one alone would get.
    """
    world = World()
    note = Note.parse(world.bundle.note)
    good = [
        world.bundle._replace(note=str(note._replace(signatures=note.signatures * count)))
        for count in range(1, 9)
    ]
    bad = [good[0]._replace(entry=b"x"), good[1]._replace(log_id=bytes(32)), World().bundle]
    questions = [bundle.json() for bundle in (*good, *bad)] * 40
    verifier = world.verifier

    def answer(data: bytes) -> Verified | str:
        try:
            return verifier.verify(data, world.digest, world.repository)
        except VerificationError as e:
            return e.code

    expected = [world.verify()] * 8 + ["entry-mismatch", "checkpoint-mismatch", "unknown-key"]
    with ThreadPoolExecutor(32) as pool:
        assert expected * 40 == list(pool.map(answer, questions))
