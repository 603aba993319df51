"""Commits that were cut off: reading back tells, and nothing is there twice or lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pysqlite3 import dbapi2

from ledger.errors import LedgerError, OutcomeUnknownError, StorageBusyError, StorageFailedError
from ledger.opening import Home, open_ledger
from ledger.store import Batch, Head, Store
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    KEYS,
    CountingStore,
    entries,
    entry,
    ledger_over,
    memory_store,
    prove_all,
    refused,
)
from tests.ledger.sequencing import Service, soon


class CutOffStore(CountingStore):
    """A store whose next commit is cut off once `broken`, with or without having landed.

    With `unreadable` the head cannot be read back either.
    """

    def __init__(self, inner: Store, *, landed: bool = False) -> None:
        super().__init__(inner)
        self.landed = landed
        self.broken = False
        self.unreadable: LedgerError | None = None
        self._blind = False

    def commit(self, batch: Batch) -> None:
        """Commit; or be cut off, once."""
        broken, self.broken = self.broken, False
        if self.landed or not broken:
            super().commit(batch)
        if broken:
            self._blind = self.unreadable is not None
            raise OutcomeUnknownError("commit: interrupted")

    def head(self) -> Head:
        """Return the head, unless it cannot be read now."""
        if self._blind and self.unreadable:
            self._blind = False
            raise self.unreadable
        return self._inner.head()


def test_cut_off_and_landed(store: Store) -> None:
    """
    A commit that was cut off but landed is answered like any other, and the ledger goes on.
    """
    cut_off = CutOffStore(store, landed=True)
    ledger = ledger_over(cut_off)
    ledger.append(entries(0, 2))
    cut_off.broken = True

    answers = ledger.append(entries(1, 4))
    assert ([1, 2, 3], [False, True, True]) == (prove_all(answers), [a.fresh for a in answers])
    assert [4] == prove_all(ledger.append([entry(4)]))
    assert (5, 5) == (store.head().tree_size, ledger.published.checkpoint.tree_size)


def test_cut_off_and_not_landed(store: Store) -> None:
    """
    A commit that was cut off before it landed is refused; the next try gets the same index, and
    one entry.
    """
    cut_off = CutOffStore(store)
    ledger = ledger_over(cut_off)
    ledger.append(entries(0, 2))
    published = ledger.published
    cut_off.broken = True

    error = refused("storage-busy", lambda: ledger.append(entries(1, 4)))
    assert "try again" in error.hint
    assert (published, 2) == (ledger.published, store.head().tree_size)
    assert [1, 2, 3] == prove_all(ledger.append(entries(1, 4)))
    assert 4 == store.head().tree_size


def test_cut_off_while_another_writes(store: Store) -> None:
    """
    When reading back shows what somebody else wrote, the ledger appends no more.
    """
    cut_off = CutOffStore(store)
    ledger = ledger_over(cut_off)
    ledger_over(store).append(entries(5, 7))
    cut_off.broken = True

    refused("head-moved", lambda: ledger.append(entries(0, 1)))
    refused("storage-failed", lambda: ledger.append(entries(0, 1)))
    assert (2, 0) == (store.head().tree_size, ledger.published.checkpoint.tree_size)


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("error", [StorageBusyError, StorageFailedError])
def test_cut_off_and_not_readable(
    store: Store, error: Callable[[str], LedgerError], *, landed: bool
) -> None:
    """
    When reading back fails too, nobody knows: the ledger appends no more, and never says that
    nothing was written. The next start finds out.
    """
    cut_off = CutOffStore(store, landed=landed)
    ledger = ledger_over(cut_off)
    ledger.append(entries(0, 2))
    cut_off.broken, cut_off.unreadable = True, error("reading: not now")

    refused("storage-failed", lambda: ledger.append(entries(2, 3)))
    refused("storage-failed", lambda: ledger.append(entries(2, 3)))
    assert [0, 1, 2] == prove_all(ledger_over(store).append(entries(0, 3)))
    assert 3 == store.head().tree_size


@pytest.mark.parametrize("landed", [False, True])
def test_callers_of_a_commit_that_was_cut_off(*, landed: bool) -> None:
    """
    Each caller is told what became of its entry, whoever asks again gets it once, and the
    service does not end.
    """
    service = Service(CutOffStore(memory_store(), landed=landed))

    async def run() -> tuple[list[object], list[object]]:
        service.store.broken = True
        first = await soon(service.sequencer.append(entries(0, 3)))
        return first, await soon(*(service.sequencer.append([entry(i)]) for i in range(5)))

    first, again = asyncio.run(run())
    service.sequencer.stop()

    assert ([0, 1, 2] if landed else ["storage-busy"] * 3) == [
        getattr(answer, "code", None) or answer.record.index for answer in first
    ]
    assert ([0, 1, 2, 3, 4], []) == (prove_all(again), service.failures)
    assert 5 == service.ledger.head.tree_size


def test_lock_held_by_another(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While another process holds SQLite's write lock an append is refused, for nothing was
    written; afterwards it goes on by itself.
    """
    monkeypatch.setattr("ledger.store.connection.BUSY_TIMEOUT_S", 0.1)
    with open_ledger(home, KEYS) as ledger:
        ledger.append(entries(0, 2))
        other = dbapi2.connect(str(home.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            refused("storage-busy", lambda: ledger.append(entries(2, 4)))
        other.execute("ROLLBACK")
        other.close()

        assert [3, 4] == prove_all(ledger.append(entries(2, 4)))
    with open_ledger(home, KEYS) as ledger:
        assert 5 == ledger.head.tree_size


@pytest.mark.parametrize("after", [1, 5, 20])
def test_interrupted(home: Home, after: int) -> None:
    """
    A commit that SQLite interrupts, in whichever of its statements, is refused and leaves nothing.
    """
    with open_ledger(home, KEYS) as ledger:
        ledger.append(entries(0, 2))
        assert isinstance(ledger.store, SqliteStore)
        steps = iter(range(after))
        ledger.store._writer.set_progress_handler(lambda: next(steps, None) is None, 20)
        refused("storage-busy", lambda: ledger.append(entries(2, 40)))
        ledger.store._writer.set_progress_handler(None, 0)
        assert (3, 3) == (ledger.head.tree_size, ledger.store.head().tree_size)

        assert list(range(3, 41)) == prove_all(ledger.append(entries(2, 40)))
