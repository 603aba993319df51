"""Connections to SQLite, and the only module that imports one of its libraries.

One library to a process: two of them do not see each other's locks. Everything
that this project keeps in SQLite is opened here, so that what must hold for one
database holds for all: a version without the WAL-reset bug, `lstat` instead of
a look that would open the file, no functions called by a schema, cells checked
before they are read, errors that say what may be done next.

    migrate(connection, "sealbook-witness", MIGRATIONS)   # makes or raises the schema
    with translated("commit", commit=True): ...           # SQLite's errors become ours

A database's `application_id` says whose it is and its `user_version` how far its
schema has come: migration n leads from version n to n + 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from pysqlite3 import dbapi2 as sqlite
from pysqlite3.dbapi2 import Connection as Connection  # noqa: PLC0414  all others take it from here

from ledger.errors import (
    ConflictError,
    DamagedError,
    EntryError,
    LedgerError,
    LedgerMissingError,
    OutcomeUnknownError,
    SchemaError,
    StorageBusyError,
    StorageFailedError,
    StorageFullError,
)

# Statements run in one transaction. A function runs outside of one, in slices of
# its own, and must go on where it stopped when it is called again.
Migration = tuple[str, ...] | Callable[[Connection], None]

BUSY_TIMEOUT_S = 5.0

# 3.7.0 to 3.51.2 can corrupt a database when one connection commits while
# another resets the write-ahead log.
_OLDEST_SQLITE = (3, 51, 3)

# Primary result codes, sqlite.org/rescode.html.
_ERROR, _BUSY, _LOCKED, _NOMEM, _READONLY, _INTERRUPT, _IOERR, _CORRUPT = 1, 5, 6, 7, 8, 9, 10, 11
_FULL, _CANTOPEN, _PROTOCOL, _TOOBIG, _CONSTRAINT, _MISMATCH, _NOTADB = 13, 14, 15, 18, 19, 20, 26
_AGAIN = frozenset((_BUSY, _LOCKED, _NOMEM, _INTERRUPT, _PROTOCOL))
_DISK = frozenset((_READONLY, _IOERR, _CORRUPT, _CANTOPEN, _NOTADB))
# What Python raises for a value that SQLite cannot take, before a statement runs.
_UNSTORABLE = (OverflowError, UnicodeEncodeError, TypeError, sqlite.InterfaceError)


def connect(path: Path, mode: str) -> Connection:
    """Open the database at `path`; `mode` is SQLite's: ro, rw, or rwc to make it.

    Transactions are written out by the caller, and the connection may be used by
    one thread at a time.

    Raises:
        LedgerMissingError: there is no file, and `mode` is not rwc.
        StorageFailedError: it cannot be opened, or this SQLite could corrupt it.
    """
    if sqlite.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageFailedError(
            f"expected SQLite from {_OLDEST_SQLITE}, found {sqlite.sqlite_version}",
            hint="pip install --upgrade pysqlite3",
        )
    if mode != "rwc" and not os.path.lexists(path):  # lstat: see `ledger.lock`
        raise LedgerMissingError(f"expected a database at {path}, found nothing")
    try:
        connection = sqlite.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite.OperationalError as e:
        raise StorageFailedError(f"cannot open {path}: {e}") from e
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    return connection


def be_durable(connection: Connection) -> None:
    """Use the write-ahead log, and sync at each commit; call inside `translated`.

    No page keeps a copy of what was moved from it to another one, where it does not cost a write:
    what is deleted later is then deleted wherever it was.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=FAST")


def version(path: Path, connection: Connection, application_id: int, newest: int) -> int:
    """Return the schema version of the database at `path`; call inside `translated`.

    Raises:
        DamagedError: it is another program's.
        SchemaError: it is newer than `newest`.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != application_id:
        raise DamagedError(f"{path} is an SQLite database, but not one of this kind")
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > newest:
        raise SchemaError(
            f"expected schema {newest}, {path} has {found}",
            hint="it was written by a newer Sealbook; install that one",
        )
    return found


def migrate(connection: Connection, name: str, migrations: Sequence[Migration]) -> None:
    """Apply those of `migrations` that this database lacks; call inside `translated`.

    `name` is under what sqlite-utils remembers them. The first one must set the
    application_id.
    """
    from sqlite_utils import Database, Migrations  # 170 ms, and the usual start needs none of it

    known = Migrations(name)
    for number, migration in enumerate(migrations, 1):
        known(name=f"to-version-{number}", transactional=not callable(migration))(
            _step(number, migration)
        )
    known.apply(Database(connection))


def _step(number: int, migration: Migration) -> Callable[[Any], None]:
    def apply(database: Any) -> None:
        if callable(migration):
            migration(database.conn)
        else:
            for statement in migration:
                database.conn.execute(statement)
        database.conn.execute(f"PRAGMA user_version = {number}")

    return apply


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit what the block does, or nothing of it; wait for other writers first.

    To be used inside `translated(…, commit=True)`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def translated(what: str, *, commit: bool = False) -> Iterator[None]:
    """Turn SQLite's errors into ours: one for each thing that a caller could do next.

    Raises:
        StorageFullError: no space; nothing was written.
        EntryError: a value that cannot be stored; nothing was written.
        ConflictError: a key that is there already; nothing was written.
        StorageFailedError: the disk failed, or what is on it is no database.
        OutcomeUnknownError: a `commit` ended in any other way: read back.
        StorageBusyError: what was read could not be read now.
        DamagedError: what was read is malformed, or not there; never of a `commit`.
    """
    try:
        yield
    except LedgerError:
        raise
    except _UNSTORABLE as e:
        raise EntryError(f"{what}: a value that cannot be stored: {e}") from e
    except UnicodeDecodeError as e:  # what SQLite quotes of a malformed page
        _raise(what, _CORRUPT, e, commit=commit)
    except MemoryError as e:  # how Python spells SQLITE_NOMEM
        _raise(what, _NOMEM, e, commit=commit)
    except sqlite.Error as e:
        _raise(what, getattr(e, "sqlite_errorcode", 0) & 0xFF, e, commit=commit)


def _raise(what: str, code: int, e: Exception, *, commit: bool) -> NoReturn:
    if code == _FULL:
        raise StorageFullError(f"{what}: no space left for the database") from e
    if code == _CONSTRAINT and str(e).startswith("UNIQUE"):
        raise ConflictError(f"{what}: a key or an entry is there already: {e}") from e
    if code in (_CONSTRAINT, _MISMATCH, _TOOBIG):
        raise EntryError(f"{what}: a value that cannot be stored: {e}") from e
    if commit:
        if code in _DISK:
            raise StorageFailedError(f"{what}: {e}") from e
        raise OutcomeUnknownError(f"{what}: {e}") from e
    # Our SQL is right, so that an SQL error is a table that is not as we made it; and text
    # that is no UTF-8 is told by Python, without a code.
    if code in (_CORRUPT, _NOTADB, _ERROR) or (not code and "decode" in str(e)):
        raise DamagedError(f"{what}: {e}") from e
    if code in _AGAIN:
        raise StorageBusyError(f"{what}: {e}") from e
    raise StorageFailedError(f"{what}: {e}") from e
