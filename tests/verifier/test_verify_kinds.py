"""Bundles of logs that change their key, that sign post-quantum, and whose witnesses do."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from tests.verifier.making import (
    ORIGIN,
    NoteSigner,
    Signer,
    World,
    policy,
    refused,
    verdict,
    witnesses,
)
from verifier.note import COSIGNATURE, ML_DSA, Note, NoteKey
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog


def overlapping() -> tuple[World, NoteSigner, NoteSigner]:
    """Return a world whose log has an old key, a new one, and one of ML-DSA-44."""
    world, new, pq = World(), NoteSigner(ORIGIN), NoteSigner(ORIGIN, ML_DSA)
    world.logs = (*world.logs, TrustedLog(ORIGIN, new.key), TrustedLog(ORIGIN, pq.key))
    return world, new, pq


@pytest.mark.parametrize("count", [1, 2, 3])
def test_overlapping_keys(count: int) -> None:
    """
    While keys of a log overlap, its checkpoint counts with a line by any of them, or by all.
    """
    world, new, pq = overlapping()
    expected = world.verify()
    text = str(world.checkpoint)
    for signers in combinations((world.log, new, pq), count):
        signed = Note(text, tuple(signer.sign(text) for signer in signers))
        for log_id in (world.log.key.log_id, new.key.log_id):
            bundle = world.bundle._replace(note=str(signed), log_id=log_id)
            assert expected == world.verify(bundle.json())


def test_log_id_of_a_post_quantum_key() -> None:
    """
    An entry names its log by a key that Sigstore knows, so not by that of ML-DSA-44.
    """
    world, _, pq = overlapping()
    world.log_id = pq.key.log_id

    refused("checkpoint-mismatch", world.verify)


def test_log_id_of_a_dropped_key() -> None:
    """
    Once the old key is no longer pinned, neither its signature nor its log id counts.
    """
    world, new, pq = overlapping()
    bundle = world.bundle
    world.logs = world.logs[1:]
    text = str(world.checkpoint)

    refused("untrusted-log", lambda: world.verify(bundle.json()))
    signed = str(Note(text, (new.sign(text), pq.sign(text))))
    refused("checkpoint-mismatch", lambda: world.verify(bundle._replace(note=signed).json()))
    renamed = bundle._replace(note=signed, log_id=new.key.log_id)
    assert world.verify(renamed.json()).origin == ORIGIN


def test_bad_post_quantum_line_of_the_log() -> None:
    """
    A failing ML-DSA-44 line of the log condemns a checkpoint whose Ed25519 line is good.
    """
    world, _, pq = overlapping()
    world.lines = (pq.sign(str(world.checkpoint._replace(tree_size=8))),)

    refused("bad-signature", world.verify)


@pytest.mark.parametrize("kinds", list(product((COSIGNATURE, ML_DSA), repeat=3)))
def test_kinds_of_witnesses(kinds: tuple[int, ...]) -> None:
    """
    Witnesses of either kind count alike, and two of three suffice in whatever mixture.
    """
    known = tuple(NoteSigner(f"w.example/{i}", kind) for i, kind in enumerate(kinds))
    world = World(quorum=policy(2, known))
    for count in range(4):
        for some in combinations(range(3), count):
            world.witnesses = tuple(known[i] for i in some)
            assert ("yes" if count > 1 else "witness-quorum") == verdict(world.verify)
            if count > 1:
                assert tuple(f"w{i}" for i in some) == world.verify().witnesses


def test_log_signature_is_no_cosignature() -> None:
    """
    The post-quantum line of the log itself is not a witness more.
    """
    world, _, pq = overlapping()
    world.quorum = policy(1, witnesses(2, ML_DSA))
    world.lines = (pq.sign(str(world.checkpoint)),)

    refused("witness-quorum", world.verify)


def test_cosignature_is_no_log_signature() -> None:
    """
    Witnesses, of whatever kind and however many, do not sign for the log.
    """
    everyone = (*witnesses(1), NoteSigner("pq.example", ML_DSA))
    world = World(witnesses=everyone, quorum=policy(1, everyone))
    world.log = NoteSigner(ORIGIN)

    refused("untrusted-log", world.verify)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256", "ml-dsa-44"])
def test_kind_of_a_log_key(kind: str) -> None:
    """
    A trust file gives each key of a log the kind that its algorithm has in notes.
    """
    signer = Signer(kind)
    world = World()
    world.logs = (*world.logs, TrustedLog(ORIGIN, NoteKey.of(ORIGIN, signer.public)))

    assert world.trust == TrustRoot.parse(world.trust.json())
    kinds = {"ed25519": 1, "ecdsa-p256": 2, "ml-dsa-44": 6}
    assert kinds[kind] == TrustRoot.parse(world.trust.json()).log_keys(ORIGIN)[1].kind
