"""Proofs and races that other verifiers fell for, and ours does not.

Each test is named after the published failure; the forgeries of pymerkle are those that
its version 6.1.0 took for good.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier import twin
from tests.verifier.making import (
    EXPIRES,
    IMAGE,
    REPOSITORY,
    NoteSigner,
    World,
    policy,
    refused,
    verdict,
    witnesses,
)
from tests.verifier.pinned import DOCUMENT, LOG, parse
from tests.verifier.trees import ENTRIES, Consistency, consistent, included, root
from verifier._strict import b64encode
from verifier.bundle import Bundle
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.merkle import (
    EMPTY_ROOT,
    Hash,
    InclusionProof,
    hash_children,
    verify_consistency,
    verify_inclusion,
)
from verifier.note import ML_DSA
from verifier.proof import TlogProof
from verifier.repository import Repository, Scope
from verifier.verdict import Verified
from verifier.verify import Verifier


def test_pymerkle_6_1_0_the_size_is_bound() -> None:
    """
    A proof in a tree of one size proves nothing about the root of a tree of another size.
    """
    for size in range(1, 33):
        for other in range(1, 33):
            if other != size:
                path = included(size - 1, size).proof.path
                bad = InclusionProof(size - 1, other, path)
                leaf = included(size - 1, size).leaf
                with pytest.raises(VerificationError):
                    verify_inclusion(leaf, bad, root(other))


@pytest.mark.parametrize(("old", "new"), [(0, 7), (1, 7), (4, 8), (6, 7), (7, 8)])
def test_pymerkle_6_1_0_an_empty_consistency_proof(old: int, new: int) -> None:
    """
    No hashes prove no growth, also from the empty tree, of which any could have grown.
    """
    first = root(old) if old else EMPTY_ROOT

    refused("malformed", lambda: verify_consistency(old, new, (), first, root(new)))
    refused("malformed", lambda: verify_consistency(old, new, (), root(new), root(new)))


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 13, 64])
def test_pymerkle_6_1_0_a_node_is_no_leaf(size: int) -> None:
    """
    An interior node with the upper part of its path is no leaf, at whatever index it may claim.
    """
    leaf, proof, top = included(0, size)
    node = leaf
    for height, sibling in enumerate(proof.path, 1):
        node = hash_children(node, sibling)
        for index in range(size):
            claimed = InclusionProof(index, size, proof.path[height:])
            with pytest.raises(VerificationError):
                verify_inclusion(node, claimed, top)


@pytest.mark.parametrize("size", [2, 3, 7, 8, 256])
def test_pymerkle_6_1_0_the_root_is_no_leaf(size: int) -> None:
    """
    A root is no leaf of its own tree: the size that the checkpoint signs does not allow it.
    """
    for index in (0, size - 1):
        bad = InclusionProof(index, size, ())
        refused("malformed", partial(verify_inclusion, root(size), bad, root(size)))


def test_pymerkle_6_1_0_a_proof_chooses_nothing() -> None:
    """
    A proof has an index and hashes: no size, no algorithm, no switch for what is checked.
    """
    assert ("index", "path", "note", "extra") == TlogProof._fields
    assert ("index", "tree_size", "path") == InclusionProof._fields
    document = World().bundle.json()
    for field in (b'"hashAlgorithm":"SHA1"', b'"security":false', b'"rule":[0,1]'):
        edited = document.replace(b'"inclusionProof":{', b'"inclusionProof":{' + field + b",")
        refused("unknown-field", partial(Bundle.parse, edited))


def _history(rng: random.Random, length: int) -> list[bytes]:
    return [b"%d" % rng.randrange(3) for _ in range(length)]


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_cve_2022_36111_no_two_histories(seed: int, old: int, more: int) -> None:
    """
    Of two ledgers that differ in one entry before, no proof of either leads from the one's
    tree to the other's, wherever the entry is.
    """
    rng = random.Random(seed)
    ours = _history(rng, old + more)
    theirs = list(ours)
    theirs[rng.randrange(old)] = b"another"
    old_root = Hash(twin.root(tuple(ours[:old])))
    for entries in (tuple(ours), tuple(theirs)):
        path = tuple(Hash(h) for h in twin.consistency(old, entries))
        bad = Consistency(old, old + more, path, old_root, Hash(twin.root(tuple(theirs))))
        with pytest.raises(VerificationError):
            bad.verify()


def test_cve_2012_2459_the_last_entry_repeated() -> None:
    """
    A tree whose last entry is there once more has another root, to which no proof leads.
    """
    for size in range(1, 65):
        longer = (*ENTRIES[:size], ENTRIES[size - 1])
        assert twin.root(longer) != root(size)
        path = consistent(size, size + 1).path
        bad = Consistency(size, size + 1, path, root(size), root(size))
        with pytest.raises(VerificationError):
            bad.verify()


def test_sunlight_a_log_with_the_name_of_a_witness() -> None:
    """
    A witness that has the name of a log is refused when it is pinned: a line could be either's.
    """
    named = NoteSigner(LOG.key.name, ML_DSA)

    refused("malformed", lambda: parse(DOCUMENT | {"witnesses": policy(1, [named])}))


@pytest.mark.parametrize("role", ["checkpoint_key", "promise_key"])
def test_tessera_1035_one_key_in_two_roles(role: str) -> None:
    """
    A key that is a log's and another one's as well is refused when it is pinned.
    """
    key = DOCUMENT["keys"][0] | {"key": DOCUMENT["logs"][0][role]}
    refused("malformed", lambda: parse(DOCUMENT | {"keys": [key]}))
    witness = NoteSigner("w.example", ML_DSA)
    log = {"origin": "ledger.example", "checkpoint_key": b64encode(witness.key.public.spki)}
    both = DOCUMENT | {"logs": [log], "witnesses": policy(1, [witness])}

    refused("malformed", lambda: parse(both))


def _worlds(good: World) -> list[tuple[Verifier, Digest, Repository, str]]:
    """Return verifiers that believe different things, what each is asked, and its answer."""
    others: dict[str, dict[str, Any]] = {
        "yes": {},
        "key-scope": {"key": good.key._replace(scope=(Scope("other.example"),))},
        "key-window": {"key": good.key._replace(valid_through_tree_size=good.index)},
        "key-purpose": {"key": good.key._replace(purpose="event")},
        "trust-expired": {"now": EXPIRES},
        "witness-quorum": {"quorum": policy(3, witnesses(3))},
        "digest-mismatch": {"digest": Digest.of(b"another image")},
        "repository-mismatch": {"repository": Repository("registry.example/team/other")},
    }
    found = []
    for code, changes in others.items():
        asked = World(signer=good.signer, log=good.log, witnesses=good.witnesses)
        for field, value in changes.items():
            setattr(asked, field, value)
        assert asked.repository is not None
        found.append((asked.verifier, asked.digest, asked.repository, code))
    return found


def test_cosign_4917_one_bundle_and_many_verifiers() -> None:
    """
    32 threads that ask verifiers with different beliefs about one bundle get what each would alone.
    """
    good = World(witnesses=witnesses(2))
    data, asked = good.bundle.json(), _worlds(good)
    start = threading.Barrier(32)

    def ask(number: int) -> list[tuple[str, str]]:
        start.wait(60)
        order = list(range(len(asked))) * 4
        random.Random(number).shuffle(order)
        answers = []
        for i in order:
            verifier, digest, repository, code = asked[i]
            answers.append((code, verdict(lambda: verifier.verify(data, digest, repository))))  # noqa: B023
        return answers

    with ThreadPoolExecutor(32) as pool:
        answers = [answer for found in pool.map(ask, range(32)) for answer in found]

    assert 32 * 4 * len(asked) == len(answers)
    assert [] == [answer for answer in answers if answer[0] != answer[1]]


def test_cosign_4917_one_verifier_and_many_threads() -> None:
    """
    One verifier that 32 threads ask about the same bundle, good and spoilt, never confuses them.
    """
    world = World()
    verifier, good = world.verifier, world.bundle
    spoilt = good._replace(proof=good.proof._replace(path=good.proof.path[::-1]))
    questions: list[tuple[bytes, Callable[[Verified | str], bool]]] = [
        (good.json(), lambda answer: answer == world.verify()),
        (spoilt.json(), lambda answer: answer == "not-included"),
    ]

    def ask(number: int) -> bool:
        data, right = questions[number % 2]
        try:
            return right(verifier.verify(data, IMAGE, REPOSITORY))
        except VerificationError as e:
            return right(e.code)

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(640)))
