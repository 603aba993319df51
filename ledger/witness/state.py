"""What a witness must never forget: the newest checkpoint of each log that it cosigned.

One row a log, made when the log is added and never deleted: a witness that forgot a
log and met it again would cosign any second history. `advance` is a compare-and-swap
and durable on return, so that whoever releases a cosignature afterwards has promised
nothing that a crash, or another thread, can take back.

Rolling this database back makes the witness promise twice. There is no backup of it:
a witness whose disk is lost starts anew, with a new name and new keys.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

from ledger.errors import ConflictError, DamagedError, SchemaError, WitnessSetupError
from ledger.lock import LedgerLock
from ledger.store.connection import (
    Connection,
    Migration,
    be_durable,
    connect,
    migrate,
    transaction,
    translated,
    version,
)
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, VerificationError
from verifier.merkle import EMPTY_ROOT, Hash
from verifier.note import Note, NoteKey, refuse_ambiguous

DATABASE = "witness.db"
_LOCK = "witness.lock"
_NAME = "sealbook-witness"
_APPLICATION_ID = 0x5EA1B001
_MOST_SPLITS = 16  # kept of each log: one is proof enough, and who submits is nobody we know

# A released migration never changes.
_MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE log (
            origin_hash BLOB PRIMARY KEY, origin TEXT NOT NULL UNIQUE,
            tree_size INTEGER NOT NULL, root BLOB NOT NULL,
            note TEXT NOT NULL, time INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE log_key (
            vkey TEXT PRIMARY KEY, origin_hash BLOB NOT NULL REFERENCES log
        ) STRICT, WITHOUT ROWID
        """,
        """
        -- two signed checkpoints of one size with two roots: evidence against the log
        CREATE TABLE split (
            origin_hash BLOB NOT NULL REFERENCES log, tree_size INTEGER NOT NULL,
            root BLOB NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, seen INTEGER NOT NULL,
            PRIMARY KEY (origin_hash, tree_size, root)
        ) STRICT, WITHOUT ROWID
        """,
        f"PRAGMA application_id = {_APPLICATION_ID}",
    ),
)


class Recorded(NamedTuple):
    """The newest cosigned checkpoint of a log, its `note` and the time in our cosignatures.

    Before the first one: the empty tree, no note, time 0.
    """

    origin: str
    tree_size: int
    root: Hash
    note: str
    time: int


class Split(NamedTuple):
    """Two notes that a log signed for one size with two roots, and when the second came."""

    first: str
    second: str
    seen: int


class WitnessState:
    """One open database, and the lock that makes this process its only one.

    Safe in many threads; a context manager that closes.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        """Open the state in `directory`, which `create` has made.

        `read_only` takes no lock: to look beside a live witness.

        Raises:
            LedgerMissingError: there is none.
            LedgerBusyError: another process has it open.
            DamagedError: it contradicts itself, or is no database of a witness.
        """
        path = directory / DATABASE
        if not os.path.lexists(path):
            raise WitnessSetupError(
                f"expected a witness's database at {path}, found none",
                hint="check the path; `sealbook witness init DIR` makes a new witness",
            )
        self._turn = threading.Lock()
        with ExitStack() as undo:
            if not read_only:
                undo.callback(LedgerLock(directory / _LOCK).close)
            self._connection = connect(path, "ro" if read_only else "rw")
            undo.callback(self._connection.close)
            _check(path, self._connection)
            if not read_only:
                with translated("opening"):
                    be_durable(self._connection)
            self._opened = undo.pop_all()

    @classmethod
    def create(cls, directory: Path) -> None:
        """Make an empty state in `directory`; raises `ConflictError` if there is one."""
        path = directory / DATABASE
        if os.path.lexists(path):
            raise ConflictError(f"expected no file at {path}, found one")
        connection = connect(path, "rwc")
        try:
            with translated("creating"):
                path.chmod(0o600)
                be_durable(connection)
                migrate(connection, _NAME, _MIGRATIONS)
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, key: NoteKey) -> bool:
        """Trust `key` for the log of its name; return whether that log is new.

        A further key of a known log leaves what is recorded of the log as it is.

        Raises:
            AmbiguousKeyError: a key of this name and id is there, and is another one.
        """
        keys = self.keys(key.name)
        refuse_ambiguous((*keys, key))
        hashed = _hashed(key.name)
        empty = (hashed, key.name, 0, EMPTY_ROOT, "", 0)
        with self._turn, translated("commit", commit=True), transaction(self._connection):
            self._connection.execute("INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?, ?, ?)", empty)
            self._connection.execute(
                "INSERT OR IGNORE INTO log_key VALUES (?, ?)", (str(key), hashed)
            )
        return not keys

    def origins(self) -> list[str]:
        """Return the logs, by name."""
        return [row[0] for row in self._rows("SELECT origin FROM log ORDER BY origin")]

    def keys(self, origin: str) -> tuple[NoteKey, ...]:
        """Return the keys that may sign for `origin`; none means that it is unknown."""
        rows = self._rows("SELECT vkey FROM log_key WHERE origin_hash = ?", _hashed(origin))
        return tuple(NoteKey.parse(row[0]) for row in rows)

    def recorded(self, origin_hash: bytes) -> Recorded | None:
        """Return what was recorded last of the log with this SHA-256, or None if unknown."""
        rows = self._rows(
            "SELECT origin, tree_size, root, note, time FROM log WHERE origin_hash = ?",
            origin_hash,
        )
        return _recorded(rows[0]) if rows else None

    def advance(self, old: Recorded, new: Recorded) -> None:
        """Put `new` in the place of `old`; durable on return.

        Raises:
            ConflictError: it is not `old` that is there.
            StorageFullError: nothing was written.
            StorageFailedError: the disk failed: this process must end.
            OutcomeUnknownError: `new` may or may not be there.
        """
        assert old.origin == new.origin
        assert old.tree_size <= new.tree_size
        assert old.time <= new.time
        with self._turn, translated("commit", commit=True), transaction(self._connection):
            moved = self._connection.execute(
                "UPDATE log SET tree_size = ?, root = ?, note = ?, time = ?"
                " WHERE origin_hash = ? AND tree_size = ? AND root = ? AND time = ?",
                (*new[1:], _hashed(old.origin), old.tree_size, old.root, old.time),
            )
            if moved.rowcount != 1:
                raise ConflictError(f"expected {old.tree_size} entries of {old.origin} recorded")

    def keep_split(self, origin: str, split: Split) -> None:
        """Keep what proves that a log signed two trees of one size; durable on return."""
        hashed = _hashed(origin)
        second = Checkpoint.parse(Note.parse(split.second).text)
        row = (hashed, second.tree_size, second.root, *split)
        with self._turn, translated("commit", commit=True), transaction(self._connection):
            self._connection.execute(
                "INSERT OR IGNORE INTO split SELECT ?, ?, ?, ?, ?, ?"
                " WHERE (SELECT count(*) FROM split WHERE origin_hash = ?) < ?",
                (*row, hashed, _MOST_SPLITS),
            )

    def splits(self, origin: str) -> list[Split]:
        """Return the evidence that was kept against `origin`."""
        rows = self._rows(
            "SELECT first, second, seen FROM split WHERE origin_hash = ? ORDER BY seen",
            _hashed(origin),
        )
        return [Split(*row) for row in rows]

    def close(self) -> None:
        """Close the database and give the lock back."""
        self._opened.close()

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._turn, translated("reading"):
            rows: list[Any] = self._connection.execute(sql, values).fetchall()
            return rows


def _hashed(origin: str) -> bytes:
    return hashlib.sha256(origin.encode()).digest()


def _recorded(row: tuple[str, int, bytes, str, int]) -> Recorded:
    origin, tree_size, root, note, time = row
    return Recorded(origin, tree_size, Hash(root), note, time)


def _check(path: Path, connection: Connection) -> None:
    """Refuse a database that is not whole: what it forgot, the witness would promise again."""
    with translated(f"reading {path}"):
        if (found := version(path, connection, _APPLICATION_ID, len(_MIGRATIONS))) < len(
            _MIGRATIONS
        ):
            raise SchemaError(f"expected schema {len(_MIGRATIONS)}, {path} has {found}")
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamagedError(
                f"{path}: {verdict}", hint="start anew, as a witness of another name"
            )
        rows = connection.execute(
            "SELECT origin_hash, origin, tree_size, root, note, time FROM log"
        ).fetchall()
        vkeys = connection.execute("SELECT vkey, origin_hash FROM log_key").fetchall()
    try:
        named = {(_hashed(NoteKey.parse(vkey).name), hashed) for vkey, hashed in vkeys}
        if any(name != hashed for name, hashed in named):
            raise DamagedError(f"{path}: a key is filed under another log")
        if {hashed for _, hashed in named} != {row[0] for row in rows}:
            raise DamagedError(f"{path}: expected a key for each log")
        for hashed, *rest in rows:
            _check_row(hashed, _recorded(rest))
    except VerificationError as e:
        raise DamagedError(f"{path}: {e.message}") from e


def _check_row(hashed: bytes, row: Recorded) -> None:
    if hashed != _hashed(row.origin):
        raise MalformedError(f"{row.origin} is filed under another hash")
    said = Checkpoint(row.origin, row.tree_size, row.root)
    kept = Checkpoint.parse(Note.parse(row.note).text) if row.note else None
    if (kept or Checkpoint(row.origin, 0, EMPTY_ROOT)) != said:
        raise MalformedError(f"the note kept of {row.origin} is not of {row.tree_size} entries")
