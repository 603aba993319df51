"""What only a repair writes: tiles, dedup keys, labels and their index, made from the entries.

A new index is made beside the old one and put in its place at the end, so that
a repair that is cut off leaves what was there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Self

from ledger.store import label_index
from ledger.store.connection import Connection, be_durable, connect, transaction, translated
from ledger.store.reading import tile_row_id
from ledger.tiles import HEIGHT, Tile, TileId

_LEVELS = 8


class Rebuilder:
    """A connection that writes indexes; the service must be stopped. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open the database at `path`."""
        self._connection: Connection = connect(path, "rw")
        with translated("repair", commit=True):
            be_durable(self._connection)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        with closing(self._connection):
            pass

    def put_tiles(self, tiles: Iterable[Tile]) -> None:
        """Store these tiles instead of what was in their place."""
        rows = [(tile_row_id(tile.id), tile.hashes) for tile in tiles]
        with translated("repair", commit=True), transaction(self._connection):
            self._connection.executemany("INSERT OR REPLACE INTO tile VALUES (?, ?)", rows)

    def drop_tiles_beyond(self, tree_size: int) -> None:
        """Delete the tiles that a tree of this size does not have."""
        levels = [
            (
                tile_row_id(TileId(level, tree_size >> HEIGHT * (level + 1))),
                tile_row_id(TileId(level + 1, 0)),
            )
            for level in range(_LEVELS)
        ]
        with translated("repair", commit=True), transaction(self._connection):
            self._connection.executemany("DELETE FROM tile WHERE id >= ? AND id < ?", levels)
            self._connection.execute(
                "DELETE FROM tile WHERE id < 0 OR id >= ?", (tile_row_id(TileId(_LEVELS, 0)),)
            )

    def put_labels(self, labels: Iterable[tuple[bytes, int]]) -> None:
        """Store these labels with the entries at these indices."""
        with translated("repair", commit=True), transaction(self._connection):
            self._connection.executemany("UPDATE entry SET labels = ? WHERE idx = ?", labels)

    def begin_dedup(self) -> None:
        """Begin a new dedup index."""
        with translated("repair", commit=True), transaction(self._connection):
            self._connection.execute("DROP TABLE IF EXISTS dedup_next")
            self._connection.execute(
                "CREATE TABLE dedup_next (key BLOB PRIMARY KEY, idx INTEGER NOT NULL)"
                " STRICT, WITHOUT ROWID"
            )

    def add_dedup(self, keys: Iterable[tuple[bytes, int]]) -> None:
        """Add keys to the new dedup index; of two with one key the older entry is found."""
        with translated("repair", commit=True), transaction(self._connection):
            self._connection.executemany(
                "INSERT OR IGNORE INTO dedup_next VALUES (?, ?)", sorted(keys)
            )

    def finish_dedup(self) -> None:
        """Put the new dedup index in the place of the old one."""
        with translated("repair", commit=True), transaction(self._connection):
            self._connection.execute("DROP TABLE IF EXISTS dedup")
            self._connection.execute("ALTER TABLE dedup_next RENAME TO dedup")

    def rebuild_label_index(self) -> None:
        """Replace the label index by one made from the entries and their labels."""
        with translated("repair", commit=True):
            label_index.rebuild(self._connection, anew=True)
