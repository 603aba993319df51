"""Other disks that are full: of an export, a mirror, a witness, and of what was published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.copies.mirror import Mirror
from ledger.errors import LedgerError, StorageFullError
from ledger.export import Export
from ledger.opening import Home, create, open_ledger
from ledger.static import StaticFiles
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    GENESIS,
    KEYS,
    ORIGIN,
    entries,
    entry,
    grow,
    home_in,
    prove_all,
    refused,
)
from tests.ledger.mirroring import answer, content, feed
from tests.ledger.publishing import Asking, StandInWitness, eventually
from tests.ledger.sequencing import soon
from tests.ledger.small_disk import fill, mounted
from tests.ledger.test_faults_export import judged, tree_of
from tests.ledger.witnessing import Bench
from verifier.note import NoteKey

pytestmark = pytest.mark.root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 1 MiB."""
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


def export(home: Home, to: Path, note: str) -> None:
    """Export a ledger that nobody serves."""
    store = SqliteStore(home.database, read_only=True)
    try:
        with StaticFiles(to) as files:
            Export(store, files, [NoteKey.of(ORIGIN, KEYS.log.public)]).run(note, lambda *_: None)
    finally:
        store.close()


@pytest.mark.parametrize("left", [0, 8 << 10, 40 << 10, 200 << 10])
def test_export(home: Home, disk: Path, tmp_path: Path, left: int) -> None:
    """
    An export onto a full disk is refused and exposes no tree that is not all there; once there
    is space the next one ends in the same files as on a large disk.
    """
    notes = []
    for start, stop in ((0, 100), (100, 600)):
        grow(home, start, stop)
        with open_ledger(home, KEYS) as ledger:
            notes.append(ledger.published.note)
    export(home, disk / "www", notes[0])
    ballast = fill(disk, left)
    refused("storage-full", lambda: export(home, disk / "www", notes[1]))

    assert 101 == judged(disk / "www")
    ballast.unlink()
    export(home, disk / "www", notes[1])
    for note in notes:
        export(home, tmp_path / "large", note)
    assert 601 == judged(disk / "www")
    assert tree_of(tmp_path / "large") == tree_of(disk / "www")


def test_mirror(home: Home, disk: Path) -> None:
    """
    A mirror whose disk is full says so, keeps what it said that it has, and goes on from there.
    """
    grow(home, 0, 100)
    with open_ledger(home, KEYS) as ledger:
        mirror = Mirror(disk / "mirror")
        mirror.meet(ledger.published.note)
        assert feed(mirror, answer(ledger))
        ballast = fill(disk, 64 << 10)
        for start in range(100, 400, 100):
            ledger.append(entries(start, start + 100))
        with pytest.raises(StorageFullError):
            feed(mirror, answer(ledger, mirror.tree_size))
        assert 101 == mirror.tree_size
        ballast.unlink()

        assert feed(mirror, answer(ledger, mirror.tree_size))
        assert (401, ledger.head) == (mirror.tree_size, mirror.head)
        mirror.close()
    ours, theirs = content(home.database), content(disk / "mirror" / "ledger.db")
    assert ours["entry"] == theirs["entry"]


def test_mirror_that_begins(home: Home, disk: Path) -> None:
    """
    A mirror that cannot even begin leaves nothing that would be taken for one.
    """
    with open_ledger(home, KEYS) as ledger:
        ballast = fill(disk, 16 << 10)
        mirror = Mirror(disk / "mirror")
        with pytest.raises(LedgerError) as caught:
            mirror.meet(ledger.published.note)
        # SQLite calls it an I/O error when what is shared with readers finds no space.
        assert caught.value.code in ("storage-full", "storage-failed")
        mirror.close()
        ballast.unlink()

        mirror = Mirror(disk / "mirror")
        mirror.meet(ledger.published.note)
        assert feed(mirror, answer(ledger))
        assert 1 == mirror.tree_size
        mirror.close()


def test_witness(disk: Path) -> None:
    """
    A witness whose disk is full cosigns nothing that it could forget, and goes on when there is
    space.
    """
    (disk / "witness").mkdir()
    with Bench(disk / "witness") as bench:
        assert 200 == bench.submit(0).status
        ballast = fill(disk)
        size = bench.log.tree_size
        while True:
            bench.log.grow(1)
            try:
                answered = bench.submit(size)
            except StorageFullError:
                break
            assert 200 == answered.status
            size = bench.log.tree_size
        assert size == bench.recorded.tree_size
        with pytest.raises(StorageFullError):
            bench.submit(size)
        ballast.unlink()

        assert 200 == bench.submit(size).status
        assert size + 1 == bench.recorded.tree_size
    with Bench(disk / "witness") as again:
        assert size + 1 == again.recorded.tree_size


def test_publication(disk: Path, tmp_path: Path) -> None:
    """
    When what is published cannot be kept, because its disk is full, readers see no more; whoever
    waits is refused in time, and as soon as there is space all of it is published.
    """
    home = Home(home_in(tmp_path).directory, disk / "anchor", ORIGIN)
    create(home, KEYS, GENESIS)
    with Asking(home, [StandInWitness("a")], least=1, deadline_s=0.5) as asking:
        assert eventually(lambda: asking.ledger.published.checkpoint.tree_size == 1)

        async def append(i: int) -> list[object]:
            return await soon(asking.sequencer.append([entry(i)]))

        assert [1] == prove_all(asyncio.run(append(0)))
        note = asking.ledger.published.note
        ballast = fill(disk)
        [refusal] = asyncio.run(append(1))
        assert ("storage-full", note) == (refusal.code, asking.ledger.published.note)
        assert "entry 2 is durable" in refusal.message
        ballast.unlink()
        asking.wake()
        assert eventually(lambda: asking.ledger.published.checkpoint.tree_size == 3)
        assert ([2], []) == (prove_all(asyncio.run(append(1))), asking.failures)
