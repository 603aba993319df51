"""A store in memory: for tests, and for seeing the contract without a database."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from threading import Lock

from ledger.errors import ConflictError, DamagedError
from ledger.store import SLICE, Batch, Claim, Head, Row
from ledger.tiles import TileId


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
            fresh = dict(batch.dedup)
            if len(fresh) != len(batch.dedup) or not fresh.keys().isdisjoint(self._dedup):
                raise ConflictError("an entry is there already")
            self._rows.extend(batch.rows)
            self._dedup.update(fresh)
            for claim in batch.claims:
                self._claims.setdefault(claim.key, claim)
            for name, value, index in batch.labels:
                self._labels[name, value].append(index)
            self._tiles.update((tile.id, tile.hashes) for tile in batch.tiles)
            self._notes.update(batch.notes)
            self._head = batch.head

    def head(self) -> Head:
        """Return the head of the last commit."""
        return self._head

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from `start` to before `stop`, at most `SLICE` of them."""
        with self._lock:
            return self._rows[start : min(stop, start + SLICE)]

    def tile(self, tile: TileId) -> bytes:
        """Return the bytes of a full tile."""
        if tile not in self._tiles:
            raise DamagedError(f"tile {tile.level}/{tile.n} is missing")
        return self._tiles[tile]

    def find(self, key: bytes) -> int | None:
        """Return the index of the entry with this dedup key."""
        return self._dedup.get(key)

    def claim(self, key: bytes) -> Claim | None:
        """Return the claim with this idempotency key."""
        return self._claims.get(key)

    def search(self, name: str, value: str, after: int, limit: int) -> list[int]:
        """Return up to `limit` indices above `after` of entries with this label."""
        with self._lock:
            found = self._labels.get((name, value), [])
            start = bisect_right(found, after)
            return found[start : start + limit]

    def note(self, tree_size: int) -> str | None:
        """Return the signed checkpoint that was kept for this size."""
        return self._notes.get(tree_size)

    def close(self) -> None:
        """Nothing to let go of."""
