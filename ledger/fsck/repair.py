"""Repair: tiles, dedup keys, labels and their index made anew from entries and bodies.

Never the reverse: entries, bodies, head, claims and checkpoints are not touched,
and nothing is, unless every entry is there, they hash to the root of the sealed
head, and every body is the one that its entry names. What fails that is mended
from a mirror or a backup, not here.

1. Take the ledger's lock: the service must be stopped.
2. Check the head's seal, every entry and every body.
3. Make the tiles again, level by level, and drop those of no tree.
4. Derive labels and dedup keys; then the label index from the labels.

A repair that is cut off is begun again; there is a whole index at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

from ledger import labels, tree
from ledger.at_rest import DataKeys
from ledger.bodies import Bodies, beside
from ledger.derived import derive
from ledger.edge import advance
from ledger.errors import DamagedError, ForeignLedgerError, LockedError
from ledger.lock import LedgerLock
from ledger.opening import Home
from ledger.seal import check_head
from ledger.store import SLICE, Row, scanning
from ledger.store.rebuilding import Rebuilder
from ledger.store.sqlite import SqliteStore
from ledger.tiles import WIDTH, Edge, Tile
from verifier.errors import SealbookError
from verifier.merkle import Hash, hash_leaf

_ROWS = 512  # rows a read: their bodies are in memory together


class Repaired(NamedTuple):
    """How many tiles and labels were wrong, and of how many entries indexes were made."""

    tiles: int
    labels: int
    entries: int


class _Derived(NamedTuple):
    """What follows from an entry and its body; `dedup` is None when its body is gone."""

    labels: bytes
    dedup: bytes | None


def repair(
    home: Home,
    seal_key: bytes,
    progress: Callable[[int, int], None],
    keys: DataKeys | None = None,
) -> Repaired:
    """Make everything again that follows from the entries of the ledger at `home`.

    Bodies that are encrypted are opened with `keys`.

    Raises:
        LedgerBusyError: it is being served.
        LockedError: a body is encrypted, and its key is not known here; nothing was changed.
        DamagedError: head, entries or bodies are damaged; nothing was changed.
    """
    with ExitStack() as stack:
        # 1.
        lock = LedgerLock(home.lock)
        stack.callback(lock.close)
        store = SqliteStore(home.database, read_only=True, keys=keys)
        stack.callback(store.close)
        if store.origin != home.origin:
            raise ForeignLedgerError(f"expected {home.origin}, {home.database} is {store.origin}")
        # 2.
        check_head(store, seal_key)
        size = store.head().tree_size
        _check_entries(store, size, lambda done: progress(done, 3 * size))
        # 3.
        write = stack.enter_context(Rebuilder(home.database))
        tiles = _tiles(store, write, size, lambda done: progress(size + done, 3 * size))
        # 4.
        changed = _records(store, write, size, lambda done: progress(2 * size + done, 3 * size))
        write.rebuild_label_index()
        return Repaired(tiles, changed, size)


def _check_entries(store: SqliteStore, size: int, progress: Callable[[int], None]) -> None:
    compact: tuple[Hash, ...] = ()
    bodies = beside(store.path, store.keys)
    for start in range(0, size, _ROWS):
        stop = min(start + _ROWS, size)
        rows = _rows(store, start, stop)
        for index, row in enumerate(rows, start):
            _derive(index, row, bodies)
        compact = tree.extend(start, compact, [hash_leaf(row.entry) for row in rows]).compact
        progress(stop)
    root = store.head().root
    if tree.root(compact) != root:
        raise DamagedError(f"the entries hash to {tree.root(compact).hex()}, not {root.hex()}")


def _rows(store: SqliteStore, start: int, stop: int) -> list[Row]:
    rows = store.rows(start, stop)
    if len(rows) != stop - start:
        raise DamagedError(f"expected entries {start} to {stop - 1}, found {len(rows)}")
    return rows


def _tiles(store: SqliteStore, write: Rebuilder, size: int, progress: Callable[[int], None]) -> int:
    """Make the tiles, and return how many of those that were stored differed."""
    compact: tuple[Hash, ...] = ()
    edge: Edge = ()
    count = 0
    for start in range(0, size, SLICE):
        stop = min(start + SLICE, size)
        extension = tree.extend(start, compact, [hash_leaf(e) for e in store.entries(start, stop)])
        edge, full = advance(edge, extension)
        compact = extension.compact
        wrong = list(_differing(store, full, start))
        if wrong:
            write.put_tiles(wrong)
        count += len(wrong)
        progress(stop)
    write.drop_tiles_beyond(size)
    return count


def _differing(store: SqliteStore, full: list[Tile], start: int) -> Iterator[Tile]:
    stored = scanning.tiles(store, 0, start // WIDTH, start // WIDTH + SLICE // WIDTH)
    for tile in full:
        level, n = tile.id
        there = stored if level == 0 else scanning.tiles(store, level, n, n + 1)
        if there.get(n) != tile.hashes:
            yield tile


def _records(
    store: SqliteStore, write: Rebuilder, size: int, progress: Callable[[int], None]
) -> int:
    """Make labels and dedup keys, and return how many entries had other labels."""
    write.begin_dedup()
    bodies, count = beside(store.path, store.keys), 0
    underived: set[int] = set()
    for start in range(0, size, SLICE):
        keys: list[tuple[bytes, int]] = []
        wrong: list[tuple[bytes, int]] = []
        stop = min(start + SLICE, size)
        for lo in range(start, stop, _ROWS):
            for index, row in enumerate(_rows(store, lo, min(lo + _ROWS, stop)), lo):
                derived = _derive(index, row, bodies)
                if derived.dedup is None:
                    underived.add(index)
                else:
                    keys.append((derived.dedup, index))
                if derived.labels != row.labels:
                    wrong.append((derived.labels, index))
        write.add_dedup(keys)
        if wrong:
            write.put_labels(wrong)
        count += len(wrong)
        progress(stop)
    if underived:  # their bodies are gone, and with them what else their keys could follow from
        write.add_dedup(row for row in scanning.dedup_rows(store) if row[1] in underived)
    write.finish_dedup()
    return count


def _derive(index: int, row: Row, bodies: Bodies) -> _Derived:
    """Derive what lies beside an entry, or refuse: then the truth itself is damaged."""
    try:
        found = derive(row, bodies)
    except LockedError:
        raise
    except SealbookError as e:
        raise DamagedError(f"entry {index}: {e.message}") from e
    gone = row.body is None and not row.body_size
    return _Derived(row.labels if gone else labels.encode(found.labels), found.dedup)
