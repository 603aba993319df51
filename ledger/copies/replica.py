"""Rows that were made elsewhere: judged first, then stored as they were.

Whoever copies a ledger believes nothing that came with an entry. Its hash must
lead to the root, its body must have the digest that it names, and labels and
dedup key are derived again; so a copy is as good as its entries, and no false
label travels. What is judged here is also what a mirror that went bad is found
out by, when a ledger is restored from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger import derived, labels, opening, tree
from ledger.bodies import Bodies
from ledger.edge import advance, load_edge
from ledger.errors import DamagedError, ForeignLedgerError
from ledger.store import MAX_BATCH, Batch, Claim, Head, Row, Store
from ledger.tiles import TileReader
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import SealbookError
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf
from verifier.note import Note, NoteKey

_UNSEALED = b""  # of a head that no service made: nobody may sign on it


class Copied(NamedTuple):
    """A row with what it can be found by, all derived from entry and body."""

    row: Row
    labels: labels.Labels
    dedup: bytes | None


def derive(index: int, row: Row, bodies: Bodies) -> Copied:
    """Return `row` with its labels and dedup key, once its body is seen to be the entry's.

    A body that was deleted leaves the labels as they came, and the dedup key only when
    the entry names the body by the hash that the key is made of.

    Raises:
        DamagedError: they do not belong together.
    """
    try:
        found = derived.derive(row, bodies)
        if row.body is None and not row.body_size:
            _check_deletable(found.labels)
        if labels.encode(found.labels) != row.labels:
            raise DamagedError(f"expected the labels {labels.encode(found.labels)!r}, found others")
    except SealbookError as e:
        raise DamagedError(f"entry {index}: {e.message}") from e
    return Copied(row, *found)


def _check_deletable(found: labels.Labels) -> None:
    if found["form"] == [labels.OPAQUE]:
        return
    kinds = found.get("predicate_type")
    if not kinds or any(labels.is_permanent(kind) for kind in kinds):
        raise DamagedError("a body that is never deleted is missing")


def check_tree(store: Store) -> Head:
    """Return the head of `store`, once it is seen to be that of the newest entries.

    Raises:
        DamagedError: it is not. Whether it is sealed is another matter.
    """
    head = store.head()
    if len(head.compact) != head.tree_size.bit_count() or tree.root(head.compact) != head.root:
        raise DamagedError("the compact range of the head does not hash to its root")
    opening.check_growth(store, head.tree_size, head.root)
    return head


def root_at(store: Store, tree_size: int) -> Hash:
    """Return the root that the tree in `store` had at `tree_size`, up to its head's."""
    if not tree_size:
        return EMPTY_ROOT
    edge, reader = load_edge(store, store.head().tree_size), TileReader(store.tile)
    return tree.fold([reader.node(node, edge) for node in tree.cover(0, tree_size)])


class Judge:
    """Hashes rows onto a tree, and holds checkpoints and the head against it."""

    def __init__(self, origin: str, head: Head, log_keys: Sequence[NoteKey] | None = None) -> None:
        """Begin at the tree of `head`; with `log_keys`, every note must bear one's signature."""
        self._origin = origin
        self._log_keys = log_keys
        self._begun = head
        self._time = head.time
        self.tree_size = head.tree_size
        self.compact = head.compact

    @property
    def root(self) -> Hash:
        """The root of the tree so far."""
        return tree.root(self.compact)

    def take(self, rows: Sequence[Row], kept: Sequence[str] = ()) -> list[tuple[int, str]]:
        """Append `rows`, and return the notes `kept` of the trees on the way, by tree size.

        Raises:
            DamagedError: a time goes back, or a note is of another tree.
            ForeignLedgerError: a note is another ledger's.
            VerificationError: a note is none, or not signed as it must be.
        """
        numbered = sorted(self._note(text) for text in kept)
        start, done = self.tree_size, 0
        for row in rows:
            if row.time < self._time and self._begun.tree_size + done:
                raise DamagedError(f"entry {start + done}: its time goes back")
            self._time, done = max(self._time, row.time), done + 1
        leaves = [hash_leaf(row.entry) for row in rows]
        for checkpoint, _ in [*numbered, (None, "")]:
            stop = start + len(rows) if checkpoint is None else checkpoint.tree_size
            if not self.tree_size <= stop <= start + len(rows):
                raise DamagedError(f"a checkpoint of {stop} entries came with those from {start}")
            new = leaves[self.tree_size - start : stop - start]
            extension = tree.extend(self.tree_size, self.compact, new)
            self.tree_size, self.compact = extension.tree_size, extension.compact
            if checkpoint is not None and checkpoint.root != self.root:
                raise _other_tree(stop, checkpoint.root, self.root)
        return [(checkpoint.tree_size, text) for checkpoint, text in numbered]

    def check(self, head: Head) -> None:
        """Check that `head` is of the tree so far; its seal is another matter.

        Raises:
            DamagedError: it is not.
        """
        if head.tree_size != self.tree_size:
            raise DamagedError(f"a head of {head.tree_size} entries came with {self.tree_size}")
        if (head.root, head.compact) != (self.root, self.compact):
            raise _other_tree(self.tree_size, head.root, self.root)
        if head.time < self._time:
            raise DamagedError(f"the head is of {head.time}, the last entry of {self._time}")
        if self._begun.frozen and (head.tree_size > self._begun.tree_size or not head.frozen):
            raise DamagedError(f"a ledger that is frozen at {self._begun.tree_size} went on")

    def _note(self, text: str) -> tuple[Checkpoint, str]:
        note = Note.parse(text)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != self._origin:
            raise ForeignLedgerError(f"expected {self._origin}, found {checkpoint.origin}")
        if self._log_keys is not None:
            notes.verify(note, self._log_keys)
        return checkpoint, text


class Grower:
    """Stores judged rows, each commit with a head of its own tree. One thread."""

    def __init__(self, store: Store) -> None:
        """Append to `store`; raises `DamagedError` if its edge cannot be read."""
        self._store = store
        self.head = store.head()
        self._edge = load_edge(store, self.head.tree_size)

    def append(
        self,
        rows: Sequence[Copied],
        claims: Sequence[Claim] = (),
        kept: Sequence[tuple[int, str]] = (),
        head: Head | None = None,
    ) -> None:
        """Commit at most `MAX_BATCH` rows, durable on return; under `head` when that is known."""
        assert len(rows) <= MAX_BATCH
        old = self.head
        extension = tree.extend(
            old.tree_size, old.compact, [hash_leaf(copied.row.entry) for copied in rows]
        )
        edge, full = advance(self._edge, extension)
        if head is None:
            time = max([old.time, *(copied.row.time for copied in rows)])
            root, compact = extension.root, extension.compact
            head = Head(extension.tree_size, root, compact, time, old.frozen, _UNSEALED)
        assert (head.tree_size, head.root) == (extension.tree_size, extension.root)
        keys: dict[bytes, int] = {}
        found = []
        for index, copied in enumerate(rows, old.tree_size):
            found += [(n, value, index) for n, values in copied.labels.items() for value in values]
            # The first entry with a key is the one that a re-run is answered with.
            if copied.dedup and copied.dedup not in keys and self._store.find(copied.dedup) is None:
                keys[copied.dedup] = index
        self._store.commit(
            Batch(
                old.tree_size,
                head,
                [copied.row for copied in rows],
                list(keys.items()),
                found,
                full,
                claims,
                kept,
            )
        )
        self.head, self._edge = head, edge


def _other_tree(tree_size: int, told: Hash, found: Hash) -> DamagedError:
    return DamagedError(
        f"expected the root {told.hex()} at {tree_size} entries, they hash to {found.hex()}",
        hint="one of the two was changed, or has forked: keep both, and run `sealbook fsck`",
    )
