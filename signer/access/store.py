"""What must be remembered about logins, in a database of its own: they never wait for the ledger.

    used      tokens that were exchanged, until they would have ended anyway
    session   what came of them: the hash of a secret, and who it stands for
    api_key   keys of at most a day, each with the hash of its secret
    told      `floor`, before which no token may be from; `newest`, the last exchange

What is written is durable when a call returns. A database that is missing is made anew, and
nothing is lost but logins; but nobody knows any more which tokens were used, so that none from
before counts. One that is broken keeps the service from starting. Do not bring an old one back:
with it, what was revoked or used since is not.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from ledger.errors import LedgerError
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
from signer.access.oidc import Reuse
from signer.at_rest import Sealing
from signer.errors import AccessError, TokenUsedError

log = structlog.get_logger()

_NAME = "sealbook-access"
_APPLICATION_ID = 0x5EA1B002
_ANEW = "move it away and start again: it is made anew, and everybody logs in again"
# How far a clock here and an issuer's may differ, and ours from itself.
_SKEW_S = 60
_AGAIN_S = 60  # between two uses of a token that is used again by design
_MARGIN_S = 3600  # for which a used token is remembered after its end
KEPT_S = 86_400  # for which API keys that ended are listed

# A released migration never changes.
_MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE used (
            token BLOB PRIMARY KEY, used_at INTEGER NOT NULL, until INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX used_until ON used (until)",
        """
        CREATE TABLE session (
            hash BLOB PRIMARY KEY, expires_at INTEGER NOT NULL, record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE api_key (
            id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE TABLE told (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        f"PRAGMA application_id = {_APPLICATION_ID}",
    ),
)


class Used(NamedTuple):
    """A token that is being used; `token` is the same for every spelling of it."""

    token: bytes
    reuse: Reuse
    issued_at: int
    expires_at: int


class Session(NamedTuple):
    """The hash of a session's secret, when it ends, and who it stands for."""

    hash: bytes
    expires_at: int
    record: bytes


class Store:
    """The open database. Its calls may be made on one event loop; a thread of its own writes."""

    def __init__(
        self, path: Path, sealing: Sealing | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the database at `path`, or make it; records of API keys are sealed by `sealing`.

        Raises:
            AccessError: it is broken, another program's, or cannot be opened.
            LedgerBusyError: another process has it open.
        """
        self._path = path
        self._sealing = sealing
        self._clock = clock
        with ExitStack() as undo:
            undo.callback(LedgerLock(path.with_suffix(".lock")).close)
            if not os.path.lexists(path):
                log.warning("logins are forgotten: their database is made anew", path=str(path))
                self.create(path, floor=int(clock()) + _SKEW_S)
            with _ours("opening"):
                path.chmod(0o600)
                self._connection = connect(path, "rw")
                undo.callback(self._connection.close)
                _check_whole(path, self._connection)
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="sealbook-access")
            undo.callback(self._writer.shutdown)
            self._opened = undo.pop_all()

    @classmethod
    def create(cls, path: Path, floor: int = 0) -> None:
        """Make an empty database at `path`; tokens from before `floor`, POSIX seconds, count not.

        Raises:
            AccessError: it cannot be made, or is there.
        """
        with _ours("creating"):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            connection = connect(path, "rw")
            try:
                be_durable(connection)
                migrate(connection, _NAME, _MIGRATIONS)
                with transaction(connection):
                    told = (("floor", floor), ("newest", 0))
                    connection.executemany("INSERT INTO told VALUES (?, ?)", told)
            finally:
                connection.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Finish what is being written, and close the database."""
        self._opened.close()

    def sessions(self) -> list[Session]:
        """Return those that have not ended, and may be believed.

        Raises:
            AccessError: one cannot be read, or cannot be opened.
        """
        with _ours("reading"), translated("reading"):
            rows = self._connection.execute(
                "SELECT hash, expires_at, record FROM session WHERE expires_at > ?",
                (int(self._clock()),),
            ).fetchall()
            opened = ((*row[:2], self._unsealed("session", *row[::2])) for row in rows)
            return [Session(*row) for row in opened if row[2]]

    def api_keys(self) -> list[bytes]:
        """Return the record of every API key, those too that ended; raises like `sessions`."""
        with _ours("reading"), translated("reading"):
            rows = self._connection.execute("SELECT id, record FROM api_key").fetchall()
            opened = (self._unsealed("api_key", id_.encode(), record) for id_, record in rows)
            return [record for record in opened if record]

    async def check(self, used: Used) -> None:
        """Return if a token could be used now; raises like `exchange`, which asks again."""
        await self._write(lambda: self._check(used))

    async def exchange(self, used: Used, session: Session) -> None:
        """Remember that a token was used, and the session that came of it: both, or nothing.

        Raises:
            TokenUsedError: it was used before, or may have been.
            AccessError: it cannot be written; the token may count as used.
        """
        await self._write(lambda: self._exchange(used, session))

    async def put_api_key(self, id_: str, expires_at: int, record: bytes) -> None:
        """Write the record of an API key, in the place of an older one.

        Raises:
            AccessError: it cannot be written, or may not be.
        """
        await self._write(lambda: self._put_api_key(id_, expires_at, record))

    async def _write(self, work: Callable[[], object]) -> None:
        # Whoever gives up waiting does not take back what is being written.
        await asyncio.shield(asyncio.wrap_future(self._writer.submit(self._written, work)))

    def _written(self, work: Callable[[], object]) -> None:
        with _ours("writing"), translated("commit", commit=True), transaction(self._connection):
            work()

    def _check(self, used: Used) -> int:
        """Return the time at which `used` may be used."""
        run, now = self._connection.execute, int(self._clock())
        told = dict(run("SELECT name, value FROM told").fetchall())
        if used.issued_at < told["floor"]:
            raise TokenUsedError("the token is older than what is known of tokens that were used")
        if now < told["newest"] - _SKEW_S:
            raise AccessError(f"the clock went back {told['newest'] - now} s since a login")
        found = run("SELECT used_at FROM used WHERE token = ?", (used.token,)).fetchone()
        if found is not None and not (used.reuse == "minute" and now >= found[0] + _AGAIN_S):
            again = "once" if used.reuse == "once" else f"once in {_AGAIN_S} s"
            raise TokenUsedError(f"the token was exchanged before: it counts {again}")
        return now

    def _exchange(self, used: Used, session: Session) -> None:
        run, now = self._connection.execute, self._check(used)
        run("DELETE FROM used WHERE until < ?", (now,))
        run("DELETE FROM session WHERE expires_at <= ?", (now,))
        until = used.expires_at + _MARGIN_S
        run("INSERT OR REPLACE INTO used VALUES (?, ?, ?)", (used.token, now, until))
        sealed = self._sealed("session", session.hash, session.record)
        run("INSERT INTO session VALUES (?, ?, ?)", (session.hash, session.expires_at, sealed))
        run("UPDATE told SET value = max(value, ?) WHERE name = 'newest'", (now,))

    def _put_api_key(self, id_: str, expires_at: int, record: bytes) -> None:
        run = self._connection.execute
        run("DELETE FROM api_key WHERE expires_at < ?", (int(self._clock()) - KEPT_S,))
        sealed = self._sealed("api_key", id_.encode(), record)
        run("INSERT OR REPLACE INTO api_key VALUES (?, ?, ?)", (id_, expires_at, sealed))

    def _sealed(self, table: str, row: bytes, record: bytes) -> bytes:
        return self._sealing.seal(table, row, record) if self._sealing else record

    def _unsealed(self, table: str, row: bytes, record: bytes) -> bytes:
        """Return a record as it was, or nothing for one that anybody could have put there."""
        if self._sealing is not None:
            if Sealing.is_sealed(record):
                return self._sealing.open(table, row, record)
            log.warning("a record that is not encrypted counts no more", table=table)
            return b""
        if Sealing.is_sealed(record):
            raise AccessError(
                f"{self._path} is encrypted, and nothing opens it",
                hint="bring [at_rest] back with api_keys = true, or move the database away",
            )
        return record


@contextmanager
def _ours(what: str) -> Iterator[None]:
    """Turn what keeps us from the database into `AccessError`."""
    try:
        yield
    except LedgerError as e:
        raise AccessError(f"{what} the database of logins: {e.message}", hint=_ANEW) from e
    except OSError as e:
        raise AccessError(f"{what} the database of logins: {e.strerror}", hint=_ANEW) from e


def _check_whole(path: Path, connection: Connection) -> None:
    with translated(f"reading {path}"):
        if version(path, connection, _APPLICATION_ID, len(_MIGRATIONS)) < len(_MIGRATIONS):
            migrate(connection, _NAME, _MIGRATIONS)
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise AccessError(f"{path}: {verdict}", hint=_ANEW)
        be_durable(connection)
