"""The schema of the database, version by version; `ledger.store.connection` applies it.

A row of `entry` never changes and is never deleted. Indexes beside it (`dedup`,
`label`, `tile`) can be rebuilt from the entries, never the reverse.
"""

from __future__ import annotations

from ledger.store.connection import Connection, Migration, transaction
from ledger.store.label_index import rebuild

NAME = "sealbook-ledger"
APPLICATION_ID = 0x5EA1B00C


def _label_by_hash(connection: Connection) -> None:
    """Look labels up by 8 bytes of their hash, bodies too, and claims by their entry."""
    rebuild(connection)
    with transaction(connection):
        connection.execute("CREATE INDEX IF NOT EXISTS claim_by_entry ON claim (idx)")


# A released migration never changes.
MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE ledger (one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL) STRICT
        """,
        """
        CREATE TABLE head (
            one INTEGER PRIMARY KEY CHECK (one = 1),
            tree_size INTEGER NOT NULL, root BLOB NOT NULL, compact BLOB NOT NULL,
            time INTEGER NOT NULL, frozen INTEGER NOT NULL, seal BLOB NOT NULL
        ) STRICT
        """,
        """
        -- body: the signed message; NULL: it lies in a file, or a logged statement deleted it
        CREATE TABLE entry (
            idx INTEGER PRIMARY KEY,
            entry BLOB NOT NULL, body BLOB, labels BLOB NOT NULL, time INTEGER NOT NULL,
            promise BLOB, timestamp BLOB
        ) STRICT
        """,
        """
        CREATE TABLE dedup (key BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE claim (
            key BLOB PRIMARY KEY, request BLOB NOT NULL, idx INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE label (
            name TEXT NOT NULL, value TEXT NOT NULL, idx INTEGER NOT NULL,
            PRIMARY KEY (name, value, idx)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE tile (id INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT
        """,
        """
        CREATE TABLE checkpoint (tree_size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT
        """,
        f"PRAGMA application_id = {APPLICATION_ID}",
    ),
    _label_by_hash,
    (
        # DER certificates above the one in the entry
        "ALTER TABLE entry ADD COLUMN chain BLOB",
        # bytes of a body that lies in a file; 0 where the row has it, or there is none
        "ALTER TABLE entry ADD COLUMN body_size INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX large_body ON entry (idx) WHERE body_size > 0",
    ),
)
VERSION = len(MIGRATIONS)
