"""What only a check of the whole database asks: rows with their index, and what should not be.

Nothing here believes the head or the types of a damaged page. Whatever compares
with the head does so in one statement, which sees one moment of a database that
is being written to; everything else is read in slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ledger.errors import DamagedError, LockedError
from ledger.store import Row
from ledger.store.reading import ROW, SqliteReader, tile_of, tile_row_id
from ledger.tiles import HEIGHT, TileId

_LEVELS = 8  # of tiles, in any tree below 2**63 leaves
_COUNTED = 16_384  # index rows a read
_MOST = 1000  # examples of what lies outside


class Outside(NamedTuple):
    """A row that belongs to no entry: of which table, at which index, and what it says."""

    table: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    what: str


def numbered_entries(reader: SqliteReader, start: int, stop: int) -> list[tuple[int, bytes]]:
    """Return index and entry of what is there from `start` to before `stop`."""
    sql = "SELECT idx, entry FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
    return reader.all(sql, (start, stop))


def numbered_rows(reader: SqliteReader, start: int, stop: int) -> list[tuple[int, Row]]:
    """Return index and row of what is there from `start` to before `stop`.

    A body that cannot be decrypted is as it lies there: `ledger.derived.body_of` says why.
    """
    sql = f"SELECT idx, {ROW} FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"  # noqa: S608
    return [(row[0], _opened(reader, *row)) for row in reader.all(sql, (start, stop))]


def _opened(reader: SqliteReader, index: int, *columns: Any) -> Row:
    row = Row(*columns)
    try:
        return reader.opened(index, row)
    except (DamagedError, LockedError):
        return row


def large(reader: SqliteReader) -> Iterator[Row]:
    """Yield the rows whose bodies lie in files, in order."""
    after = -1
    sql = f"SELECT idx, {ROW} FROM entry WHERE body_size > 0 AND idx > ? ORDER BY idx LIMIT ?"  # noqa: S608
    while page := reader.all(sql, (after, _COUNTED)):
        yield from (Row(*row[1:]) for row in page)
        after = page[-1][0]


def top(reader: SqliteReader) -> int:
    """Return the index behind the last row that is there."""
    found = reader.one("SELECT max(idx) FROM entry")[0]
    return 0 if found is None else int(found) + 1


def tiles(reader: SqliteReader, level: int, start: int, stop: int) -> dict[int, bytes]:
    """Return the stored tiles of `level` from `start` to before `stop`, by number."""
    found = reader.all(
        "SELECT id, hashes FROM tile WHERE id >= ? AND id < ?",
        (tile_row_id(TileId(level, start)), tile_row_id(TileId(level, stop))),
    )
    return {tile_of(row[0]).n: row[1] for row in found}


def indexed(
    reader: SqliteReader, keys: Sequence[int], start: int, stop: int
) -> list[tuple[int, int]]:
    """Return the rows of the label index under `keys`, from `start` to before `stop`."""
    marks = ",".join("?" * len(keys))
    sql = f"SELECT key, idx FROM label WHERE key IN ({marks}) AND idx >= ? AND idx < ?"  # noqa: S608
    return reader.all(sql, (*keys, start, stop))


def notes(reader: SqliteReader, start: int, stop: int) -> list[tuple[int, str]]:
    """Return the kept checkpoints of the tree sizes from `start` to before `stop`."""
    sql = "SELECT tree_size, note FROM checkpoint WHERE tree_size >= ? AND tree_size < ? ORDER BY 1"
    return reader.all(sql, (start, stop))


class Count(NamedTuple):
    """How many rows an index has for the entries that are checked, and for none at all."""

    within: int
    beyond: int


# One statement sees one head: rows of entries that land meanwhile are within it.
_COUNT = (
    "SELECT count(*) FILTER (WHERE idx >= 0 AND idx < ?),"
    " count(*) FILTER (WHERE idx < 0 OR idx >= (SELECT tree_size FROM head))"
)


def count_dedup(reader: SqliteReader, stop: int) -> Count:
    """Count the dedup keys of the entries before `stop`, and those beyond the head."""
    total, after = Count(0, 0), b""
    while True:
        sql = "SELECT key FROM dedup WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
        last = reader.one(sql, (after, _COUNTED - 1))
        bound = ("key <= ?", last[0]) if last else ("? IS NULL", None)
        sql = f"{_COUNT} FROM dedup WHERE key > ? AND {bound[0]}"
        found = reader.one(sql, (stop, after, bound[1]))
        total = Count(total.within + found[0], total.beyond + found[1])
        if not last:
            return total
        after = last[0]


def count_labels(reader: SqliteReader, stop: int) -> Count:
    """Count the rows of the label index likewise."""
    total, after = Count(0, 0), (-(2**63), -(2**63))
    while True:
        sql = (
            "SELECT key, idx FROM label WHERE (key, idx) > (?, ?)"
            " ORDER BY key, idx LIMIT 1 OFFSET ?"
        )
        last = reader.one(sql, (*after, _COUNTED - 1))
        bound = last or (2**63 - 1, 2**63 - 1)
        sql = f"{_COUNT} FROM label WHERE (key, idx) > (?, ?) AND (key, idx) <= (?, ?)"
        found = reader.one(sql, (stop, *after, *bound))
        total = Count(total.within + found[0], total.beyond + found[1])
        if not last:
            return total
        after = last


def dedup_rows(reader: SqliteReader) -> Iterator[tuple[bytes, int]]:
    """Yield all dedup keys with their index, read in slices."""
    page = reader.all("SELECT key, idx FROM dedup ORDER BY key LIMIT ?", (_COUNTED,))
    while page:
        yield from page
        sql = "SELECT key, idx FROM dedup WHERE key > ? ORDER BY key LIMIT ?"
        page = reader.all(sql, (page[-1][0], _COUNTED))


def label_rows(reader: SqliteReader) -> Iterator[tuple[int, int]]:
    """Yield all rows of the label index, key and index, read in slices."""
    page = reader.all("SELECT key, idx FROM label ORDER BY key, idx LIMIT ?", (_COUNTED,))
    while page:
        yield from page
        sql = "SELECT key, idx FROM label WHERE (key, idx) > (?, ?) ORDER BY key, idx LIMIT ?"
        page = reader.all(sql, (*page[-1], _COUNTED))


# Which number of a row the head limits, what to call the row, and from where it is outside.
_OUTSIDE = {
    "entry": ("idx", "'an entry'", "tree_size"),
    "claim": ("idx", "'a claim ' || hex(key)", "tree_size"),
    "checkpoint": ("tree_size", "'a checkpoint'", "tree_size + 1"),
}


def outside(reader: SqliteReader, table: str) -> list[Outside]:
    """Return rows of a table that lie beyond the head or before entry 0, at one moment."""
    if table == "tile":
        return _tiles_outside(reader)
    number, what, limit = _OUTSIDE[table]
    found = []
    for where in (f"< 0 AND {number} < ", ">= "):  # two look-ups; one OR would read it all
        sql = (
            f"SELECT {number}, {what} FROM {table} WHERE {number} {where}"  # noqa: S608
            f" (SELECT {limit} FROM head) ORDER BY {number} LIMIT {_MOST}"
        )
        found += [Outside(table, row[0], row[1]) for row in reader.all(sql)]
    return found


def _tiles_outside(reader: SqliteReader) -> list[Outside]:
    found = []
    for level in range(_LEVELS):
        sql = (
            "SELECT id FROM tile WHERE id >= ? + ((SELECT tree_size FROM head) >> ?) AND id < ?"
            " ORDER BY 1 LIMIT ?"
        )
        first, behind = tile_row_id(TileId(level, 0)), tile_row_id(TileId(level + 1, 0))
        for (row_id,) in reader.all(sql, (first, HEIGHT * (level + 1), behind, _MOST)):
            n = tile_of(row_id).n
            found.append(Outside("tile", n << HEIGHT * (level + 1), f"tile {level}/{n}"))
    for where in ("< 0", f">= {tile_row_id(TileId(_LEVELS, 0))}"):
        sql = f"SELECT id FROM tile WHERE id {where} ORDER BY 1 LIMIT {_MOST}"  # noqa: S608
        for (row_id,) in reader.all(sql):
            found.append(Outside("tile", 0, f"a tile with the id {row_id}"))
    return found
