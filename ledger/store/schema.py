"""The schema of the database, version by version; made and raised by sqlite-utils.

A row of `entry` never changes and is never deleted. Indexes beside it (`dedup`,
`label`, `tile`) can be rebuilt from the entries, never the reverse.
"""

from __future__ import annotations

from typing import Any

APPLICATION_ID = 0x5EA1B00C
VERSION = 1

_FIRST = """\
CREATE TABLE ledger (one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL) STRICT;
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    tree_size INTEGER NOT NULL, root BLOB NOT NULL, compact BLOB NOT NULL,
    time INTEGER NOT NULL, frozen INTEGER NOT NULL, seal BLOB NOT NULL
) STRICT;
-- body: the signed message, NULL when it lies in a file or was deleted by a logged statement
CREATE TABLE entry (
    idx INTEGER PRIMARY KEY,
    entry BLOB NOT NULL, body BLOB, labels BLOB NOT NULL, time INTEGER NOT NULL,
    promise BLOB, timestamp BLOB
) STRICT;
CREATE TABLE dedup (key BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE claim (
    key BLOB PRIMARY KEY, request BLOB NOT NULL, idx INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE label (
    name TEXT NOT NULL, value TEXT NOT NULL, idx INTEGER NOT NULL,
    PRIMARY KEY (name, value, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE tile (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
CREATE TABLE checkpoint (tree_size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
"""


def migrate(connection: Any) -> None:
    """Apply every migration that this database lacks, each in a transaction."""
    from sqlite_utils import Database, Migrations  # 170 ms, and the usual start needs none of it

    migrations = Migrations("sealbook-ledger")

    @migrations()
    def create(db: Database) -> None:
        for statement in _FIRST.split(";"):
            if statement.strip():
                db.conn.execute(statement)
        db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.conn.execute("PRAGMA user_version = 1")

    migrations.apply(Database(connection))
