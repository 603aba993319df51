"""A store in memory: for tests, and for seeing the contract without a database."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from threading import Lock

from ledger import labels
from ledger.errors import ConflictError, DamagedError, EntryError
from ledger.store import SLICE, Batch, Claim, Head, Row
from ledger.tiles import TileId
from verifier import limits


class MemoryStore:
    """Forgets everything when the process ends, and is a `Store` in all else."""

    def __init__(self, origin: str, head: Head) -> None:
        """Make the store of the ledger `origin`, whose empty tree has this sealed head."""
        self._origin = origin
        self._head = head
        self._lock = Lock()
        self._rows: list[Row] = []
        self._dedup: dict[bytes, int] = {}
        self._claims: dict[bytes, Claim] = {}
        self._labels: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._bodies: dict[str, int] = {}
        self._tiles: dict[TileId, bytes] = {}
        self._notes: dict[int, str] = {}

    @property
    def origin(self) -> str:
        """The ledger that this store was made for."""
        return self._origin

    def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or nothing."""
        with self._lock:
            if self._head.tree_size != batch.old_size:
                raise ConflictError(f"expected a tree of {batch.old_size} entries")
            _check_storable(batch)
            fresh = dict(batch.dedup)
            if len(fresh) != len(batch.dedup) or not fresh.keys().isdisjoint(self._dedup):
                raise ConflictError("an entry is there already")
            for index, row in enumerate(batch.rows, batch.old_size):
                if not labels.is_opaque(row.labels) and (name := labels.body_name(row.entry)):
                    self._bodies.setdefault(name, index)
            self._rows.extend(batch.rows)
            self._dedup.update(fresh)
            for claim in batch.claims:
                self._claims.setdefault(claim.key, claim)
            for name, value, index in batch.labels:
                self._labels[name, value].append(index)
            self._tiles.update((tile.id, tile.hashes) for tile in batch.tiles)
            for size, note in batch.notes:
                self._notes.setdefault(size, note)
            self._head = batch.head

    def head(self) -> Head:
        """Return the head of the last commit."""
        return self._head

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from `start` to before `stop`, at most `SLICE` of them."""
        with self._lock:
            return self._rows[start : min(stop, start + SLICE)]

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Return the entries from `start` to before `stop`, at most `SLICE` of them."""
        return [row.entry for row in self.rows(start, stop)]

    def position(self, time: int) -> int:
        """Return the first index whose entry is of `time` or later, else the tree size."""
        with self._lock:
            return bisect_left(self._rows, time, key=lambda row: row.time)

    def tile(self, tile: TileId) -> bytes:
        """Return the bytes of a full tile."""
        if tile not in self._tiles:
            raise DamagedError(f"tile {tile.level}/{tile.n} is missing")
        return self._tiles[tile]

    def find(self, key: bytes) -> int | None:
        """Return the index of the entry with this dedup key."""
        return self._dedup.get(key)

    def find_many(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the index for each of these dedup keys that is there."""
        return {key: self._dedup[key] for key in keys if key in self._dedup}

    def claim(self, key: bytes) -> Claim | None:
        """Return the claim with this idempotency key."""
        return self._claims.get(key)

    def claims(self, start: int, stop: int) -> list[Claim]:
        """Return the claims on the entries from `start` to before `stop`, by index, then key."""
        wanted = range(start, min(stop, start + SLICE))
        with self._lock:
            found = [claim for claim in self._claims.values() if claim.index in wanted]
        return sorted(found, key=lambda claim: (claim.index, claim.key))

    def search(
        self, name: str, value: str, after: int, limit: int, stop: int = limits.TREE_SIZE
    ) -> list[int]:
        """Return up to `limit` indices between `after` and `stop` of entries with this label."""
        with self._lock:
            found = self._labels.get((name, value), [])
            start, end = bisect_right(found, after), bisect_left(found, stop)
            return found[start : min(end, start + limit)]

    def newest(self, name: str, value: str, stop: int, limit: int) -> list[int]:
        """Return up to `limit` indices below `stop` of entries with this label, descending."""
        with self._lock:
            found = self._labels.get((name, value), [])
            end = bisect_left(found, stop)
            return found[max(0, end - limit) : end][::-1]

    def last(self, name: str, value: str) -> int | None:
        """Return the index of the newest entry with this label."""
        with self._lock:
            found = self._labels.get((name, value))
            return found[-1] if found else None

    def body(self, name: str) -> int | None:
        """Return the first index whose entry names its body so."""
        return self._bodies.get(name)

    def note(self, tree_size: int) -> str | None:
        """Return the signed checkpoint that was kept for this size."""
        return self._notes.get(tree_size)

    def notes(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return up to `limit` kept checkpoints of trees larger than `after`, by size."""
        with self._lock:
            return sorted(item for item in self._notes.items() if item[0] > after)[:limit]

    def close(self) -> None:
        """Nothing to let go of."""


def _check_storable(batch: Batch) -> None:
    """Refuse what no database would take: it must not be taken here either.

    Raises:
        EntryError: a value of another type, a number beyond 64 bits, half a character.
    """
    for row in batch.rows:
        blobs = (row.entry, row.labels)
        optional = (row.body, row.promise, row.timestamp, row.chain)
        if not all(isinstance(blob, bytes) for blob in blobs):
            raise EntryError("a value that cannot be stored: expected bytes")
        if not all(blob is None or isinstance(blob, bytes) for blob in optional):
            raise EntryError("a value that cannot be stored: expected bytes")
        if not isinstance(row.time, int) or not -(2**63) <= row.time < 2**63:
            raise EntryError("a value that cannot be stored: expected a number of 64 bits")
    for name, value, _ in batch.labels:
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError as e:
            raise EntryError(f"a value that cannot be stored: {e}") from e
    if not all(isinstance(key, bytes) for key, _ in batch.dedup):
        raise EntryError("a value that cannot be stored: expected bytes")
