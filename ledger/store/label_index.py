"""The label index, made from the entries: by the migration to schema 2, and by repair.

    label (key, idx)       key: 8 bytes of SHA-256(name NUL value), as a signed number

Two labels that share a key do not disturb each other: whoever searches looks at
the row's own labels too. The name `body` is no label, but how an entry is found
by the hash of the body that it names.

Built beside the old index, in slices of a transaction each, and put in its place
at the end: whatever kills the process, there is always one whole index, and the
next call goes on where this one stopped (`label_progress` has the next entry).
"""

from __future__ import annotations

from ledger import labels
from ledger.errors import DamagedError
from ledger.store.connection import Connection, transaction
from ledger.store.reading import index_keys

_SLICE = 16_384  # entries a transaction: more keys share a page, and 10 MB of log each


def rebuild(connection: Connection, *, anew: bool = False) -> None:
    """Replace the index by one made from the entries.

    Goes on where an earlier call was cut off, unless it must be made `anew`.
    """
    begun = connection.execute("SELECT 1 FROM sqlite_schema WHERE name='label_progress'").fetchone()
    if anew or not begun:
        with transaction(connection):
            connection.execute("DROP TABLE IF EXISTS label_next")
            connection.execute("DROP TABLE IF EXISTS label_progress")
            connection.execute(
                "CREATE TABLE label_next (key INTEGER NOT NULL, idx INTEGER NOT NULL,"
                " PRIMARY KEY (key, idx)) STRICT, WITHOUT ROWID"
            )
            connection.execute("CREATE TABLE label_progress (idx INTEGER NOT NULL) STRICT")
            connection.execute("INSERT INTO label_progress VALUES (0)")
    while _slice(connection):
        pass
    with transaction(connection):
        connection.execute("DROP TABLE IF EXISTS label")
        connection.execute("ALTER TABLE label_next RENAME TO label")
        connection.execute("DROP TABLE label_progress")


def _slice(connection: Connection) -> bool:
    """Index the next entries, and return whether there were any."""
    with transaction(connection):
        start = int(connection.execute("SELECT idx FROM label_progress").fetchone()[0])
        # By index and not by count: a gap must not stop what lies behind it.
        found = connection.execute(
            "SELECT idx, entry, labels FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?",
            (start, _SLICE),
        )
        keys = []
        index = start - 1
        for found_index, entry, row_labels in found:
            index = int(found_index)
            keys += [(key, index) for key in _keys(entry, row_labels)]
        connection.executemany("INSERT INTO label_next VALUES (?, ?)", sorted(keys))
        connection.execute("UPDATE label_progress SET idx = ?", (index + 1,))
        return index >= start


def _keys(entry: bytes, row_labels: bytes) -> set[int]:
    try:
        return index_keys(entry, labels.decode(row_labels))
    except DamagedError:  # found by its body still; `sealbook fsck` says what is wrong with it
        return index_keys(entry, {})
