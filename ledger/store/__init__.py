"""The contract of a store: where entries, tiles and the head live.

`commit` is the only write, and it is a compare-and-swap on the tree size. That
is the whole concurrency story: two writers on one store cannot give two entries
one index.

Not trusted for truth: the head carries a seal that the store cannot make, and
readers check proofs, so an altered store can break the ledger but not forge an
entry. Trusted for memory: what rolls it back is noticed by the anchor on this
machine, and by a witness on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger.tiles import Tile, TileId
from verifier.merkle import Hash

MAX_BATCH = 512  # entries a commit
SLICE = 4096  # entries a read: a longer read transaction starves the write-ahead log


class Head(NamedTuple):
    """The durable state of the tree. `seal` is the ledger's, over all the rest.

    `time` is POSIX seconds of the last commit and never goes back.
    """

    tree_size: int
    root: Hash
    compact: tuple[Hash, ...]
    time: int
    frozen: bool
    seal: bytes


class Row(NamedTuple):
    """One entry with everything that is kept beside it.

    `labels` is canonical JSON. `promise` (a Rekor v1 SET) and `timestamp`
    (RFC 3161) are made once, for forms that carry them.
    """

    entry: bytes
    body: bytes
    labels: bytes
    time: int
    promise: bytes | None = None
    timestamp: bytes | None = None


class Claim(NamedTuple):
    """An idempotency key that was used for a request, and the entry that answered it."""

    key: bytes
    request: bytes
    index: int  # type: ignore[assignment]  # tuple.index is not missed


class Batch(NamedTuple):
    """All that one commit writes. `rows` get the indices from `old_size` on.

    `dedup` and `labels` are index entries (key or name and value, then index);
    `notes` are checkpoints signed since the last commit, by tree size.
    """

    old_size: int
    head: Head
    rows: Sequence[Row]
    dedup: Sequence[tuple[bytes, int]]
    labels: Sequence[tuple[str, str, int]]
    tiles: Sequence[Tile]
    claims: Sequence[Claim] = ()
    notes: Sequence[tuple[int, str]] = ()


class Store(Protocol):
    """One ledger's storage. Reads may come from any thread, commits from one at a time."""

    @property
    def origin(self) -> str:
        """The ledger that this store was made for."""

    def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or nothing; durable on return.

        Raises:
            ConflictError: the tree no longer has `batch.old_size` entries.
            StorageFullError: no space; nothing was written.
            StorageFailedError: nobody knows what was written.
        """

    def head(self) -> Head:
        """Return the head of the last commit."""

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from `start` to before `stop`, at most `SLICE` of them."""

    def tile(self, tile: TileId) -> bytes:
        """Return the 8,192 bytes of a full tile; raises `DamagedError` if it is not there."""

    def find(self, key: bytes) -> int | None:
        """Return the index of the entry with this dedup key."""

    def claim(self, key: bytes) -> Claim | None:
        """Return the claim with this idempotency key."""

    def search(self, name: str, value: str, after: int, limit: int) -> list[int]:
        """Return up to `limit` indices above `after` of entries with this label, ascending."""

    def note(self, tree_size: int) -> str | None:
        """Return the signed checkpoint that was kept for this size, if one was."""

    def close(self) -> None:
        """Let go of everything; nothing may be called afterwards."""
