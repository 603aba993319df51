"""A store in one SQLite file: the default, and the only module that speaks SQL.

One process writes, through one connection that one thread uses at a time;
`synchronous=FULL` in WAL mode, so a commit that returned is on the disk. Readers
are `mode=ro` connections, one per thread, that never checkpoint and never hold
a transaction open across calls: entries and full tiles do not change, so no
snapshot is needed.

Nothing else in this process may open the database or its -wal and -shm files;
see `ledger.lock` for what would be lost. sqlite-utils makes and migrates the
schema; the write path is plain SQL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, local
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from ledger.errors import (
    ConflictError,
    DamagedError,
    LedgerError,
    LedgerMissingError,
    SchemaError,
    StorageFailedError,
    StorageFullError,
)
from ledger.store import SLICE, Batch, Claim, Head, Row
from ledger.store.schema import APPLICATION_ID, MIGRATIONS, VERSION
from ledger.tiles import TileId
from verifier import limits
from verifier.errors import MalformedError
from verifier.merkle import Hash

# 3.7.0 to 3.51.2 can corrupt a database when one connection commits while
# another resets the write-ahead log.
_OLDEST_SQLITE = (3, 51, 3)
_FULL = 13  # SQLITE_FULL
_LEVEL_BITS = 56  # a tile's row id is its level above this many bits of its number


class SqliteStore:
    """One open database. Use as the only one of its file in this process."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the database at `path`, which must exist and have our schema.

        Beside a live service open it `read_only`: such a store never checkpoints.

        Raises:
            LedgerMissingError: there is no file.
            SchemaError: it was written by an older or newer version.
            DamagedError: it is no ledger.
        """
        if sqlite.sqlite_version_info < _OLDEST_SQLITE:
            raise StorageFailedError(
                f"expected SQLite from {_OLDEST_SQLITE}, found {sqlite.sqlite_version}",
                hint="pip install --upgrade pysqlite3",
            )
        self._path = path
        self._local = local()
        self._readers: list[sqlite.Connection] = []
        self._readers_lock = Lock()
        self._writer = _connect(path, "ro" if read_only else "rw")
        try:
            self._origin = _prepare(path, self._writer, read_only=read_only)
        except BaseException:
            self._writer.close()
            raise

    @classmethod
    def create(cls, path: Path, origin: str, head: Head) -> SqliteStore:
        """Make the database of the ledger `origin`, whose empty tree has this sealed head.

        Raises:
            ConflictError: there is a file already.
        """
        if os.path.lexists(path):
            raise ConflictError(f"expected no file at {path}, found one")
        connection = _connect(path, "rwc")
        try:
            with _translated("creating"):
                path.chmod(0o600)
                connection.execute("PRAGMA journal_mode=WAL")
                _migrate(connection)
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO ledger VALUES (1, ?)", (origin,))
                connection.execute("INSERT INTO head VALUES (1, ?, ?, ?, ?, ?, ?)", _head_row(head))
                connection.execute("COMMIT")
        finally:
            connection.close()
        return cls(path)

    @property
    def origin(self) -> str:
        """The ledger that this database was made for."""
        return self._origin

    def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or nothing; durable on return. See `Store.commit`."""
        write = self._writer
        with _translated("commit"):
            write.execute("BEGIN IMMEDIATE")
            try:
                moved = write.execute(
                    "UPDATE head SET tree_size=?, root=?, compact=?, time=?, frozen=?, seal=?"
                    " WHERE tree_size=?",
                    (*_head_row(batch.head), batch.old_size),
                )
                if moved.rowcount != 1:
                    raise ConflictError(f"expected a tree of {batch.old_size} entries")
                self._insert(batch)
                write.execute("COMMIT")
            except sqlite.IntegrityError as e:
                raise ConflictError(f"an entry or key is there already: {e}") from e
            finally:
                if write.in_transaction:
                    write.execute("ROLLBACK")

    def _insert(self, batch: Batch) -> None:
        write = self._writer
        write.executemany(
            "INSERT INTO entry (idx, entry, body, labels, time, promise, timestamp)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(index, *row) for index, row in enumerate(batch.rows, batch.old_size)],
        )
        # Sorted, a random key dirties its page once a batch and not once a row.
        write.executemany("INSERT INTO dedup VALUES (?, ?)", sorted(batch.dedup))
        write.executemany("INSERT INTO label VALUES (?, ?, ?)", sorted(batch.labels))
        if batch.tiles:
            write.executemany(
                "INSERT INTO tile VALUES (?, ?)", [(_row_id(t.id), t.hashes) for t in batch.tiles]
            )
        if batch.claims:
            write.executemany("INSERT OR IGNORE INTO claim VALUES (?, ?, ?)", batch.claims)
        # The same size is signed again after a restart, with the same bytes.
        write.executemany("INSERT OR IGNORE INTO checkpoint VALUES (?, ?)", batch.notes)

    def head(self) -> Head:
        """Return the head of the last commit."""
        row = self._one("SELECT tree_size, root, compact, time, frozen, seal FROM head", ())
        if row is None:
            raise DamagedError("the database has no head")
        tree_size, root, compact, time, frozen, seal = row
        try:
            hashes = tuple(Hash(compact[i : i + 32]) for i in range(0, len(compact), 32))
            return Head(tree_size, Hash(root), hashes, time, bool(frozen), seal)
        except MalformedError as e:
            raise DamagedError(f"the head of the database: {e.message}") from e

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from `start` to before `stop`, at most `SLICE` of them."""
        if start >= limits.TREE_SIZE:
            return []
        found = self._all(
            "SELECT entry, body, labels, time, promise, timestamp FROM entry"
            " WHERE idx >= ? AND idx < ? ORDER BY idx",
            (start, min(stop, start + SLICE, limits.TREE_SIZE - 1)),
        )
        return [Row(*row) for row in found]

    def tile(self, tile: TileId) -> bytes:
        """Return the 8,192 bytes of a full tile; raises `DamagedError` if it is not there."""
        row = self._one("SELECT hashes FROM tile WHERE id=?", (_row_id(tile),))
        if row is None:
            raise DamagedError(f"tile {tile.level}/{tile.n} is missing")
        hashes: bytes = row[0]
        return hashes

    def find(self, key: bytes) -> int | None:
        """Return the index of the entry with this dedup key."""
        row = self._one("SELECT idx FROM dedup WHERE key=?", (key,))
        return None if row is None else int(row[0])

    def claim(self, key: bytes) -> Claim | None:
        """Return the claim with this idempotency key."""
        row = self._one("SELECT key, request, idx FROM claim WHERE key=?", (key,))
        return None if row is None else Claim(*row)

    def search(self, name: str, value: str, after: int, limit: int) -> list[int]:
        """Return up to `limit` indices above `after` of entries with this label, ascending."""
        if after >= limits.TREE_SIZE:
            return []
        found = self._all(
            "SELECT idx FROM label WHERE name=? AND value=? AND idx>? ORDER BY idx LIMIT ?",
            (name, value, after, min(limit, SLICE)),
        )
        return [int(row[0]) for row in found]

    def note(self, tree_size: int) -> str | None:
        """Return the signed checkpoint that was kept for this size, if one was."""
        if tree_size >= limits.TREE_SIZE:
            return None
        row = self._one("SELECT note FROM checkpoint WHERE tree_size=?", (tree_size,))
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Close every connection; the writer last, which folds the write-ahead log in."""
        with self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        self._writer.close()

    def _one(self, sql: str, values: Sequence[object]) -> Any:
        with _translated("read"):
            return self._reader().execute(sql, values).fetchone()

    def _all(self, sql: str, values: Sequence[object]) -> list[Any]:
        with _translated("read"):
            rows: list[Any] = self._reader().execute(sql, values).fetchall()
            return rows

    def _reader(self) -> sqlite.Connection:
        """Return this thread's read-only connection."""
        reader = getattr(self._local, "reader", None)
        if reader is None:
            reader = _connect(self._path, "ro")
            reader.execute("PRAGMA wal_autocheckpoint=0")
            with self._readers_lock:
                self._readers.append(reader)
            self._local.reader = reader
        return reader


def migrate_database(path: Path, progress: Callable[[str], None]) -> None:
    """Raise the schema of a stopped ledger's database to ours; no-op when it is there.

    Raises:
        LedgerMissingError: there is no file.
        SchemaError: it was written by a newer version.
    """
    connection = _connect(path, "rw")
    try:
        with _translated("migrating"):
            version = _version(path, connection)
            progress(f"schema {version} -> {VERSION}")
            _migrate(connection)
    finally:
        connection.close()


def _migrate(connection: sqlite.Connection) -> None:
    """Apply every migration that this database lacks, each in a transaction of its own."""
    from sqlite_utils import Database, Migrations  # 170 ms, and the usual start needs none of it

    def step(version: int) -> Callable[[Any], None]:
        def apply(database: Any) -> None:
            for statement in MIGRATIONS[version]:
                database.conn.execute(statement)
            database.conn.execute(f"PRAGMA user_version = {version + 1}")

        return apply

    migrations = Migrations("sealbook-ledger")
    for version in range(VERSION):
        migrations(name=f"to-version-{version + 1}")(step(version))
    migrations.apply(Database(connection))


def _connect(path: Path, mode: str) -> sqlite.Connection:
    if mode != "rwc" and not os.path.lexists(path):  # lstat: see the module's docstring
        raise LedgerMissingError(f"expected a ledger at {path}, found nothing")
    try:
        return sqlite.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=5,
            isolation_level=None,  # transactions are written out
            check_same_thread=False,
        )
    except sqlite.OperationalError as e:
        raise StorageFailedError(f"cannot open {path}: {e}") from e


def _prepare(path: Path, connection: sqlite.Connection, *, read_only: bool) -> str:
    """Check the schema, set what a connection keeps, and return the ledger's origin."""
    with _translated("opening"):
        version = _version(path, connection)
        if version < VERSION:
            raise SchemaError(
                f"expected schema {VERSION}, {path} has {version}",
                hint="stop the service and run `sealbook migrate`",
            )
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        row = connection.execute("SELECT origin FROM ledger").fetchone()
    if row is None:
        raise DamagedError(f"{path} does not say whose ledger it is")
    return str(row[0])


def _version(path: Path, connection: sqlite.Connection) -> int:
    """Return the schema version of a ledger's database, unless it is newer than ours."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise DamagedError(f"{path} is an SQLite database, but not a ledger")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise SchemaError(
            f"expected schema {VERSION}, {path} has {version}",
            hint="it was written by a newer Sealbook; install that one",
        )
    return version


def _head_row(head: Head) -> tuple[int, bytes, bytes, int, int, bytes]:
    compact = b"".join(head.compact)
    return head.tree_size, head.root, compact, head.time, int(head.frozen), head.seal


def _row_id(tile: TileId) -> int:
    return tile.level << _LEVEL_BITS | tile.n


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn SQLite's errors into ours: no space is a refusal, all else is a failure."""
    try:
        yield
    except LedgerError:
        raise
    except sqlite.DatabaseError as e:
        if getattr(e, "sqlite_errorcode", 0) & 0xFF == _FULL or "disk is full" in str(e):
            raise StorageFullError(f"{what}: no space left for the database") from e
        if "not a database" in str(e) or "malformed" in str(e):
            raise DamagedError(f"{what}: {e}") from e
        raise StorageFailedError(f"{what}: {e}") from e
