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

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from ledger.tiles import Tile, TileId
from verifier import limits
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
    (RFC 3161) are made once, for forms that carry them; `chain` holds the DER
    certificates above the one in the entry. `body` is None where `body_size` says
    that it lies in a file; else there never was one, or a logged `body-deleted`
    statement took it away.
    """

    entry: bytes
    body: bytes | None
    labels: bytes
    time: int
    promise: bytes | None = None
    timestamp: bytes | None = None
    chain: bytes | None = None
    body_size: int = 0


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


LABEL_KEY_BYTES = 8


@lru_cache(maxsize=1024)  # most labels are those of many entries
def label_key(name: str, value: str) -> int:
    """Return the number that a label is looked up by; a lucky stranger may share it."""
    digest = hashlib.sha256(f"{name}\0{value}".encode()).digest()
    return int.from_bytes(digest[:LABEL_KEY_BYTES], "big", signed=True)


class Store(Protocol):
    """One ledger's storage. Reads may come from any thread, commits from one at a time."""

    @property
    def origin(self) -> str:
        """The ledger that this store was made for."""

    def commit(self, batch: Batch) -> None:
        """Write all of `batch`, or nothing; durable on return.

        Raises:
            ConflictError: the tree no longer has `batch.old_size` entries, or a key
                is there already.
            EntryError: a row that cannot be stored; nothing was written.
            StorageFullError: no space; nothing was written.
            OutcomeUnknownError: it was cut off: reading back tells.
            StorageFailedError: the disk failed, and nobody knows what was written.
        """

    def head(self) -> Head:
        """Return the head of the last commit."""

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return the rows from `start` to before `stop`, at most `SLICE` of them."""

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Return the entries from `start` to before `stop`, at most `SLICE` of them."""

    def position(self, time: int) -> int:
        """Return the first index whose entry is of `time` or later, else the tree size."""

    def tile(self, tile: TileId) -> bytes:
        """Return the 8,192 bytes of a full tile; raises `DamagedError` if it is not there."""

    def find(self, key: bytes) -> int | None:
        """Return the index of the entry with this dedup key."""

    def find_many(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the index for each of these dedup keys that is there, at most `SLICE` keys."""

    def claim(self, key: bytes) -> Claim | None:
        """Return the claim with this idempotency key."""

    def claims(self, start: int, stop: int) -> list[Claim]:
        """Return the claims on the entries from `start` to before `stop`, at most `SLICE` apart.

        By index, then key. A claim on an older entry may come with any later commit.
        """

    def search(
        self, name: str, value: str, after: int, limit: int, stop: int = limits.TREE_SIZE
    ) -> list[int]:
        """Return up to `limit` indices above `after` of entries with this label, ascending.

        All of them lie below `stop`.
        """

    def newest(self, name: str, value: str, stop: int, limit: int) -> list[int]:
        """Return up to `limit` indices below `stop` of entries with this label, descending."""

    def last(self, name: str, value: str) -> int | None:
        """Return the index of the newest entry with this label."""

    def body(self, name: str) -> int | None:
        """Return the first index whose entry names its body so, as `sha256:<hex>`.

        Whether the body itself is still there, its row tells.
        """

    def note(self, tree_size: int) -> str | None:
        """Return the signed checkpoint that was kept for this size, if one was."""

    def notes(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return up to `limit` kept checkpoints of trees larger than `after`, by size."""

    def close(self) -> None:
        """Let go of everything; nothing may be called afterwards."""
