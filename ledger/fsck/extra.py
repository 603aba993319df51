"""What the indexes hold too much: rows that no entry gives.

A part of a ledger says how many index rows of its entries are right. When there
are as many rows as that, there is no other; only else is it worth to look which.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import partial

from ledger import labels
from ledger.bodies import beside
from ledger.derived import body_of, derive
from ledger.errors import DamagedError, StorageFailedError
from ledger.fsck.finding import Finding, read_around
from ledger.fsck.records import typed
from ledger.store import SLICE, Row, scanning
from ledger.store.reading import SqliteReader, index_keys
from verifier.errors import SealbookError

_MANY = 65_535


def dedup_extra(store: SqliteReader, size: int, right: int, wrong: set[int]) -> Iterator[Finding]:
    """Yield dedup keys of the first `size` entries that are not theirs.

    `right` keys are known to be, and those of the entries in `wrong` were not found.
    """
    try:
        count = scanning.count_dedup(store, size)
        if count.beyond:
            yield from _beyond("dedup-extra", store, size, scanning.dedup_rows(store))
        if count.within == right:
            return
        counts = _counts(size, (index for _, index in scanning.dedup_rows(store)))
        suspects = {n for n, count in enumerate(counts) if count > 1} | wrong
        for key, index in scanning.dedup_rows(store):
            if index in suspects and (own := _dedup_key(store, index)) and own != key:
                yield Finding("dedup-extra", index, f"only its key {own.hex()}", _text(key))
    except (DamagedError, StorageFailedError) as e:
        yield Finding("dedup-unreadable", 0, "all dedup keys", e.message)


def labels_extra(store: SqliteReader, size: int, right: int, wrong: set[int]) -> Iterator[Finding]:
    """Yield rows of the label index that no label gives, likewise."""
    try:
        count = scanning.count_labels(store, size)
        if count.beyond:
            yield from _beyond("label-extra", store, size, scanning.label_rows(store))
        if count.within == right:
            return
        counts = _counts(size, (index for _, index in scanning.label_rows(store)))
        suspects = wrong.union(_miscounted(store, counts))
        for key, index in scanning.label_rows(store):
            if index in suspects and (own := _label_keys(store, index)) and key not in own:
                yield Finding("label-extra", index, "only its own labels", f"key {_text(key)}")
    except (DamagedError, StorageFailedError) as e:
        yield Finding("label-unreadable", 0, "all of the label index", e.message)


def _beyond(
    code: str, store: SqliteReader, size: int, rows: Iterator[tuple[object, object]]
) -> Iterator[Finding]:
    """Yield the rows of entries that there are not; the head only grows while we look."""
    for key, index in rows:
        if not isinstance(index, int):
            yield Finding(code, 0, "rows of entries", f"key {_text(key)} of {index!r}")
        elif index < 0 or (index >= size and index >= store.head().tree_size):
            yield Finding(code, index, "nothing beyond the head", f"key {_text(key)}")


def _counts(size: int, indices: Iterator[int]) -> Sequence[int]:
    counts = array("H", bytes(2 * size))
    for index in indices:
        # A damaged page may give another type.
        if isinstance(index, int) and 0 <= index < size and counts[index] < _MANY:
            counts[index] += 1
    return counts


def _miscounted(store: SqliteReader, counts: Sequence[int]) -> Iterator[int]:
    """Yield the entries that have another number of index rows than their row's labels say."""
    for start in range(0, len(counts), SLICE):
        stop = min(start + SLICE, len(counts))
        # What cannot be read was told, and nothing is said of its index rows.
        for index, row in read_around(partial(scanning.numbered_rows, store), start, stop)[0]:
            if typed(row) and counts[index] != len(_stored_keys(row)):
                yield index


def _text(key: object) -> str:
    """Print a key, whatever type a damaged page made of it."""
    if isinstance(key, bytes):
        return key.hex()
    return f"{key:#x}" if isinstance(key, int) else repr(key)


def _row(store: SqliteReader, index: int) -> Row | None:
    found, _ = read_around(partial(scanning.numbered_rows, store), index, index + 1)
    return found[0][1] if found and typed(found[0][1]) else None


def _stored_keys(row: Row) -> set[int]:
    try:
        return index_keys(row.entry, labels.decode(row.labels))
    except (DamagedError, AttributeError, TypeError):
        return set()


def _label_keys(store: SqliteReader, index: int) -> set[int]:
    """Return what the index should have for this entry; nothing when that cannot be told."""
    row = _row(store, index)
    if row is None:
        return set()
    if row.body is None and not row.body_size:
        return _stored_keys(row)
    try:
        return index_keys(
            row.entry, labels.of(row.entry, body_of(row, beside(store.path, store.keys)))
        )
    except SealbookError:
        return set()


def _dedup_key(store: SqliteReader, index: int) -> bytes | None:
    row = _row(store, index)
    if row is None or (row.body is None and not row.body_size):
        return None
    try:
        return derive(row, beside(store.path, store.keys)).dedup
    except SealbookError:
        return None
