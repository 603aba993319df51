"""Witnesses: who counts, how often, and for which checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.making import NOW, NoteSigner, World, policy, refused, witnesses
from verifier.note import COSIGNATURE, ED25519


def witnessed(signing: int, threshold: int = 2, known: int = 3) -> World:
    """Return a world with `known` witnesses, the first `signing` of which signed."""
    everyone = witnesses(known)
    return World(witnesses=everyone[:signing], quorum=policy(threshold, everyone))


@pytest.mark.parametrize("signing", [2, 3])
def test_quorum(signing: int) -> None:
    """
    Two witnesses of three suffice, and the answer names those that signed.
    """
    verified = witnessed(signing).verify()

    assert (("w0", "w1", "w2")[:signing], 3) == (verified.witnesses, verified.known_witnesses)


@pytest.mark.parametrize("signing", [0, 1])
def test_no_quorum(signing: int) -> None:
    """
    One witness of three is not two, and the message says how many there are.
    """
    message = refused("witness-quorum", witnessed(signing).verify).message

    assert f"{signing} of 3" in message


def test_witness_that_signs_twice() -> None:
    """
    One witness counts once, whether it repeats a signature or makes a newer one.
    """
    world = witnessed(1)
    text = str(world.checkpoint)
    world.lines = (world.witnesses[0].sign(text), world.witnesses[0].sign(text, NOW + 1))

    refused("witness-quorum", world.verify)


def test_two_witnesses_whose_keys_share_a_name() -> None:
    """
    Witnesses are told apart by their keys, not by what their keys are called.
    """
    everyone = [NoteSigner("one.example", COSIGNATURE) for _ in range(2)]
    world = World(witnesses=(everyone[1],), quorum=policy(2, everyone))

    refused("witness-quorum", world.verify)
    world.quorum = policy(1, everyone)
    expected = (("w1",), 2)
    verified = world.verify()

    assert expected == (verified.witnesses, verified.known_witnesses)


def test_cosignature_under_another_name() -> None:
    """
    A cosignature does not sign its name, and still counts only for the key that made it.
    """
    everyone = witnesses(3)
    world = World(witnesses=everyone[:1], quorum=policy(2, everyone))
    line = everyone[0].sign(str(world.checkpoint))

    world.lines = (line._replace(name=everyone[1].key.name),)
    refused("witness-quorum", world.verify)
    world.lines = (everyone[1].line(line.signature),)
    refused("bad-signature", world.verify)


def test_cosignature_with_time_0() -> None:
    """
    A cosignature with time 0 says nothing about a checkpoint, and so spoils it.
    """
    everyone = witnesses(3)
    world = World(witnesses=everyone[:2], quorum=policy(2, everyone))
    world.lines = (everyone[2].sign(str(world.checkpoint), 0),)

    refused("bad-signature", world.verify)


@pytest.mark.parametrize("other", [{"origin": "other.example"}, {"tree_size": 8}])
def test_cosignature_of_another_checkpoint(other: dict[str, Any]) -> None:
    """
    What a witness signed about another checkpoint does not stand behind this one.
    """
    everyone = witnesses(1)
    world = World(quorum=policy(1, everyone))
    world.lines = (everyone[0].sign(str(world.checkpoint._replace(**other))),)

    refused("bad-signature", world.verify)


def test_unknown_witnesses_do_not_count() -> None:
    """
    Witnesses that nobody pinned add nothing to the quorum.
    """
    world = witnessed(1)
    world.witnesses = (*world.witnesses, *witnesses(10))

    refused("witness-quorum", world.verify)


def test_plain_signature_by_a_witness_key() -> None:
    """
    A witness's key that signs a note as a log would does not cosign it.
    """
    seed = bytes(range(32))
    witness = NoteSigner("w.example", COSIGNATURE, seed)
    world = World(quorum=policy(1, [witness]))
    world.lines = (NoteSigner("w.example", ED25519, seed).sign(str(world.checkpoint)),)

    refused("witness-quorum", world.verify)


def test_witnesses_that_nobody_asked_for() -> None:
    """
    With `quorum none` the witnesses that signed are named, and none is needed.
    """
    everyone = witnesses(2)
    lines = policy(1, everyone).splitlines()
    world = World(witnesses=everyone[:1], quorum="\n".join([*lines[:2], "quorum none", ""]))

    expected = (("w0",), 2)
    verified = world.verify()

    assert expected == (verified.witnesses, verified.known_witnesses)
