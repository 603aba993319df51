"""A store in one SQLite file: the default.

One process writes, through one connection that one thread uses at a time;
`synchronous=FULL` in WAL mode, so a commit that returned is on the disk.

Nothing else in this process may open the database or its -wal and -shm files;
see `ledger.lock` for what would be lost. The write path is plain SQL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger import at_rest, labels
from ledger.at_rest import DataKeys, Place
from ledger.errors import (
    ConflictError,
    DamagedError,
    OutcomeUnknownError,
    SchemaError,
    StorageFullError,
)
from ledger.store import Batch, Head, Row, label_key
from ledger.store.connection import (
    Connection,
    be_durable,
    connect,
    migrate,
    transaction,
    translated,
    version,
)
from ledger.store.reading import ROW, SqliteReader, body_key, tile_row_id
from ledger.store.schema import APPLICATION_ID, MIGRATIONS, NAME, VERSION

# Inserting random keys is as quick as the pages that they meet are near.
_CACHE_KIB = 32_768
# A page that many commits change is copied into the database once.
_CHECKPOINT_PAGES = 8192


class SqliteStore(SqliteReader):
    """One open database. Use as the only one of its file in this process."""

    def __init__(
        self, path: Path, *, read_only: bool = False, keys: DataKeys | None = None
    ) -> None:
        """Open the database at `path`, which must exist and have our schema.

        Beside a live service open it `read_only`: such a store never checkpoints. Bodies of
        attestations are encrypted with `keys`, and opened again.

        Raises:
            LedgerMissingError: there is no file.
            SchemaError: it was written by an older or newer version.
            DamagedError: it is no ledger.
        """
        super().__init__(path, keys)
        self._writer = connect(path, "ro" if read_only else "rw")
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
        connection = connect(path, "rwc")
        try:
            with translated("creating"):
                path.chmod(0o600)
                be_durable(connection)
                migrate(connection, NAME, MIGRATIONS)
                with transaction(connection):
                    connection.execute("INSERT INTO ledger VALUES (1, ?)", (origin,))
                    connection.execute(
                        "INSERT INTO head VALUES (1, ?, ?, ?, ?, ?, ?)", _head_row(head)
                    )
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
        with translated("commit", commit=True), transaction(write):
            moved = write.execute(
                "UPDATE head SET tree_size=?, root=?, compact=?, time=?, frozen=?, seal=?"
                " WHERE tree_size=?",
                (*_head_row(batch.head), batch.old_size),
            )
            if moved.rowcount != 1:
                raise ConflictError(f"expected a tree of {batch.old_size} entries")
            self._insert(batch)
        self._fold()

    def _fold(self) -> None:
        """Copy the write-ahead log into the database once it is long.

        By hand: when SQLite does it by itself it keeps an error of the disk to itself too.
        """
        try:
            with translated("checkpoint", commit=True):
                _, pages, _ = self._writer.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
                if pages >= _CHECKPOINT_PAGES:
                    self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except (StorageFullError, OutcomeUnknownError):
            return  # what is committed stays in the log, and the next commit tries again

    def _insert(self, batch: Batch) -> None:
        write = self._writer
        write.executemany(
            f"INSERT INTO entry (idx, {ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [(index, *self._sealed(index, row)) for index, row in _numbered(batch)],
        )
        # Sorted, a random key dirties its page once a batch and not once a row.
        write.executemany("INSERT INTO dedup VALUES (?, ?)", sorted(batch.dedup))
        write.executemany("INSERT INTO label VALUES (?, ?)", sorted(_label_rows(batch)))
        if batch.tiles:
            write.executemany(
                "INSERT INTO tile VALUES (?, ?)",
                [(tile_row_id(tile.id), tile.hashes) for tile in batch.tiles],
            )
        if batch.claims:
            write.executemany("INSERT OR IGNORE INTO claim VALUES (?, ?, ?)", batch.claims)
        # The same size is signed again after a restart, with the same bytes.
        write.executemany("INSERT OR IGNORE INTO checkpoint VALUES (?, ?)", batch.notes)

    def _sealed(self, index: int, row: Row) -> Row:
        """Return a row as it is to lie there."""
        if self.keys is None or not row.body or not labels.is_deletable(labels.decode(row.labels)):
            return row
        return row._replace(body=at_rest.seal(self.keys, Place.of_entry(index), row.body))

    def close(self) -> None:
        """Close every connection; the writer last, which folds the write-ahead log in."""
        super().close()
        self._writer.close()


def migrate_database(path: Path, progress: Callable[[str], None]) -> None:
    """Raise the schema of a stopped ledger's database to ours; no-op when it is there.

    Raises:
        LedgerMissingError: there is no file.
        SchemaError: it was written by a newer version.
    """
    connection = connect(path, "rw")
    try:
        with translated("migrating"):
            found = version(path, connection, APPLICATION_ID, VERSION)
            progress(f"schema {found} -> {VERSION}")
            migrate(connection, NAME, MIGRATIONS)
    finally:
        connection.close()


def _prepare(path: Path, connection: Connection, *, read_only: bool) -> str:
    """Check the schema, set what a connection keeps, and return the ledger's origin."""
    with translated("opening"):
        found = version(path, connection, APPLICATION_ID, VERSION)
        if found < VERSION:
            raise SchemaError(
                f"expected schema {VERSION}, {path} has {found}",
                hint="stop the service and run `sealbook migrate`",
            )
        if not read_only:
            be_durable(connection)
            connection.execute(f"PRAGMA cache_size={-_CACHE_KIB}")
            connection.execute("PRAGMA wal_autocheckpoint=0")  # see `_fold`
        row = connection.execute("SELECT origin FROM ledger").fetchone()
    if row is None:
        raise DamagedError(f"{path} does not say whose ledger it is")
    return str(row[0])


def _numbered(batch: Batch) -> Iterator[tuple[int, Row]]:
    yield from enumerate(batch.rows, batch.old_size)


def _label_rows(batch: Batch) -> set[tuple[int, int]]:
    rows = {(label_key(name, value), index) for name, value, index in batch.labels}
    for index, row in _numbered(batch):
        if not labels.is_opaque(row.labels) and (body := labels.body_name(row.entry)):
            rows.add((body_key(body), index))
    return rows


def _head_row(head: Head) -> tuple[int, bytes, bytes, int, int, bytes]:
    compact = b"".join(head.compact)
    return head.tree_size, head.root, compact, head.time, int(head.frozen), head.seal
