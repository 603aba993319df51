"""What one answer holds is of one moment, also when another tree is published meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from signer.access import Principal
from signer.service import LedgerService
from signer.v1 import ledger_pb2
from tests.ledger.making import KEYS, LogSigner, entries, entry, grow, refused
from verifier import cosignature
from verifier.note import Note

SOMEBODY = Principal("urn:test", "reader", {"read": ()})


def cosigned(ledger: Ledger) -> Note:
    """Return the newest signed checkpoint with the line of a witness."""
    note = Note.parse(ledger.signed.note)
    line = cosignature.cosign(LogSigner(b"w"), "w.example", note.text, int(time.time()))
    return note._replace(signatures=(*note.signatures, line))


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    """A ledger that asks witnesses, with four entries published."""
    grow(home, 0, 3)
    with open_ledger(home, KEYS, asks=True) as ledger:
        ledger.publish(cosigned(ledger))
        yield ledger


@pytest.mark.parametrize("method", ["inclusion_proof", "consistency_proof"])
def test_published_in_the_middle(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """
    A proof comes with the checkpoint that readers could see when it was asked for, and with its
    witnesses, though a newer one is published before the answer is made.
    """
    name = {"inclusion_proof": "prove", "consistency_proof": "prove_consistency"}[method]
    real, note = getattr(ledger, name), ledger.published.note

    def slow(*args: Any) -> Any:
        ledger.commit(entries(10, 12))
        ledger.publish(cosigned(ledger))
        return real(*args)

    monkeypatch.setattr(ledger, name, slow)
    request: Any = ledger_pb2.GetInclusionProofRequest(index=2)
    if method == "consistency_proof":
        request = ledger_pb2.GetConsistencyProofRequest(old_size=2)
    answer = asyncio.run(getattr(LedgerService(ledger), method)(SOMEBODY, request))

    assert note == answer.checkpoint.note
    assert note != ledger.published.note


def test_unpublished_checkpoint(ledger: Ledger) -> None:
    """
    A checkpoint that was signed and not published is shown to nobody, by whatever size.
    """
    for i in range(10, 13):
        ledger.commit([entry(i)])
    assert ledger.store.note(5), "this would prove nothing"
    service = LedgerService(ledger)

    for size in (5, 6, 7):
        request = ledger_pb2.GetCheckpointRequest(tree_size=size)
        call = service.checkpoint(SOMEBODY, request)
        refused("unknown-entry", lambda c=call: asyncio.run(c))
    request = ledger_pb2.GetCheckpointRequest(tree_size=4)
    assert ledger.published.note == asyncio.run(service.checkpoint(SOMEBODY, request)).note
