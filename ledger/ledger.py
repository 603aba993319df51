"""The ledger: append, publish, prove.

`Ledger.append` is the main flow of this room:

1. Look each dedup key up again; what is there already is answered, not written.
2. Give the rest indices, and extend the tree from the head's compact range.
3. Seal the new head, and commit everything in one transaction.
4. Move the anchor. From here on the entries can no longer be lost unnoticed.
5. Sign the checkpoint, outside the transaction: a signed note of a size that
   was rolled back would be evidence of a fork against an honest log. Ed25519 is
   deterministic, so a signature that is lost in a crash is made again.
6. Publish: from here on readers see the new tree.

A crash before the commit leaves nothing; after it, the start finds the head one
batch ahead of the anchor, checks that it grew out of it, and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger import labels, tree
from ledger.anchor import Anchor
from ledger.edge import advance, load_edge
from ledger.errors import (
    ClockError,
    ConflictError,
    DamagedError,
    FrozenError,
    IdempotencyError,
    StorageFailedError,
    UnknownEntryError,
)
from ledger.plan import NewEntry, Plan
from ledger.seal import sealed
from ledger.store import MAX_BATCH, Head, Row, Store
from ledger.tiles import TileReader
from verifier.bundle import Record
from verifier.checkpoint import Checkpoint
from verifier.merkle import EMPTY_ROOT, Hash, InclusionProof
from verifier.note import Note, NoteKey, NoteSignature
from verifier.publickey import Key

_CLOCK_TOLERANCE_S = 300


class LogKeys(NamedTuple):
    """What the ledger signs and seals with: `log` is Ed25519, `seal` a secret of 32 bytes.

    While the log key rotates, the Ed25519 keys in `also` sign every checkpoint too.
    `post_quantum` (ML-DSA-44) signs those that are shown to the public, and is not
    in bundles, which it would make 3.3 KB longer.
    """

    log: Key
    seal: bytes
    also: tuple[Key, ...] = ()
    post_quantum: Key | None = None


class Published(NamedTuple):
    """A signed checkpoint that readers may see; `signed_at` is POSIX seconds."""

    checkpoint: Checkpoint
    note: str
    signed_at: float


class Appended(NamedTuple):
    """The record of one append, fresh or found, proven under `published`."""

    record: Record
    proof: InclusionProof
    published: Published
    fresh: bool


class Ledger:
    """One open ledger. One thread appends; any thread reads and proves."""

    def __init__(
        self,
        store: Store,
        anchor: Anchor,
        keys: LogKeys,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Serve `store`, whose head was checked by `ledger.opening`, and sign its tree."""
        self._store = store
        self._anchor = anchor
        self._keys = keys
        self._clock = clock
        self._log_key = NoteKey.of(store.origin, keys.log.public)
        self._reader = TileReader(store.tile)
        self._head = store.head()
        self._edge = load_edge(store, self._head.tree_size)
        self._unkept: list[tuple[int, str]] = []
        self._failed = False
        self._published = self._sign(self._head)

    @property
    def log_key(self) -> NoteKey:
        """The key that signs checkpoints, under the ledger's origin."""
        return self._log_key

    @property
    def published(self) -> Published:
        """The newest checkpoint that readers may see."""
        return self._published

    @property
    def head(self) -> Head:
        """The newest durable state."""
        return self._head

    @property
    def store(self) -> Store:
        """Where the entries are, for reading."""
        return self._store

    def append(self, entries: Sequence[NewEntry]) -> list[Appended | IdempotencyError]:
        """Append `entries`, at most `MAX_BATCH`; durable, signed and published on return.

        Answers in the order of `entries`. An entry whose dedup key is known, from
        before or from this very batch, is answered with the stored record. An
        idempotency key that belongs to another request is answered with the error.

        Raises:
            FrozenError, ClockError, StorageFullError: nothing was written.
            ConflictError: nothing was written, because somebody else writes.
            StorageFailedError: nobody knows. After these two it appends no more.
        """
        assert len(entries) <= MAX_BATCH
        if self._failed:
            raise StorageFailedError("an earlier write failed; the ledger must be opened again")
        # 1.
        plan = Plan(self._store, self._head.tree_size, entries)
        if plan.writes:
            self._commit(plan)
        # 5, 6. Also when an earlier signature failed after its commit.
        if self._published.checkpoint.tree_size != self._head.tree_size:
            self._published = self._sign(self._head)
        published = self._published
        return [
            place if isinstance(place, IdempotencyError) else self._answer(place, plan, published)
            for place in plan.places
        ]

    def row(self, index: int) -> Row:
        """Return what is stored at `index`.

        Raises:
            UnknownEntryError: the ledger does not have it.
            DamagedError: the ledger does, and the store does not.
        """
        if not 0 <= index < self._head.tree_size:
            raise UnknownEntryError(f"no entry at {index}, the ledger has {self._head.tree_size}")
        rows = self._store.rows(index, index + 1)
        if not rows:
            raise DamagedError(f"entry {index} is missing")
        return rows[0]

    def record(self, index: int) -> Record:
        """Return the stored record at `index`; raises like `row`."""
        return make_record(index, self.row(index))

    def prove(self, index: int, tree_size: int) -> InclusionProof:
        """Return the proof that the entry at `index` is in the tree of `tree_size`.

        Raises:
            UnknownEntryError: that tree does not have it, or was never published.
        """
        if not 0 <= index < tree_size <= self._published.checkpoint.tree_size:
            raise UnknownEntryError(
                f"no proof for entry {index} in a tree of {tree_size}, "
                f"{self._published.checkpoint.tree_size} entries are published"
            )
        ranges = tree.inclusion_ranges(index, tree_size)
        return InclusionProof(index, tree_size, tuple(self._hash(lo, hi) for lo, hi in ranges))

    def prove_consistency(self, old_size: int, tree_size: int) -> tuple[Hash, ...]:
        """Return the proof that the tree of `tree_size` grew out of that of `old_size`.

        Raises:
            UnknownEntryError: the sizes are out of order, zero, or not published.
        """
        if not 0 < old_size <= tree_size <= self._published.checkpoint.tree_size:
            raise UnknownEntryError(
                f"no proof from {old_size} to {tree_size}, "
                f"{self._published.checkpoint.tree_size} entries are published"
            )
        ranges = tree.consistency_ranges(old_size, tree_size)
        return tuple(self._hash(lo, hi) for lo, hi in ranges)

    def root_at(self, tree_size: int) -> Hash:
        """Return the root that the tree had at `tree_size`, up to the head's."""
        return self._hash(0, tree_size) if tree_size else EMPTY_ROOT

    def close(self) -> None:
        """Close store and anchor; nothing may be called afterwards."""
        self._store.close()
        self._anchor.close()

    def _commit(self, plan: Plan) -> None:
        head = self._head
        now = int(self._clock())
        if head.frozen:
            raise FrozenError(f"the ledger is frozen at {head.tree_size} entries")
        if now < head.time - _CLOCK_TOLERANCE_S:
            raise ClockError(f"the clock says {now}, the last entry is of {head.time}")
        # 2.
        extension = tree.extend(head.tree_size, head.compact, plan.leaves)
        edge, full = advance(self._edge, extension)
        # 3.
        moment = max(now, head.time)
        new_head = sealed(
            self._store.origin,
            self._keys.seal,
            Head(extension.tree_size, extension.root, extension.compact, moment, False, b""),  # noqa: FBT003
        )
        batch = plan.batch(new_head, full, moment, self._unkept)
        try:
            self._store.commit(batch)
            self._head, self._edge, plan.extension = new_head, edge, extension
            # 4.
            self._anchor.write(new_head.tree_size, new_head.root)
        except (StorageFailedError, ConflictError):
            self._failed = True
            raise
        self._unkept = []

    def _sign(self, head: Head) -> Published:
        checkpoint = Checkpoint(self._store.origin, head.tree_size, head.root)
        text = str(checkpoint)
        signature = self._keys.log.sign(text.encode())
        line = NoteSignature(self._log_key.name, self._log_key.key_id, signature)
        note = str(Note(text, (line,)))
        self._unkept.append((head.tree_size, note))
        return Published(checkpoint, note, self._clock())

    def _answer(self, index: int, plan: Plan, published: Published) -> Appended:
        tree_size = published.checkpoint.tree_size
        fresh = plan.extension is not None and index >= plan.extension.old_size
        if fresh:
            assert plan.extension is not None
            row = plan.rows[index - plan.extension.old_size]
            proof = InclusionProof(index, tree_size, plan.extension.path(index))
            return Appended(make_record(index, row), proof, published, fresh)
        return Appended(self.record(index), self.prove(index, tree_size), published, fresh)

    def _hash(self, lo: int, hi: int) -> Hash:
        edge = self._edge
        return tree.fold([self._reader.node(node, edge) for node in tree.cover(lo, hi)])


def make_record(index: int, row: Row) -> Record:
    """Return a stored row as the record that every output is a rendering of."""
    form = labels.decode(row.labels).get("form")
    if not form:
        raise DamagedError(f"entry {index} has no form")
    return Record(index, form[0], row.entry, row.body)
