"""The database of what waits to be attached: its tables, and how it is made and opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.errors import LedgerBusyError, LedgerError, StorageFullError
from ledger.store.connection import (
    Connection,
    Migration,
    be_durable,
    connect,
    migrate,
    translated,
    version,
)
from signer.errors import PublicationsError

_NAME = "sealbook-publish"
_APPLICATION_ID = 0x5EA1B004
_ANEW = "move it away and start again: it is made anew; then publish again what waited"

# A released migration never changes.
_MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE publication (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            repository TEXT NOT NULL,
            digest TEXT NOT NULL,
            state INTEGER NOT NULL,
            asked INTEGER NOT NULL,
            looks INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            asked_at INTEGER NOT NULL,
            next_at INTEGER NOT NULL,
            done_at INTEGER NOT NULL,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            hint TEXT NOT NULL,
            entries TEXT NOT NULL
        ) STRICT
        """,
        "CREATE UNIQUE INDEX waiting ON publication (repository, digest) WHERE state = 1",
        "CREATE INDEX next ON publication (repository, next_at) WHERE next_at > 0",
        "CREATE INDEX done ON publication (done_at) WHERE done_at > 0",
        """
        CREATE TABLE named (
            repository TEXT NOT NULL, digest TEXT NOT NULL, entry INTEGER NOT NULL,
            PRIMARY KEY (repository, digest, entry)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE TABLE told (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        f"PRAGMA application_id = {_APPLICATION_ID}",
    ),
)


def open_database(path: Path) -> Connection:
    """Open the database at `path`, or make it.

    Raises:
        PublicationsError: it is broken, another program's, or cannot be opened.
    """
    with ours("opening"), ExitStack() as undo:
        if not os.path.lexists(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        connection = connect(path, "rw")
        undo.callback(connection.close)
        if _is_empty(connection):  # new, or whoever began to make it died
            be_durable(connection)
            migrate(connection, _NAME, _MIGRATIONS)
        else:
            _check_whole(path, connection)
        undo.pop_all()
        return connection


@contextmanager
def ours(what: str) -> Iterator[None]:
    """Turn what keeps us from the database into `PublicationsError`."""
    try:
        yield
    except (StorageFullError, LedgerBusyError):
        raise
    except LedgerError as e:
        raise PublicationsError(f"{what} what waits to be attached: {e.message}", hint=_ANEW) from e
    except OSError as e:
        raise PublicationsError(f"{what} what waits to be attached: {e.strerror}") from e


def _is_empty(connection: Connection) -> bool:
    with translated("reading"):
        found = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        number = connection.execute("PRAGMA application_id").fetchone()[0]
    return not found and not number


def _check_whole(path: Path, connection: Connection) -> None:
    with translated(f"reading {path}"):
        if version(path, connection, _APPLICATION_ID, len(_MIGRATIONS)) < len(_MIGRATIONS):
            migrate(connection, _NAME, _MIGRATIONS)
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise PublicationsError(f"{path}: {verdict}", hint=_ANEW)
        be_durable(connection)
