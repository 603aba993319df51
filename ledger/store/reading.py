"""All that is read from a ledger's database, over connections that cannot write.

One `mode=ro` connection per thread, which never checkpoints and never holds a
transaction open across calls: entries and full tiles do not change, so no
snapshot is needed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock, local
from typing import Any

from ledger import at_rest, labels
from ledger.at_rest import DataKeys, Place
from ledger.errors import DamagedError, LedgerError
from ledger.store import SLICE, Claim, Head, Row, label_key
from ledger.store.connection import Connection, connect, translated
from ledger.tiles import TileId
from verifier import limits
from verifier.errors import MalformedError
from verifier.merkle import Hash

ROW = "entry, body, labels, time, promise, timestamp, chain, body_size"  # the columns of `Row`
_LEVEL_BITS = 56  # a tile's row id is its level above this many bits of its number
_BODY = "body"  # the name under which the label index knows bodies; no label is called so


def tile_row_id(tile: TileId) -> int:
    """Return the id of the row that holds this tile."""
    return tile.level << _LEVEL_BITS | tile.n


def tile_of(row_id: int) -> TileId:
    """Return the tile that the row with this id holds: the inverse of `tile_row_id`."""
    return TileId(row_id >> _LEVEL_BITS, row_id & (1 << _LEVEL_BITS) - 1)


def index_keys(entry: bytes, row_labels: labels.Labels) -> set[int]:
    """Return what the label index holds of an entry: a key for each label, and for its body.

    An opaque entry has none: who uploads a hash must not stand before what it is the hash of.
    """
    keys = {label_key(name, value) for name, values in row_labels.items() for value in values}
    name = labels.body_name(entry)
    if name and row_labels.get("form") != [labels.OPAQUE]:  # `labels.is_opaque`, decoded
        keys.add(body_key(name))
    return keys


def body_key(name: str) -> int:
    """Return the key under which the label index knows the body with this name."""
    return label_key(_BODY, name)


class SqliteReader:
    """The reading half of `Store`, in any thread."""

    def __init__(self, path: Path, keys: DataKeys | None = None) -> None:
        """Read the database at `path`; connections are made when they are needed.

        Bodies that are encrypted are opened with `keys`.
        """
        self._path = path
        self._keys = keys
        self._local = local()
        self._readers: list[Connection] = []
        self._readers_lock = Lock()

    @property
    def path(self) -> Path:
        """Where the database is: only SQLite may open it."""
        return self._path

    @property
    def keys(self) -> DataKeys | None:
        """What opens encrypted bodies, in rows and in files."""
        return self._keys

    def head(self) -> Head:
        """Return the head of the last commit."""
        row = self.one("SELECT tree_size, root, compact, time, frozen, seal FROM head")
        if row is None:
            raise DamagedError("the database has no head")
        tree_size, root, compact, time, frozen, seal = row
        try:
            if not (_is_number(tree_size) and _is_number(time) and isinstance(seal, bytes)):
                raise DamagedError("the head of the database: expected numbers and a seal")
            hashes = [Hash(compact[i : i + 32]) for i in range(0, len(compact), 32)]
            if frozen not in (0, 1):
                raise DamagedError(f"the head of the database: expected frozen or not, {frozen!r}")
            return Head(tree_size, Hash(root), tuple(hashes), time, frozen == 1, seal)
        except (MalformedError, TypeError) as e:  # a damaged page may give another type
            raise DamagedError(f"the head of the database: {e}") from e

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from `start` to before `stop`, at most `SLICE` of them.

        Raises:
            LockedError: a body is encrypted with a key that is not known here.
            DamagedError: one is altered, or another row's.
        """
        return [self.opened(row[0], Row(*row[1:])) for row in self.raw_rows(start, stop)]

    def raw_rows(self, start: int, stop: int) -> list[Any]:
        """Return index and columns of these rows as they lie there; for this room alone."""
        sql = f"SELECT idx, {ROW} FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"  # noqa: S608
        return self.all(sql, _slice(start, stop))

    def opened(self, index: int, row: Row) -> Row:
        """Return a row as it lies there with its body as it was; raises like `rows`."""
        if not isinstance(row.body, bytes) or not at_rest.is_sealed(row.body):
            return row
        try:
            body = at_rest.unseal(self._keys, Place.of_entry(index), row.body)
        except LedgerError as e:
            raise type(e)(f"the body of entry {index}: {e.message}") from e
        return row._replace(body=body)

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Return the entries from `start` to before `stop`, at most `SLICE` of them."""
        sql = "SELECT entry FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
        return [row[0] for row in self.all(sql, _slice(start, stop))]

    def position(self, time: int) -> int:
        """Return the first index whose entry is of `time` or later, else the tree size."""
        return bisect_left(range(self.head().tree_size), time, key=self._time)

    def _time(self, index: int) -> int:
        row = self.one("SELECT time FROM entry WHERE idx=?", (index,))
        if row is None:
            raise DamagedError(f"entry {index} is missing")
        return int(row[0])

    def tile(self, tile: TileId) -> bytes:
        """Return the 8,192 bytes of a full tile; raises `DamagedError` if it is not there."""
        row = self.one("SELECT hashes FROM tile WHERE id=?", (tile_row_id(tile),))
        if row is None:
            raise DamagedError(f"tile {tile.level}/{tile.n} is missing")
        hashes: bytes = row[0]
        return hashes

    def find(self, key: bytes) -> int | None:
        """Return the index of the entry with this dedup key."""
        row = self.one("SELECT idx FROM dedup WHERE key=?", (key,))
        return None if row is None else int(row[0])

    def find_many(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the index for each of these dedup keys that is there, at most `SLICE` keys."""
        assert len(keys) <= SLICE
        marks = ",".join("?" * len(keys))
        found = self.all(f"SELECT key, idx FROM dedup WHERE key IN ({marks})", keys)  # noqa: S608
        return {row[0]: row[1] for row in found}

    def claim(self, key: bytes) -> Claim | None:
        """Return the claim with this idempotency key."""
        row = self.one("SELECT key, request, idx FROM claim WHERE key=?", (key,))
        return None if row is None else Claim(*row)

    def claims(self, start: int, stop: int) -> list[Claim]:
        """Return the claims on the entries from `start` to before `stop`, by index, then key."""
        sql = "SELECT key, request, idx FROM claim WHERE idx >= ? AND idx < ? ORDER BY idx, key"
        return [Claim(*row) for row in self.all(sql, _slice(start, stop))]

    def search(
        self, name: str, value: str, after: int, limit: int, stop: int = limits.TREE_SIZE
    ) -> list[int]:
        """Return up to `limit` indices between `after` and `stop` of entries with this label."""
        limit = min(limit, SLICE)
        found: list[int] = []
        stop = min(stop, limits.TREE_SIZE - 1)
        sql = (
            "SELECT idx, labels FROM label CROSS JOIN entry USING (idx)"
            " WHERE key = ? AND idx > ? AND idx < ? ORDER BY idx LIMIT ?"
        )
        while len(found) < limit and after < stop:
            page = self.all(sql, (label_key(name, value), after, stop, limit - len(found)))
            if not page:
                break
            after = page[-1][0]
            found += [index for index, row in page if _bears(row, name, value)]
        return found

    def newest(self, name: str, value: str, stop: int, limit: int) -> list[int]:
        """Return up to `limit` indices below `stop` of entries with this label, descending."""
        limit = min(limit, SLICE)
        found: list[int] = []
        stop = min(stop, limits.TREE_SIZE - 1)
        sql = (
            "SELECT idx, labels FROM label CROSS JOIN entry USING (idx)"
            " WHERE key = ? AND idx < ? ORDER BY idx DESC LIMIT ?"
        )
        while len(found) < limit:
            page = self.all(sql, (label_key(name, value), stop, limit - len(found)))
            if not page:
                break
            stop = page[-1][0]
            found += [index for index, row in page if _bears(row, name, value)]
        return found

    def last(self, name: str, value: str) -> int | None:
        """Return the index of the newest entry with this label."""
        return next(iter(self.newest(name, value, limits.TREE_SIZE, 1)), None)

    def body(self, name: str) -> int | None:
        """Return the first index whose entry names its body so."""
        return next(self.naming(name), None)

    def naming(self, name: str) -> Iterator[int]:
        """Yield the index of each entry that names its body so, oldest first."""
        after = -1
        sql = (
            "SELECT idx, entry FROM label CROSS JOIN entry USING (idx)"
            " WHERE key = ? AND idx > ? ORDER BY idx LIMIT 1"
        )
        while row := self.one(sql, (body_key(name), after)):
            after = int(row[0])
            if labels.body_name(row[1]) == name:
                yield after

    def note(self, tree_size: int) -> str | None:
        """Return the signed checkpoint that was kept for this size, if one was."""
        if tree_size >= limits.TREE_SIZE:
            return None
        row = self.one("SELECT note FROM checkpoint WHERE tree_size=?", (tree_size,))
        return None if row is None else str(row[0])

    def notes(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return up to `limit` kept checkpoints of trees larger than `after`, by size."""
        if after >= limits.TREE_SIZE:
            return []
        sql = "SELECT tree_size, note FROM checkpoint WHERE tree_size > ? ORDER BY 1 LIMIT ?"
        return [(int(row[0]), str(row[1])) for row in self.all(sql, (after, min(limit, SLICE)))]

    def close(self) -> None:
        """Close every reading connection."""
        with self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()

    def one(self, sql: str, values: Sequence[object] = ()) -> Any:
        """Return the first row of a query, or None; for this room alone."""
        with translated("read"):
            return self._reader().execute(sql, values).fetchone()

    def all(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a query, which must be few; for this room alone."""
        with translated("read"):
            rows: list[Any] = self._reader().execute(sql, values).fetchall()
            return rows

    def _reader(self) -> Connection:
        """Return this thread's read-only connection."""
        reader = getattr(self._local, "reader", None)
        if reader is None:
            reader = connect(self._path, "ro")
            reader.execute("PRAGMA wal_autocheckpoint=0")
            with self._readers_lock:
                self._readers.append(reader)
            self._local.reader = reader
        return reader


def _is_number(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _slice(start: int, stop: int) -> tuple[int, int]:
    """Return bounds that a query takes: at most `SLICE` apart, within 64 bits."""
    end = limits.TREE_SIZE - 1
    return min(start, end), min(stop, start + SLICE, end)


def _bears(row_labels: bytes, name: str, value: str) -> bool:
    """Whether these labels, of a row, have this one: its key may be another one's too."""
    return value in labels.decode(row_labels).get(name, ())
