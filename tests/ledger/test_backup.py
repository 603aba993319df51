"""Backups: consistent while somebody writes, whole or not there, and never in another's place."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ledger import opening
from ledger.copies.backup import Backup, back_up
from ledger.opening import Home, open_ledger
from ledger.store.copying import copy_database
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import KEYS, edit, entries, grow, prove_all, refused, start


def nothing(_: int, __: int) -> None:
    """Hear about progress."""


def check(file: Path) -> int:
    """Hash everything in a backup as a check of the whole would, and return its size."""
    store = SqliteStore(file, read_only=True)
    try:
        head = store.head()
        opening.check_growth(store, head.tree_size, head.root)
        opening.check_entries(store, head.tree_size, head.root, nothing)
        return head.tree_size
    finally:
        store.close()


def test_of_a_quiet_ledger(home: Home, tmp_path: Path) -> None:
    """
    A backup is one file, for its owner alone, that holds all that the ledger does.
    """
    grow(home, 0, 300)
    folder = tmp_path / "backups"
    folder.mkdir()
    told: list[tuple[int, int]] = []

    found = back_up(home.database, folder / "b.db", lambda d, t: told.append((d, t)), home.origin)

    store = SqliteStore(folder / "b.db", read_only=True)
    assert Backup(home.origin, 301, store.head().root, (folder / "b.db").stat().st_size) == found
    store.close()
    assert 301 == check(folder / "b.db")
    assert ["b.db"] == [path.name for path in folder.iterdir()]
    assert 0o600 == stat.S_IMODE((folder / "b.db").stat().st_mode)
    assert told[-1][0] == told[-1][1] > 0


def test_under_write_load(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    However the pages fall between the commits of a busy writer, each backup is one moment of it,
    no older than its beginning.
    """
    monkeypatch.setattr("ledger.store.copying._PAGES", 7)
    sizes = []
    with open_ledger(home, KEYS) as ledger:
        prove_all(ledger.append(entries(0, 100)))

        def write(_: int, __: int) -> None:
            size = ledger.head.tree_size
            prove_all(ledger.append(entries(size, size + 3)))

        for i in range(5):
            before = ledger.head.tree_size
            found = back_up(home.database, tmp_path / f"{i}.db", write)
            sizes.append((before, found.tree_size, ledger.head.tree_size))

    assert all(before <= size < after for before, size, after in sizes)
    assert [size for _, size, _ in sizes] == [check(tmp_path / f"{i}.db") for i in range(5)]


def test_while_another_process_writes(home: Home, tmp_path: Path) -> None:
    """
    Backups beside a writer that never pauses are whole, and each newer than the last.
    """
    code = """
import sys
from pathlib import Path
from ledger.opening import open_ledger
from tests.ledger.making import KEYS, entries, home_in
with open_ledger(home_in(Path(sys.argv[1])), KEYS) as ledger:
    print("writing")
    start = 0
    while True:
        ledger.append(entries(start, start + 3))
        start += 3
"""
    writer = start(code, tmp_path)
    try:
        assert writer.stdout is not None
        assert "writing\n" == writer.stdout.readline()
        sizes = [back_up(home.database, tmp_path / f"{i}.db", nothing).tree_size for i in range(8)]
    finally:
        writer.kill()
        writer.communicate()

    assert sorted(sizes) == sizes == [check(tmp_path / f"{i}.db") for i in range(8)]
    assert sizes[0] < sizes[-1]


def test_never_in_another_ones_place(home: Home, tmp_path: Path) -> None:
    """
    What is there already is refused and stays, also when it appears while the copy is made.
    """
    file = tmp_path / "b.db"

    def appear(_: int, __: int) -> None:
        file.write_bytes(b"another")

    refused("transfer", lambda: back_up(home.database, file, appear))
    refused("transfer", lambda: back_up(home.database, file, nothing))
    assert b"another" == file.read_bytes()
    file.unlink()
    file.symlink_to("nowhere")
    refused("transfer", lambda: back_up(home.database, file, nothing))
    assert ["b.db"] == [path.name for path in tmp_path.iterdir() if path.name.startswith("b.db")]


def test_cut_off(home: Home, tmp_path: Path) -> None:
    """
    A backup that fails leaves nothing; one that was killed is in nobody's way.
    """
    file = tmp_path / "b.db"

    def interrupt(_: int, __: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(home.database, file, interrupt)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("b.db")]
    for name in ("b.db.new", "b.db.new-journal", "b.db.new-wal"):
        (tmp_path / name).write_bytes(b"what was left")

    assert 1 == back_up(home.database, file, nothing).tree_size
    assert ["b.db"] == [path.name for path in tmp_path.iterdir() if path.name.startswith("b.db")]


def test_the_log_is_bounded(home: Home, tmp_path: Path) -> None:
    """
    A copy that keeps the write-ahead log from being emptied for too long is given up.
    """
    grow(home, 0, 3)
    (tmp_path / "b.db").touch()
    with open_ledger(home, KEYS) as ledger:

        def write(_: int, __: int) -> None:
            ledger.append(entries(5, 9))

        refused(
            "storage-busy",
            lambda: copy_database(home.database, tmp_path / "b.db", write, most_log=4096),
        )


def test_refusals(home: Home, tmp_path: Path) -> None:
    """
    Another ledger, no ledger, no database and no such directory are each refused by name.
    """
    file = tmp_path / "b.db"
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 20)

    refused("foreign-ledger", lambda: back_up(home.database, file, nothing, "other.example"))
    refused("ledger-missing", lambda: back_up(tmp_path / "none.db", file, nothing))
    refused("ledger-damaged", lambda: back_up(tmp_path / "text", file, nothing))
    refused("transfer", lambda: back_up(home.database, tmp_path / "no" / "b.db", nothing))
    assert not file.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entry SET entry = zeroblob(99) WHERE idx = 3",
        "DELETE FROM entry WHERE idx = 3",
        "UPDATE head SET root = zeroblob(32)",
    ],
)
def test_of_a_damaged_ledger(home: Home, tmp_path: Path, sql: str) -> None:
    """
    A database whose newest entries do not hash to its root gives no backup.
    """
    grow(home, 0, 4)
    edit(home.database, sql)

    refused("ledger-damaged", lambda: back_up(home.database, tmp_path / "b.db", nothing))
    assert not (tmp_path / "b.db").exists()
