"""One request, one entry: dedup keys and idempotency keys."""

from __future__ import annotations

import pytest

from ledger.errors import IdempotencyError
from ledger.ledger import Ledger
from ledger.store import Store
from tests.ledger.making import (
    CountingStore,
    MemoryAnchor,
    entries,
    entry,
    ledger_over,
    memory_store,
    prove_all,
)


@pytest.fixture
def ledger(store: Store) -> Ledger:
    """An empty ledger over each kind of store."""
    return ledger_over(store)


def test_same_entry_twice_in_a_batch(ledger: Ledger) -> None:
    """
    Two entries with one dedup key in one batch become one entry, answered twice.
    """
    answers = ledger.append([entry(0), entry(1), entry(0)])

    assert [0, 1, 0] == prove_all(answers)
    assert answers[0].record == answers[2].record
    assert 2 == ledger.head.tree_size


def test_same_entry_in_a_later_batch(ledger: Ledger) -> None:
    """
    A dedup key that is known is answered with the stored record, whatever was handed in.
    """
    ledger.append(entries(0, 2))
    other = entry(7)._replace(dedup=entry(0).dedup)
    answers = ledger.append([other, entry(2), entry(1)])

    assert [0, 2, 1] == prove_all(answers)
    assert [False, True, False] == [answer.fresh for answer in answers]
    assert entry(0).entry == answers[0].record.entry
    assert 3 == ledger.head.tree_size


def test_nothing_new_writes_nothing() -> None:
    """
    A batch of known entries, or of none, commits nothing and moves no anchor.
    """
    store, anchor = CountingStore(memory_store()), MemoryAnchor()
    ledger = ledger_over(store, anchor=anchor)
    ledger.append(entries(0, 3))
    note = ledger.published.note

    assert [2, 0] == prove_all(ledger.append([entry(2), entry(0)]))
    assert [] == ledger.append([])
    assert (1, 1, note) == (len(store.batches), len(anchor.marks), ledger.published.note)


def test_idempotency_key_is_answered_again(ledger: Ledger) -> None:
    """
    The same idempotency key with the same request gets the same entry, in any batch.
    """
    claim = (b"key", b"request")
    first = ledger.append([entry(0, claim), entry(1), entry(0, claim)])
    other_entry = ledger.append([entry(2, claim)])

    assert ([0, 1, 0], [0]) == (prove_all(first), prove_all(other_entry))
    assert 2 == ledger.head.tree_size


@pytest.mark.parametrize("batches", [1, 2])
def test_idempotency_key_for_another_request(ledger: Ledger, batches: int) -> None:
    """
    An idempotency key with another request is an error for that entry and for no other.
    """
    handed_in = [entry(0, (b"key", b"request")), entry(1, (b"key", b"other")), entry(2)]
    if batches == 1:
        answers = ledger.append(handed_in)
    else:
        answers = [*ledger.append(handed_in[:1]), *ledger.append(handed_in[1:])]

    assert isinstance(answers[1], IdempotencyError)
    assert [0, 1] == prove_all([answers[0], answers[2]])
    assert (2, None) == (ledger.head.tree_size, ledger.store.find(entry(1).dedup))


def test_idempotency_key_of_a_known_entry(ledger: Ledger) -> None:
    """
    An idempotency key that finds a known entry is remembered for it, without a new entry.
    """
    ledger.append(entries(0, 2))

    [answer] = ledger.append([entry(1, (b"key", b"request"))])
    [refusal] = ledger.append([entry(5, (b"key", b"other"))])

    assert ([1], False) == (prove_all([answer]), answer.fresh)
    assert isinstance(refusal, IdempotencyError)
    assert 2 == ledger.head.tree_size
