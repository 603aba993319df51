"""The Ledger service: what it hands out is what was logged, and proves it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from google.protobuf.message import Message

from ledger import labels
from signer.client import AsyncClient
from signer.v1 import ledger_pb2
from tests.signer.asking import REPOSITORY, digest
from tests.signer.questions import SIZE, SIZES, Question
from tests.signer.running import running
from tests.signer.spoiling import GatedAnchor, put_anchor
from tests.signer.world import World
from verifier.entry import Entry
from verifier.merkle import (
    Hash,
    InclusionProof,
    hash_leaf,
    verify_consistency,
    verify_inclusion,
)


def test_checkpoint(ask: Question) -> None:
    """
    The newest checkpoint is that of the whole tree, and those of earlier answers are kept.
    """
    newest = ask.at(0)

    assert ("ledger.example", SIZE) == (newest.origin, newest.tree_size)
    assert newest == ask.at(SIZE)
    assert list(SIZES) == [ask.at(size).tree_size for size in SIZES]


def test_checkpoint_of_no_answer(ask: Question) -> None:
    """
    A size that no commit ended at has no checkpoint, nor has one that is still to come.
    """
    for size in (3, SIZE - 1, SIZE + 1):
        answer = ask.raw("GetCheckpoint", ledger_pb2.GetCheckpointRequest(tree_size=size))
        assert ("NOT_FOUND", "unknown-entry") == (answer.status, answer.code)


def test_entry(ask: Question) -> None:
    """
    An entry comes with its body and with the labels that follow from both.
    """
    for index in (0, 1, 255, 256, SIZE - 1):
        request = ledger_pb2.GetEntryRequest(index=index)
        answer = ask.unary("GetEntry", request, ledger_pb2.GetEntryResponse)
        record = answer.record

        assert index == record.index
        assert answer.labels == labels.encode(labels.of(record.entry, record.body))
        assert ("bundle" if index else "event") == record.form
        assert hashlib.sha256(record.body).digest() == Entry.parse(record.entry).data_digest
        assert answer.committed_at > 1_700_000_000


def test_inclusion_proof(ask: Question) -> None:
    """
    Every entry is proven in every tree that was signed and has it.
    """
    leaves = [hash_leaf(row.entry) for row in ask.service.ledger.store.rows(0, SIZE)]
    for tree_size in SIZES:
        root = ask.at(tree_size).root
        for index in {0, 1, tree_size // 2, tree_size - 1}:
            request = ledger_pb2.GetInclusionProofRequest(index=index, tree_size=tree_size)
            answer = ask.unary("GetInclusionProof", request, ledger_pb2.GetInclusionProofResponse)
            path = tuple(Hash(h) for h in answer.proof.path)
            proof = InclusionProof(answer.proof.index, answer.proof.tree_size, path)
            verify_inclusion(leaves[index], proof, root)

            assert (index, tree_size) == (proof.index, proof.tree_size)
            assert root == ask.checkpoint(answer.checkpoint.note).root


def test_inclusion_proof_in_a_tree_without_checkpoint(ask: Question) -> None:
    """
    A proof in a tree that no checkpoint was kept for comes without a note.
    """
    request = ledger_pb2.GetInclusionProofRequest(index=1, tree_size=100)
    answer = ask.unary("GetInclusionProof", request, ledger_pb2.GetInclusionProofResponse)
    path = tuple(Hash(h) for h in answer.proof.path)
    leaf = hash_leaf(ask.service.ledger.record(1).entry)

    verify_inclusion(leaf, InclusionProof(1, 100, path), ask.service.ledger.root_at(100))
    assert "" == answer.checkpoint.note


@pytest.mark.parametrize(("index", "tree_size"), [(2, 2), (SIZE, 0), (SIZE, SIZE + 1), (0, 400)])
def test_no_inclusion_proof(ask: Question, index: int, tree_size: int) -> None:
    """
    What is not in a tree, or in no published one, is not proven.
    """
    request = ledger_pb2.GetInclusionProofRequest(index=index, tree_size=tree_size)
    answer = ask.raw("GetInclusionProof", request)

    assert ("NOT_FOUND", "unknown-entry") == (answer.status, answer.code)


def test_consistency_proof(ask: Question) -> None:
    """
    Each signed tree is proven to have grown out of each earlier one.
    """
    for old_size in SIZES:
        for tree_size in (size for size in SIZES if size >= old_size):
            request = ledger_pb2.GetConsistencyProofRequest(
                old_size=old_size, tree_size=0 if tree_size == SIZE else tree_size
            )
            kind = ledger_pb2.GetConsistencyProofResponse
            answer = ask.unary("GetConsistencyProof", request, kind)
            path = [Hash(h) for h in answer.path]
            old, new = ask.at(old_size), ask.checkpoint(answer.checkpoint.note)
            verify_consistency(old_size, tree_size, path, old.root, new.root)

            assert (old_size, tree_size) == (answer.old_size, answer.tree_size)


@pytest.mark.parametrize(("old_size", "tree_size"), [(0, 5), (5, 2), (5, SIZE + 1)])
def test_no_consistency_proof(ask: Question, old_size: int, tree_size: int) -> None:
    """
    No proof leads from the empty tree, backwards, or beyond what is published.
    """
    request = ledger_pb2.GetConsistencyProofRequest(old_size=old_size, tree_size=tree_size)
    answer = ask.raw("GetConsistencyProof", request)

    assert ("NOT_FOUND", "unknown-entry") == (answer.status, answer.code)


def test_not_published_yet(world: World) -> None:
    """
    An entry that is committed and not yet published is unknown to every question.
    """
    questions: dict[str, Message] = {
        "GetEntry": ledger_pb2.GetEntryRequest(index=1),
        "GetInclusionProof": ledger_pb2.GetInclusionProofRequest(index=1),
        "GetConsistencyProof": ledger_pb2.GetConsistencyProofRequest(old_size=1, tree_size=2),
        "GetCheckpoint": ledger_pb2.GetCheckpointRequest(tree_size=2),
        "ListEntries": ledger_pb2.ListEntriesRequest(start=1, stop=2),
    }
    with running(world) as service:
        anchor, ask = put_anchor(service, GatedAnchor), Question(service)

        async def during(client: AsyncClient) -> Any:
            call = asyncio.create_task(client.sign(digest(1), REPOSITORY))
            await asyncio.to_thread(anchor.entered.wait)
            codes = [
                (await asyncio.to_thread(ask.raw, name, request)).code
                for name, request in questions.items()
            ]
            listed = await asyncio.to_thread(
                ask.raw, "ListEntries", ledger_pb2.ListEntriesRequest()
            )
            found = await client.search("form", "bundle")
            anchor.gate.set()
            return await call, codes, listed, found

        signed, codes, listed, found = service.asking(during)
        after = [ask.raw(name, request).status for name, request in questions.items()]

        assert [*["unknown-entry"] * 5] == codes
        assert 1 == len(ledger_pb2.ListEntriesResponse.FromString(*listed.messages).records)
        assert ([], 0) == found
        assert (["OK"] * 5, 1) == (after, service.verify(signed).index)
