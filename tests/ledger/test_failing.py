"""Writes that fail, and writes that fail and have landed: nothing is lost, nothing forks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.anchor import Anchor, clear_failure
from ledger.answer import Appended
from ledger.clock import LedgerClock
from ledger.errors import ConflictError, StorageFailedError, StorageFullError
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.signatory import LogKeys
from ledger.store import Batch, Store
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    KEYS,
    NOW,
    CountingStore,
    FailingStore,
    LogSigner,
    MemoryAnchor,
    entries,
    entry,
    ledger_over,
    memory_store,
    prove_all,
    refused,
)
from verifier.merkle import Hash


class BrokenAnchor(MemoryAnchor):
    """An anchor on a disk that fails once `broken`."""

    broken = False

    def write(self, tree_size: int, root: Hash) -> None:
        """Remember a mark, or fail."""
        if self.broken:
            raise StorageFailedError("the anchor: input/output error")
        super().write(tree_size, root)


class RefusingStore(CountingStore):
    """A store whose next commit raises `error` with nothing written; later ones work."""

    error: Exception | None = None

    def commit(self, batch: Batch) -> None:
        """Commit, or raise the error and forget it."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        super().commit(batch)


class WatchedKey:
    """A log key that notes the store's size each time it signs, and fails when `broken`."""

    def __init__(self, store: Store) -> None:
        self._store, self._key = store, LogSigner()
        self.public = self._key.public
        self.signed: list[tuple[int, int]] = []
        self.broken = False

    def sign(self, message: bytes) -> bytes:
        """Sign a checkpoint, and remember its size and the store's."""
        if self.broken:
            raise OSError("the HSM does not answer")
        self.signed.append((int(message.split(b"\n")[1]), self._store.head().tree_size))
        return self._key.sign(message)


@contextmanager
def failing_ledger(home: Home, *, landed: bool) -> Iterator[tuple[Ledger, FailingStore]]:
    """Open the ledger at `home` over a store that can fail, as a process would have it."""
    store = FailingStore(SqliteStore(home.database), landed=landed)
    anchor = Anchor(home.anchor, home.origin, home.database)
    anchor.load()
    ledger = ledger_over(store, time.time, anchor)
    yield ledger, store
    ledger.close()


def reopened(home: Home) -> tuple[int, list[Appended]]:
    """Look at the disk, open the ledger again, append four images: size before, and answers."""
    error = refused("fsck-needed", lambda: open_ledger(home, KEYS))
    assert "disk I/O error" in error.message
    clear_failure(home.anchor)
    with open_ledger(home, KEYS) as ledger:
        return ledger.head.tree_size, ledger.append(entries(0, 4))


@pytest.mark.parametrize("landed", [False, True])
def test_no_append_after_a_failed_one(store: Store, *, landed: bool) -> None:
    """
    After a write that failed nothing is appended, though the disk is well again; reads go on.
    """
    failing = FailingStore(store, landed=landed)
    ledger = ledger_over(failing)
    ledger.append(entries(0, 2))
    published = ledger.published
    failing.broken = True
    refused("storage-failed", lambda: ledger.append(entries(2, 3)))
    failing.broken = False

    for again in (entries(2, 3), entries(5, 6), entries(0, 1)):
        refused("storage-failed", lambda e=again: ledger.append(e))
    assert (published, 2) == (ledger.published, ledger.head.tree_size)
    assert 0 == ledger.prove(0, 2).index
    refused("unknown-entry", lambda: ledger.record(2))
    assert (3 if landed else 2) == store.head().tree_size


def test_failed_write(home: Home) -> None:
    """
    A write that failed left nothing: once somebody has looked, the next start goes on from there.
    """
    with failing_ledger(home, landed=False) as (ledger, store):
        ledger.append(entries(0, 2))
        store.broken = True
        refused("storage-failed", lambda: ledger.append(entries(2, 4)))

    size, answers = reopened(home)
    assert (3, [1, 2, 3, 4]) == (size, prove_all(answers))
    assert [False, False, True, True] == [answer.fresh for answer in answers]


def test_failed_write_that_landed(home: Home) -> None:
    """
    A write that failed but landed is found by the next start, and is there exactly once.
    """
    with failing_ledger(home, landed=True) as (ledger, store):
        ledger.append(entries(0, 2))
        store.broken = True
        refused("storage-failed", lambda: ledger.append(entries(2, 4)))
        refused("storage-failed", lambda: ledger.append(entries(2, 4)))

    size, answers = reopened(home)
    assert (5, [1, 2, 3, 4]) == (size, prove_all(answers))
    assert [False] * 4 == [answer.fresh for answer in answers]


def test_anchor_that_fails() -> None:
    """
    When the anchor cannot be moved nothing is published, and nothing is appended any more.
    """
    store, anchor = memory_store(), BrokenAnchor()
    ledger = ledger_over(store, anchor=anchor)
    ledger.append(entries(0, 2))
    published = ledger.published
    anchor.broken = True

    refused("storage-failed", lambda: ledger.append(entries(2, 3)))
    anchor.broken = False
    refused("storage-failed", lambda: ledger.append(entries(2, 3)))
    assert published == ledger.published
    refused("unknown-entry", lambda: ledger.prove(2, 3))


def test_full_disk_is_a_refusal(store: Store) -> None:
    """
    When no space is left nothing is published, and the ledger goes on once there is some.
    """
    refusing = RefusingStore(store)
    ledger = ledger_over(refusing)
    ledger.append(entries(0, 2))
    published = ledger.published
    refusing.error = StorageFullError("no space left")

    refused("storage-full", lambda: ledger.append(entries(2, 3)))
    assert (published, 2) == (ledger.published, store.head().tree_size)
    assert [2] == prove_all(ledger.append(entries(2, 3)))


def test_moved_head(store: Store) -> None:
    """
    A ledger whose head somebody else moved appends no more, and says so once.
    """
    ledger, other = ledger_over(store), ledger_over(store)
    other.append(entries(0, 1))

    refused("head-moved", lambda: ledger.append(entries(1, 2)))
    refused("storage-failed", lambda: ledger.append(entries(1, 2)))
    assert (1, 0) == (store.head().tree_size, ledger.published.checkpoint.tree_size)


def watched() -> tuple[Ledger, RefusingStore, WatchedKey]:
    """A ledger whose store and log key can fail."""
    store = RefusingStore(memory_store())
    key = WatchedKey(store)
    return (
        Ledger(
            store, MemoryAnchor(), LogKeys(key, KEYS.seal), LedgerClock(lambda: NOW, lambda: NOW)
        ),
        store,
        key,
    )


@pytest.mark.parametrize("error", [StorageFullError, StorageFailedError, ConflictError])
def test_nothing_is_signed_before_it_is_committed(error: type[Exception]) -> None:
    """
    A checkpoint is signed after its commit; of a commit that failed none is ever signed.
    """
    ledger, store, key = watched()
    ledger.append(entries(0, 2))
    store.error = error("commit")
    with pytest.raises(error):
        ledger.append(entries(2, 3))

    assert [(0, 0), (2, 2)] == key.signed


def test_log_key_that_fails_once() -> None:
    """
    An entry whose checkpoint could not be signed is proven when its request comes again.
    """
    ledger, _, key = watched()
    ledger.append(entries(0, 2))
    key.broken = True
    with pytest.raises(OSError, match="HSM"):
        ledger.append([entry(2)])
    key.broken = False

    assert [2] == prove_all(ledger.append([entry(2)]))
    assert 3 == ledger.head.tree_size


def test_log_key_that_fails_publishes_nothing() -> None:
    """
    While the log key fails readers see the last signed checkpoint; the next one covers all.
    """
    ledger, _, key = watched()
    ledger.append(entries(0, 2))
    key.broken = True
    with pytest.raises(OSError, match="HSM"):
        ledger.append([entry(2)])
    assert 2 == ledger.published.checkpoint.tree_size
    key.broken = False

    assert [3] == prove_all(ledger.append([entry(3)]))
    assert (4, [(0, 0), (2, 2), (4, 4)]) == (ledger.head.tree_size, key.signed)
