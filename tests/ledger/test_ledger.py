"""Append, publish, prove: what every answer of a ledger promises."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.ledger import Ledger
from ledger.seal import empty_head, sealed
from ledger.store import MAX_BATCH, Batch, Store
from ledger.store.memory import MemoryStore
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    KEYS,
    NOW,
    ORIGIN,
    Clock,
    CountingStore,
    MemoryAnchor,
    entries,
    entry,
    ledger_over,
    memory_store,
    prove_all,
    refused,
    signed,
)
from tests.verifier import twin
from verifier import note as notes
from verifier.merkle import EMPTY_ROOT, hash_leaf, verify_consistency, verify_inclusion
from verifier.note import Note
from verifier.record import Record
from verifier.statement import event


@pytest.fixture
def ledger(store: Store) -> Ledger:
    """An empty ledger over each kind of store."""
    return ledger_over(store)


def test_append(ledger: Ledger) -> None:
    """
    Each answer carries the record as it was handed in, its index in order, and a good proof.
    """
    first, second = ledger.append(entries(0, 3)), ledger.append(entries(3, 5))

    assert ([0, 1, 2], [3, 4]) == (prove_all(first), prove_all(second))
    for i, answer in enumerate([*first, *second]):
        handed_in = entry(i)
        assert Record(i, "bundle", handed_in.entry, handed_in.body) == answer.record
        assert answer.record == ledger.record(i)
        assert answer.fresh
    assert (5, 5) == (ledger.head.tree_size, ledger.published.checkpoint.tree_size)


def test_form_of_an_event(ledger: Ledger) -> None:
    """
    The record of an event says that it is one.
    """
    [answer] = ledger.append([signed(event("genesis", ORIGIN, {"a": 1}), bytes(32))])

    assert "event" == answer.record.form


def test_root_is_rfc_6962s(ledger: Ledger) -> None:
    """
    The root over the stored entries is the one that RFC 6962 defines.
    """
    for start in range(0, 300, 100):
        ledger.append(entries(start, start + 100))

    stored = tuple(row.entry for row in ledger.store.rows(0, 300))
    assert twin.root(stored) == ledger.head.root == ledger.published.checkpoint.root
    assert EMPTY_ROOT == ledger.root_at(0)


def test_labels_are_found(ledger: Ledger) -> None:
    """
    An entry is found by each of its labels.
    """
    ledger.append(entries(0, 3))

    for name, values in entry(1).labels.items():
        for value in values:
            assert 1 in ledger.store.search(name, value, -1, 9)
    digest = entry(1).labels["digest"][0]
    assert [1] == ledger.store.search("digest", digest, -1, 9)


def test_batch_has_a_limit(ledger: Ledger) -> None:
    """
    A batch of 512 is one commit, and a larger one is a bug of the caller.
    """
    assert 512 == MAX_BATCH == len(ledger.append(entries(0, 512)))
    with pytest.raises(AssertionError):
        ledger.append(entries(512, 1025))
    assert 512 == ledger.head.tree_size


def test_every_proof_at_several_sizes(ledger: Ledger) -> None:
    """
    Every entry is proven in every published tree that has it, and trees grow into each other.
    """
    roots = {}
    for size in (1, 2, 3, 100, 255, 256, 257, 300, 511, 512, 513, 700):
        ledger.append(entries(ledger.head.tree_size, size))
        roots[size] = ledger.published.checkpoint.root

    for size, root in roots.items():
        assert root == ledger.root_at(size)
        for index in range(size):
            verify_inclusion(hash_leaf(entry(index).entry), ledger.prove(index, size), root)
        for old in (old for old in roots if old <= size):
            path = ledger.prove_consistency(old, size)
            verify_consistency(old, size, path, roots[old], root)


def test_unknown_entries(ledger: Ledger) -> None:
    """
    What the published tree does not have is neither shown nor proven.
    """
    ledger.append(entries(0, 4))

    for index in (-1, 4, 5, 2**62):
        refused("unknown-entry", lambda i=index: ledger.record(i))
    for index, size in ((-1, 4), (4, 4), (0, 5), (4, 5), (0, 0), (3, 2)):
        refused("unknown-entry", lambda i=index, n=size: ledger.prove(i, n))
    for old, size in ((0, 4), (-1, 4), (3, 2), (4, 5), (0, 0)):
        refused("unknown-entry", lambda m=old, n=size: ledger.prove_consistency(m, n))


def test_checkpoint_is_signed(ledger: Ledger) -> None:
    """
    The published note is signed by the log key, for this origin, size and root.
    """
    for size in (0, 3):
        ledger.append(entries(ledger.head.tree_size, size))
        note = Note.parse(ledger.published.note)

        assert (ledger.log_key,) == notes.verify(note, [ledger.log_key])
        assert str(ledger.published.checkpoint) == note.text
        assert (ORIGIN, size, ledger.head.root) == ledger.published.checkpoint


def test_checkpoints_are_kept(ledger: Ledger) -> None:
    """
    Each checkpoint that was published is kept by the next commit, byte for byte.
    """
    published = {}
    for size in (1, 2, 7):
        ledger.append(entries(ledger.head.tree_size, size))
        assert ledger.store.note(size) is None
        published[size] = ledger.published.note
    ledger.append(entries(7, 8))

    assert published == {size: ledger.store.note(size) for size in published}


def test_each_checkpoint_is_kept_once() -> None:
    """
    A commit brings the checkpoint of the one before it, and none a second time.
    """
    store = CountingStore(memory_store())
    ledger = ledger_over(store)
    for i in range(4):
        ledger.append([entry(i)])

    assert [[0], [1], [2], [3]] == [[size for size, _ in b.notes] for b in store.batches]


def test_anchor_moves_with_each_commit() -> None:
    """
    The anchor is written once a commit, with the size and root that were committed.
    """
    anchor = MemoryAnchor()
    ledger = ledger_over(memory_store(), anchor=anchor)
    expected = []
    for size in (1, 2, 7):
        ledger.append(entries(ledger.head.tree_size, size))
        expected.append((size, ledger.head.root))

    assert expected == anchor.marks


def test_clock(ledger: Ledger) -> None:
    """
    The time of the head is the clock's.
    """
    ledger.append(entries(0, 1))

    assert (NOW, NOW) == (ledger.head.time, ledger.store.rows(0, 1)[0].time)


def test_clock_that_goes_back(store: Store) -> None:
    """
    When the clock goes back a little, the time of entries stands still and never goes back.
    """
    clock = Clock()
    ledger = ledger_over(store, clock)
    found = []
    for i, clock.now in enumerate([NOW, NOW - 300, NOW - 1, NOW + 0.9, NOW + 7]):
        ledger.append(entries(i, i + 1))
        found.append(ledger.head.time)

    assert [NOW, NOW, NOW, NOW, NOW + 7] == found == [row.time for row in store.rows(0, 5)]


def test_clock_that_jumped(store: Store) -> None:
    """
    When the clock is more than 300 seconds behind, nothing is appended until it is set.
    """
    clock = Clock()
    ledger = ledger_over(store, clock)
    ledger.append(entries(0, 1))

    clock.now = NOW - 301
    refused("clock-jumped", lambda: ledger.append(entries(1, 2)))
    assert (1, 1) == (store.head().tree_size, len(store.rows(0, 9)))
    clock.now = NOW - 300
    assert [1] == prove_all(ledger.append(entries(1, 2)))


def frozen(store: Store) -> None:
    """Freeze a ledger as its next version will: by a sealed head that says so."""
    head = store.head()
    head = sealed(ORIGIN, KEYS.seal, head._replace(frozen=True))
    store.commit(Batch(head.tree_size, head, [], [], [], []))


def test_frozen(store: Store) -> None:
    """
    A frozen ledger takes no new entry, and goes on answering and proving the old ones.
    """
    ledger_over(store).append(entries(0, 3))
    frozen(store)
    ledger = ledger_over(store)

    refused("ledger-frozen", lambda: ledger.append(entries(2, 4)))
    assert [1] == prove_all(ledger.append([entry(1)]))
    verify_inclusion(
        hash_leaf(entry(0).entry), ledger.prove(0, 3), ledger.published.checkpoint.root
    )
    assert (3, True) == (store.head().tree_size, store.head().frozen)


def test_stores_agree(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    The same appends give the same roots and the same notes over every store.
    """
    path = tmp_path_factory.mktemp("agree") / "ledger.db"
    memory = MemoryStore(ORIGIN, empty_head(ORIGIN, KEYS.seal))
    sqlite = SqliteStore.create(path, ORIGIN, empty_head(ORIGIN, KEYS.seal))
    ledgers = [ledger_over(memory), ledger_over(sqlite)]
    dice = random.Random(7)
    for _ in range(20):
        batch = [entry(dice.randrange(900)) for _ in range(dice.randrange(1, 90))]
        one, other = (ledger.append(batch) for ledger in ledgers)

        assert one == other
        assert memory.head() == sqlite.head()
    sqlite.close()
    assert memory.head().tree_size > 512


def test_proving_while_appending(ledger: Ledger) -> None:
    """
    Readers in other threads prove entries under the checkpoint that they see, at any moment.
    """
    ledger.append(entries(0, 1))
    stopped = False

    def read(seed: int) -> int:
        dice, done = random.Random(seed), 0
        while not stopped or not done:
            checkpoint = ledger.published.checkpoint
            index = dice.randrange(checkpoint.tree_size)
            proof = ledger.prove(index, checkpoint.tree_size)
            verify_inclusion(hash_leaf(ledger.record(index).entry), proof, checkpoint.root)
            done += 1
            time.sleep(0.002)
        return done

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, seed) for seed in range(3)]
        for start in range(1, 800, 37):
            ledger.append(entries(start, start + 37))
        stopped = True

        assert all(reader.result() > 0 for reader in readers)
