"""Counters of pulls, in a database of its own.

    pulls   a day, a repository, an outcome, a code: how often

In a day so many rows are told apart and no more: what is new after that is counted under no
repository. What is written is durable when a call returns. A database that is missing is made
anew: the counters begin at zero then, and nothing else is lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ledger.errors import LedgerBusyError, LedgerError, StorageFullError
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
from signer.errors import PullsError

_NAME = "sealbook-pulls"
_APPLICATION_ID = 0x5EA1B005
_ANEW = "move it away and start again: it is made anew, and counts from zero"
_MOST = (1 << 63) - 1

# A released migration never changes.
_MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE pulls (
            day INTEGER NOT NULL,
            repository TEXT NOT NULL,
            outcome INTEGER NOT NULL,
            code TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (day, repository, outcome, code)
        ) STRICT, WITHOUT ROWID
        """,
        f"PRAGMA application_id = {_APPLICATION_ID}",
    ),
)


class Outcome(IntEnum):
    """What a host decided; the numbers are the contract's."""

    ALLOWED = 1
    WARNED = 2
    REFUSED = 3


class Pulls(NamedTuple):
    """How often hosts decided alike; without a `repository`, of all that are not named."""

    repository: str
    outcome: Outcome
    code: str
    times: int


class Totals(NamedTuple):
    """All of it together; `unsigned` are among the warned and refused."""

    allowed: int = 0
    warned: int = 0
    refused: int = 0
    unsigned: int = 0


class Store:
    """The open database. Safe in many threads. Days are counted from 1970-01-01, UTC."""

    def __init__(self, path: Path, most_a_day: int, keep_days: int) -> None:
        """Open the database at `path`, or make it.

        Raises:
            PullsError: it is broken, another program's, or cannot be opened.
            LedgerBusyError: another process has it open.
        """
        self._most_a_day = most_a_day
        self._keep_days = keep_days
        self._lock = Lock()
        self._closed = False
        self._purged = -1
        with _ours("opening"), ExitStack() as undo:
            undo.callback(LedgerLock(path.with_suffix(".lock")).close)
            self._connection = _open(path)
            undo.callback(self._connection.close)
            self._opened = undo.pop_all()

    def close(self) -> None:
        """Close the database; whoever asks it anything afterwards gets `PullsError`."""
        with self._lock:
            self._closed = True
            self._opened.close()

    def add(self, day: int, told: Iterable[Pulls]) -> None:
        """Count what was told on `day`, and forget what is too old by then.

        Raises:
            PullsError: it cannot be written; nothing of it is counted.
        """
        with self._lock, _ours("writing"), translated("commit", commit=True):
            self._check_open()
            with transaction(self._connection):
                run = self._connection.execute
                [known] = run("SELECT count(*) FROM pulls WHERE day = ?", (day,)).fetchone()
                for one in told:
                    known += self._count(day, one, named=known < self._most_a_day)
                if day != self._purged:
                    run("DELETE FROM pulls WHERE day <= ?", (day - self._keep_days,))
        self._purged = day

    def _count(self, day: int, one: Pulls, *, named: bool) -> int:
        """Count one, and return how many rows that made."""
        run = self._connection.execute
        add = "UPDATE pulls SET count = min(count + ?, ?) WHERE day = ?"
        add += " AND repository = ? AND outcome = ? AND code = ?"
        places = [one.repository, ""] if not named else [one.repository]
        for repository in places:
            key = (day, repository, int(one.outcome), one.code)
            if run(add, (one.times, _MOST - _MOST // 2, *key)).rowcount:
                return 0
        run("INSERT INTO pulls VALUES (?, ?, ?, ?, ?)", (*key, one.times))
        return 1

    def listed(
        self, since: int, until: int, repository: str, after: tuple[int, str, int, str], limit: int
    ) -> list[tuple[int, Pulls]]:
        """Return at most `limit` rows of these days behind the row `after`, with their days."""
        asked = "day >= ? AND day <= ? AND (day, repository, outcome, code) > (?, ?, ?, ?)"
        values: list[object] = [since, until, *after]
        if repository:
            asked += " AND repository = ?"
            values.append(repository)
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT * FROM pulls WHERE {asked}"  # noqa: S608  fixed words
                " ORDER BY day, repository, outcome, code LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [(day, Pulls(name, Outcome(n), code, count)) for day, name, n, code, count in found]

    def totals(self, since: int) -> Totals:
        """Return all from that day on."""
        sums = dict.fromkeys(Outcome, 0)
        unsigned = 0
        with self._reading() as connection:
            found = connection.execute(
                "SELECT outcome, code = 'unsigned', sum(count) FROM pulls WHERE day >= ?"
                " GROUP BY 1, 2",
                (since,),
            ).fetchall()
        for outcome, is_unsigned, count in found:
            sums[Outcome(outcome)] += count
            unsigned += count if is_unsigned else 0
        allowed, warned, refused = sums.values()
        return Totals(allowed, warned, refused, unsigned)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._lock, _ours("reading"), translated("reading"):
            self._check_open()
            yield self._connection

    def _check_open(self) -> None:
        if self._closed:
            raise PullsError("the counters of pulls were closed")


def _open(path: Path) -> Connection:
    with ExitStack() as undo:
        if not os.path.lexists(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        connection = connect(path, "rw")
        undo.callback(connection.close)
        with translated(f"reading {path}"):
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                be_durable(connection)  # new, or whoever began to make it died
                migrate(connection, _NAME, _MIGRATIONS)
            elif version(path, connection, _APPLICATION_ID, len(_MIGRATIONS)) < len(_MIGRATIONS):
                migrate(connection, _NAME, _MIGRATIONS)
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise PullsError(f"{path}: {verdict}", hint=_ANEW)
            be_durable(connection)
        undo.pop_all()
        return connection


@contextmanager
def _ours(what: str) -> Iterator[None]:
    """Turn what keeps us from the database into `PullsError`."""
    try:
        yield
    except (StorageFullError, LedgerBusyError):
        raise
    except LedgerError as e:
        raise PullsError(f"{what} the counters of pulls: {e.message}", hint=_ANEW) from e
    except OSError as e:
        raise PullsError(f"{what} the counters of pulls: {e.strerror}") from e
