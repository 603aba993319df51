"""The judge's main flow: the yes, each no in its order, and bundles spoiled at random."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interop.edits import twin
from tests.interop.tampers import tampers
from tests.verifier.faults import FAULTS, Fault
from tests.verifier.making import (
    IMAGE,
    ORIGIN,
    REPOSITORY,
    Signer,
    World,
    refused,
    rows,
    verdict,
)
from verifier.errors import VerificationError
from verifier.repository import Repository
from verifier.verdict import Verified


@pytest.mark.parametrize("repository", [REPOSITORY, None], ids=["asked for", "any"])
def test_yes(repository: Repository | None) -> None:
    """
    A good bundle proves who approved which image where, and where that is logged.
    """
    world = World(repository=repository)
    expected = Verified(
        digest=IMAGE,
        repository=REPOSITORY,
        key="release",
        index=4,
        tree_size=7,
        origin=ORIGIN,
        annotations={"env": "prod"},
        witnesses=(),
        known_witnesses=0,
    )

    assert expected == world.verify()


@pytest.mark.parametrize(
    ("index", "leaves"), [(0, 1), (0, 2), (1, 2), (6, 7), (255, 256), (99, 300)]
)
def test_yes_anywhere(index: int, leaves: int) -> None:
    """
    An approval counts wherever in the ledger it is.
    """
    verified = World(index=index, leaves=leaves).verify()

    assert (index, leaves) == (verified.index, verified.tree_size)


@pytest.mark.parametrize("algorithm", ["ecdsa-p384", "ed25519", "rsa-2048"])
def test_yes_with_other_keys(algorithm: str) -> None:
    """
    Keys of every algorithm in the table approve alike.
    """
    world = World(signer=Signer(algorithm))
    expected = "yes"

    assert expected == verdict(world.verify)


@pytest.mark.parametrize(("code", "fault"), rows(*((f[0], *f) for f in FAULTS)))
def test_each_step_says_no(code: str, fault: Fault) -> None:
    """
    Each step refuses what only it can see, with its own code.
    """
    world = World()
    fault(world)

    refused(code, world.verify)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(first, second, id=f"{first[0]}, {second[0]}")
        for first, second in combinations(FAULTS, 2)
    ],
)
def test_the_first_step_that_says_no(first: tuple[str, Fault], second: tuple[str, Fault]) -> None:
    """
    Of two faults, the answer names the one that an earlier step sees.
    """
    world = World()
    second[1](world)
    first[1](world)

    refused(first[0], world.verify)


def test_other_valid_signature_of_the_same_message() -> None:
    """
    The second half of an ECDSA signature can be mirrored, but only one of the two is logged.
    """
    world = World()
    world.logged, mirrored = world.entry, twin(world.envelope.signature)
    world.signer.public.verify(mirrored, world.envelope.message)
    world.signature = mirrored

    assert "signature" in refused("entry-mismatch", world.verify).message


def test_tampers() -> None:
    """
    Every way to spoil a bundle without a key is refused; only a keyid means nothing.
    """
    world = World()
    accepted = set()
    for name, data in tampers(world.bundle.json()):
        try:
            world.verify(data)
        except VerificationError:
            continue
        accepted.add(name)
    expected = {"signature.keyid: other"}

    assert expected == accepted


GOOD = World()
GOOD_JSON = GOOD.bundle.json()


@given(st.data())
def test_spoiled_bytes(data: st.DataObject) -> None:
    """
    A bundle with bytes changed, lost or added is refused, or says exactly the same.
    """
    here = data.draw(st.integers(0, len(GOOD_JSON)))
    end = here + data.draw(st.sampled_from([0, 0, 1, 1, 1, 2, 40]))
    inserted = data.draw(st.binary(max_size=2) | st.sampled_from([b" ", b'"', b"{", b"\\u0041"]))
    try:
        verified = GOOD.verify(GOOD_JSON[:here] + inserted + GOOD_JSON[end:])
    except VerificationError:
        return

    assert GOOD.verify() == verified
