"""The SQLite store: what it refuses to open, and what it leaves on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ledger import labels
from ledger.seal import empty_head
from ledger.store import Row, label_key, reading
from ledger.store import connection as module
from ledger.store import sqlite as writing
from ledger.store.schema import APPLICATION_ID
from ledger.store.sqlite import SqliteStore, migrate_database
from tests.ledger.making import KEYS, ORIGIN, edit, entry, refused, script
from tests.ledger.test_store import KEY, batch

READ = """
import sys
from pathlib import Path
from ledger.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), read_only=True)
print(*(row.entry.decode() for row in store.rows(0, 99)), sep=",")
store.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "ledger.db"


@pytest.fixture
def made(path: Path) -> Path:
    """A database with three rows, closed."""
    store = create(path)
    store.commit(batch(0, 3))
    store.close()
    return path


def create(path: Path) -> SqliteStore:
    return SqliteStore.create(path, ORIGIN, empty_head(ORIGIN, KEYS.seal))


def open_and_close(path: Path, *, read_only: bool = False) -> list[Row]:
    store = SqliteStore(path, read_only=read_only)
    try:
        return store.rows(0, 99)
    finally:
        store.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_missing(path: Path, *, read_only: bool) -> None:
    """
    A database that is not there is missing, and is not made by looking.
    """
    refused("ledger-missing", lambda: SqliteStore(path, read_only=read_only))
    refused("ledger-missing", lambda: migrate_database(path, print))

    assert [] == list(path.parent.iterdir())


@pytest.mark.parametrize("content", [b"", b"hello, this is no database\n" * 99, bytes(8192)])
@pytest.mark.parametrize("read_only", [False, True])
def test_not_a_database(path: Path, content: bytes, *, read_only: bool) -> None:
    """
    A file that is no database is damaged, and stays as it was.
    """
    path.write_bytes(content)

    refused("ledger-damaged", lambda: SqliteStore(path, read_only=read_only))

    assert content == path.read_bytes()


@pytest.mark.parametrize("name", ["a b", "a?mode=memory", "a#b", "a%41b", "ä"])
def test_path_is_taken_literally(tmp_path: Path, name: str) -> None:
    """
    Whatever a directory is called, the database lies in it and in no other.
    """
    path = tmp_path / name / "ledger.db"
    path.parent.mkdir()
    create(path).close()

    assert [] == open_and_close(path)
    assert [path.parent] == list(tmp_path.iterdir())
    assert [path] == list(path.parent.iterdir())


def test_directory(path: Path) -> None:
    """
    A directory in the database's place cannot be opened, and that is said with a code.
    """
    path.mkdir()

    refused("storage-failed", lambda: SqliteStore(path))


def test_cut_short(made: Path) -> None:
    """
    A database that lost its second half is damaged, as soon as the loss is met.
    """
    os.truncate(made, made.stat().st_size // 2)

    refused("ledger-damaged", lambda: open_and_close(made))


def test_other_database(path: Path) -> None:
    """
    An SQLite database of another program is no ledger, and stays as it was.
    """
    edit(path, "CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()

    refused("ledger-damaged", lambda: SqliteStore(path))

    assert before == path.read_bytes()


def test_other_database_is_not_migrated(path: Path) -> None:
    """
    `migrate` makes no ledger out of another program's database.
    """
    edit(path, "CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()

    refused("ledger-damaged", lambda: migrate_database(path, print))

    assert before == path.read_bytes()


def test_newer_schema(made: Path) -> None:
    """
    A database of a newer version is refused, by `migrate` too, and the hint says why.
    """
    edit(made, "PRAGMA user_version = 99")

    for attempt in (lambda: SqliteStore(made), lambda: migrate_database(made, print)):
        error = refused("ledger-schema", attempt)
        assert "newer" in error.hint
    assert [(99,)] == edit(made, "PRAGMA user_version")


def test_refused_database_is_let_go(made: Path) -> None:
    """
    A database that was refused is not held open by the process that refused it.
    """
    edit(made, "PRAGMA user_version = 99")

    refused("ledger-schema", lambda: SqliteStore(made))

    assert made not in [fd.resolve() for fd in Path("/proc/self/fd").iterdir()]


def test_older_schema(path: Path) -> None:
    """
    A database of an older version is refused with the command that raises it, which does.
    """
    edit(path, f"PRAGMA application_id = {APPLICATION_ID}")
    steps: list[str] = []

    error = refused("ledger-schema", lambda: SqliteStore(path))
    migrate_database(path, steps.append)

    assert "sealbook migrate" in error.hint
    assert ["schema 0 -> 3"] == steps
    assert [(3,)] == edit(path, "PRAGMA user_version")
    assert [] == edit(path, "SELECT idx, entry, body FROM entry")


def test_migrating_a_current_database(made: Path) -> None:
    """
    `migrate` on a database of this version changes nothing.
    """
    before = open_and_close(made)

    migrate_database(made, print)

    assert before == open_and_close(made)


def test_database_that_was_never_finished(path: Path) -> None:
    """
    A database whose making was cut off after its tables is damaged, not a traceback.
    """
    edit(path, f"PRAGMA application_id = {APPLICATION_ID}")
    migrate_database(path, print)

    refused("ledger-damaged", lambda: SqliteStore(path))


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_create_over_something(path: Path, kind: str) -> None:
    """
    A ledger is never made over something that is there.
    """
    if kind == "file":
        path.write_bytes(b"precious")
    else:
        path.symlink_to("elsewhere")

    refused("head-moved", lambda: create(path))

    assert kind != "file" or path.read_bytes() == b"precious"
    assert not (path.parent / "elsewhere").exists()


def test_only_the_owner_reads_the_files(path: Path) -> None:
    """
    The database, its log and its index belong to their owner alone, whatever the umask.
    """
    old = os.umask(0)
    try:
        store = create(path)
        store.commit(batch(0, 3))
    finally:
        os.umask(old)
    modes = {f.name: stat.S_IMODE(f.lstat().st_mode) for f in path.parent.iterdir()}
    store.close()

    assert dict.fromkeys(("ledger.db", "ledger.db-shm", "ledger.db-wal"), 0o600) == modes


def test_commits_are_durable(path: Path) -> None:
    """
    The writer uses the write-ahead log and syncs at each commit.
    """
    store = create(path)
    try:
        pragmas = ("journal_mode", "synchronous")
        found = [store._writer.execute(f"PRAGMA {p}").fetchone()[0] for p in pragmas]
    finally:
        store.close()

    assert ["wal", 2] == found  # 2 is FULL


def test_reader_beside_a_writer(path: Path) -> None:
    """
    A read-only store in another process sees each commit as soon as it returned.
    """
    writer = create(path)
    for old_size in range(2):
        writer.commit(batch(old_size, 1))

        expected = ",".join(f"entry {i}" for i in range(old_size + 1))
        assert [expected] == script(READ, path)
    writer.close()


def test_read_only_store_writes_nothing(made: Path) -> None:
    """
    A read-only store refuses to commit, and leaves the database byte for byte.
    """
    before = made.read_bytes()
    store = SqliteStore(made, read_only=True)
    refused("storage-failed", lambda: store.commit(batch(3, 1)))
    assert [3, 3] == [store.head().tree_size, len(store.rows(0, 99))]
    store.close()

    assert before == made.read_bytes()
    log = made.with_name("ledger.db-wal")
    assert not log.exists() or log.stat().st_size == 0


def test_close_leaves_one_file(made: Path) -> None:
    """
    A closed ledger is one file: its write-ahead log is folded in.
    """
    assert [made] == list(made.parent.iterdir())


def test_old_sqlite(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An SQLite that can corrupt a database in WAL mode is not used, and the hint says what to do.
    """
    monkeypatch.setattr(module.sqlite, "sqlite_version_info", (3, 51, 2))

    error = refused("storage-failed", lambda: SqliteStore(made))

    assert "pysqlite3" in error.hint


def test_what_a_connection_keeps(made: Path) -> None:
    """
    No connection calls functions that a schema names, and each checks cells before it reads them.
    """
    store = SqliteStore(made)
    try:
        store.head()
        for connection in (store._writer, store._reader()):
            pragmas = ("trusted_schema", "cell_size_check")
            assert [0, 1] == [connection.execute(f"PRAGMA {p}").fetchone()[0] for p in pragmas]
    finally:
        store.close()


def test_commit_while_another_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A commit that does not get its turn has an unknown outcome, which reading back resolves.
    """
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0)
    store = create(path)
    other = module.connect(path, "rw")
    other.execute("BEGIN IMMEDIATE")

    refused("outcome-unknown", lambda: store.commit(batch(0, 3)))
    assert 0 == store.head().tree_size
    other.execute("ROLLBACK")
    store.commit(batch(0, 3))

    assert 3 == store.head().tree_size
    other.close()
    store.close()


def test_commit_into_a_damaged_page(path: Path) -> None:
    """
    A commit that meets a malformed page is a failed one: the process must end.
    """
    store = create(path)
    store.commit(batch(0, 60))
    store.close()
    [(page,)] = edit(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'dedup'")
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    store = SqliteStore(path)
    refused("storage-failed", lambda: store.commit(batch(60, 1)))
    refused("ledger-damaged", lambda: store.find(KEY[0]))
    store.close()


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize(
    ("code", "message", "read_code", "commit_code"),
    [
        (13, "database or disk is full", "storage-full", "storage-full"),
        (10, "disk I/O error", "storage-failed", "storage-failed"),
        (10 | 4 << 8, "disk I/O error", "storage-failed", "storage-failed"),
        (11, "database disk image is malformed", "ledger-damaged", "storage-failed"),
        (26, "file is not a database", "ledger-damaged", "storage-failed"),
        (14, "unable to open database file", "storage-failed", "storage-failed"),
        (8, "attempt to write a readonly database", "storage-failed", "storage-failed"),
        (5, "database is locked", "storage-busy", "outcome-unknown"),
        (6, "database table is locked", "storage-busy", "outcome-unknown"),
        (9, "interrupted", "storage-busy", "outcome-unknown"),
        (15, "locking protocol", "storage-busy", "outcome-unknown"),
        (1, "no such table: entry", "ledger-damaged", "outcome-unknown"),
        (0, "Could not decode to UTF-8 column", "ledger-damaged", "outcome-unknown"),
        (0, "something else", "storage-failed", "outcome-unknown"),
        (18, "string or blob too big", "bad-entry", "bad-entry"),
        (19, "NOT NULL constraint failed: entry.entry", "bad-entry", "bad-entry"),
        (19, "UNIQUE constraint failed: dedup.key", "head-moved", "head-moved"),
    ],
)
def test_errors_are_told_apart(
    code: int, message: str, read_code: str, commit_code: str, *, commit: bool
) -> None:
    """
    Each of SQLite's errors becomes the one of ours that says what may be done next.
    """

    def fail() -> None:
        with module.translated("commit", commit=commit):
            error = module.sqlite.OperationalError(message)
            error.sqlite_errorcode = code
            raise error

    refused(commit_code if commit else read_code, fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "outcome-unknown"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "in a malformed schema"), "storage-failed"),
        (OverflowError("int too large"), "bad-entry"),
        (module.sqlite.InterfaceError("unsupported type"), "bad-entry"),
        (module.sqlite.ProgrammingError("closed"), "outcome-unknown"),
    ],
)
def test_what_python_says_of_a_commit(error: Exception, code: str) -> None:
    """
    A value that cannot be bound is the entry's fault, and no memory is an unknown outcome.
    """

    def fail() -> None:
        with module.translated("commit", commit=True):
            raise error

    refused(code, fail)


def test_labels_that_share_a_key(path: Path) -> None:
    """
    A row of the index that another label's hash led to does not disturb a search.
    """
    store = create(path)
    store.commit(batch(0, 60))
    strangers = [i for i in range(60) if i % 3]
    for index in strangers:
        sql = "INSERT INTO label VALUES (?, ?)"
        store._writer.execute(sql, (label_key("digest", "d0"), index))

    expected = list(range(0, 60, 3))
    assert expected == store.search("digest", "d0", -1, 99)
    assert expected[5:9] == store.search("digest", "d0", expected[4], 4)
    assert expected[::-1] == store.newest("digest", "d0", 60, 99)
    assert expected[3:7][::-1] == store.newest("digest", "d0", expected[7], 4)
    assert [[], 57] == [store.search("digest", "d0", 57, 9), store.last("digest", "d0")]
    store.close()


def test_labels_that_all_share_a_few_keys(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Were the hash of a label as short as two bits, everything would still be found.
    """
    for place in (writing, reading):
        monkeypatch.setattr(place, "label_key", lambda *label: label_key(*label) % 4)
    logged = [entry(i) for i in range(40)]
    rows = [Row(e.entry, e.body, labels.encode(e.labels), 7) for e in logged]
    every = [(n, v, i) for i, e in enumerate(logged) for n, vs in e.labels.items() for v in vs]
    store = create(path)
    store.commit(batch(0, 40, rows=rows, labels=every))

    for name, value, index in every:
        found = store.search(name, value, -1, 99)
        assert [i for n, v, i in every if (n, v) == (name, value)] == found
        assert found[-1] == store.last(name, value)
        assert found[::-1] == store.newest(name, value, 40, 99)
        assert index in found
    names = [labels.body_name(e.entry) or "" for e in logged]
    assert list(range(40)) == [store.body(name) for name in names]
    store.close()
