"""Joining a backup and a mirror into one tree, every row of which was looked at.

The backup is the tree to begin with, in a database of its own; what the mirror
has beyond it is appended. Up to where, and with which root, two things decide
that are not of either: what this ledger remembers of itself, and its own seals
and signatures.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger import labels, opening, tree
from ledger.at_rest import DataKeys
from ledger.bodies import Bodies, beside
from ledger.copies.replica import Grower, Judge, check_tree, derive, root_at
from ledger.deleting import is_deletable
from ledger.derived import body_of
from ledger.edge import advance
from ledger.errors import DamagedError, ForeignLedgerError, RollbackError
from ledger.seal import sealed
from ledger.signatory import LogKeys
from ledger.store import MAX_BATCH, SLICE, Claim, Head, Row, scanning
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from ledger.tiles import Edge
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf
from verifier.note import Note, NoteKey
from verifier.statement import EVENT_PREFIX

_FROZEN = EVENT_PREFIX + "frozen"

Progress = Callable[[int, int], None]


class Known(NamedTuple):
    """What the ledger remembers of itself: a size that it had, and the root there."""

    tree_size: int
    root: Hash


class Joined(NamedTuple):
    """The sealed head of the whole, and where it is from; see `ledger.copies.restore.Restored`."""

    head: Head
    from_mirror: int
    left_out: int


class Joining:
    """The database that is being made, and all that it is held against."""

    def __init__(
        self,
        database: Path,
        origin: str,
        keys: LogKeys,
        known: Sequence[Known],
        backup: Path,
        *,
        at_rest: DataKeys | None = None,
    ) -> None:
        """Begin with the copy in `database` of `backup`; each of `known` reached must be so.

        The smallest of `known` must be reached. What is encrypted is opened with `at_rest`, and
        so is encrypted what is not, and may be secret.
        """
        self._backup = beside(backup, at_rest)
        self._bodies = beside(database, at_rest)
        self._origin = origin
        self._seal = keys.seal
        self._log_keys = [NoteKey.of(origin, key.public) for key in (keys.log, *keys.also)]
        self._known = known
        self._store = SqliteStore(database, keys=at_rest)

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def join(self, mirror: Path | None, progress: Progress) -> Joined:
        """Make the tree whole, from what is there already and from `mirror`, and seal it.

        Raises:
            ForeignLedgerError: one of them is another ledger's.
            RollbackError: together they do not reach what is known.
            DamagedError: an entry, or how they go together.
        """
        store = self._store
        self._check_origin(store, "the backup")
        old = check_tree(store)
        other = SqliteStore(path_in(mirror), read_only=True) if mirror else None
        try:
            reach, theirs = self._proven(store, old), None
            if other is not None:
                self._check_origin(other, "the mirror")
                theirs = check_tree(other)
                reach = max(reach, self._proven(other, theirs))
            self._check_reach(old, theirs, reach)
            mirrored = [beside(other.path)] if other is not None else []
            for row in scanning.large(store):
                _keep(row, self._bodies, self._backup, *mirrored)
            _rehash(store, self._bodies, old, lambda done, _: progress(done, reach))
            if other is not None and theirs is not None:
                self._append(other, theirs, old.tree_size, reach, progress)
            self._check_roots()
            head = self._final(old, theirs)
        finally:
            if other is not None:
                other.close()
        left_out = max(0, theirs.tree_size - head.tree_size) if theirs else 0
        taken = head.tree_size - old.tree_size
        return Joined(head, taken, left_out)

    def _check_origin(self, store: SqliteStore, what: str) -> None:
        if store.origin != self._origin:
            raise ForeignLedgerError(
                f"expected the ledger {self._origin}, {what} is of {store.origin}"
            )

    def _check_reach(self, old: Head, theirs: Head | None, reach: int) -> None:
        holds = max(old.tree_size, theirs.tree_size if theirs else 0)
        if self._known and holds < min(known.tree_size for known in self._known):
            mirrored = f", the mirror {theirs.tree_size}" if theirs else ", and there is no mirror"
            raise RollbackError(
                f"the anchor has seen {max(self._known)[0]} entries, the backup holds "
                f"{old.tree_size}{mirrored}",
                hint="find a newer backup or mirror; what is missing was signed and given out",
            )
        if reach < old.tree_size:
            raise DamagedError(
                f"of the {old.tree_size} entries of the backup only {reach} are under a seal, "
                "a signature or an anchor of ours",
                hint="what a mirror had half stored can be taken with --from only",
            )

    def _check_roots(self) -> None:
        """Check the tree against all that is known of it here."""
        size = self._store.head().tree_size
        for known in self._known:
            if known.tree_size <= size:
                opening.check_growth(self._store, known.tree_size, known.root)

    def _proven(self, store: SqliteStore, head: Head) -> int:
        """Return up to which size the entries of `store` are ours by seal, signature or memory.

        By memory: the root at what is known is compared in the end.
        """
        if self._is_ours(head):
            return head.tree_size
        sizes = [known.tree_size for known in self._known]
        known = max((size for size in sizes if size <= head.tree_size), default=0)
        size = known
        while page := store.notes(size, SLICE):
            size = page[-1][0]
            known = max([known, *(s for s, text in page if self._signed(text, s, head))])
        return known

    def _is_ours(self, head: Head) -> bool:
        return hmac.compare_digest(sealed(self._origin, self._seal, head).seal, head.seal)

    def _signed(self, text: str, tree_size: int, head: Head) -> bool:
        """Whether we signed this checkpoint of a tree within `head`; its root shows later."""
        try:
            note = Note.parse(text)
            checkpoint = Checkpoint.parse(note.text)
            notes.verify(note, self._log_keys)
        except VerificationError:
            return False
        return (self._origin, tree_size) == checkpoint[:2] and tree_size <= head.tree_size

    def _append(
        self, other: SqliteStore, theirs: Head, old_size: int, reach: int, progress: Progress
    ) -> None:
        """Append what the mirror has from `old_size` to before `reach`."""
        grower = Grower(self._store)
        judge = Judge(self._origin, grower.head)
        if theirs.tree_size <= old_size:
            self._check_same(theirs, root_at(self._store, theirs.tree_size))
        late = _claims(other, self._store, min(old_size, theirs.tree_size))
        for start in range(0, len(late), MAX_BATCH):
            grower.append((), late[start : start + MAX_BATCH])
        for start in range(old_size, reach, MAX_BATCH):
            stop = min(reach, start + MAX_BATCH)
            rows = _all_rows(other, start, stop)
            # Its newest checkpoint no database has: the next commit would have kept it.
            after = start - 1 if start == old_size else start
            kept = [text for size, text in other.notes(after, SLICE) if size <= stop]
            numbered = judge.take(rows, kept)
            ours = [(size, text) for size, text in numbered if self._signed(text, size, theirs)]
            for row in rows:
                _keep(row, self._bodies, beside(other.path))
            copied = [derive(i, row, self._bodies) for i, row in enumerate(rows, start)]
            grower.append(copied, other.claims(start, stop), ours)
            progress(stop, reach)
        if theirs.tree_size == judge.tree_size:
            self._check_same(theirs, judge.root)

    def _check_same(self, theirs: Head, root: Hash) -> None:
        if theirs.root != root:
            raise DamagedError(
                f"at {theirs.tree_size} entries the mirror has root {theirs.root.hex()}, "
                f"with the backup it is {root.hex()}",
                hint="one of the two is of another history, or was changed",
            )

    def _final(self, old: Head, theirs: Head | None) -> Head:
        """Put a sealed head over the tree: one that was there if it fits, else a new one."""
        grower = Grower(self._store)
        now = grower.head
        there = [
            head
            for head in (old, theirs)
            if head and (head.tree_size, head.root) == (now.tree_size, now.root)
            if self._is_ours(head)
        ]
        if there:
            head = max(there, key=lambda head: (head.frozen, head.time))
        else:
            frozen = now.tree_size > 0 and _is_frozen(self._store.rows(now.tree_size - 1, SLICE))
            head = sealed(self._origin, self._seal, now._replace(frozen=frozen))
        if head != now:
            grower.append((), head=head)
        return head


def _is_frozen(last: list[Row]) -> bool:
    """Whether the last entry is the event that froze the ledger."""
    return labels.decode(last[0].labels).get("predicate_type") == [_FROZEN]


def _all_rows(store: SqliteStore, start: int, stop: int) -> list[Row]:
    rows = store.rows(start, stop)
    if len(rows) != stop - start:
        raise DamagedError(f"expected entries {start} to {stop - 1}, found {len(rows)}")
    return rows


def _claims(mirror: SqliteStore, store: SqliteStore, stop: int) -> list[Claim]:
    """Return the claims on entries before `stop` that came after the backup was made."""
    return [
        claim
        for start in range(0, stop, SLICE)
        for claim in mirror.claims(start, min(stop, start + SLICE))
        if store.claim(claim.key) is None
    ]


def _rehash(store: SqliteStore, bodies: Bodies, head: Head, progress: Progress) -> None:
    """Check every entry, body and tile of `store` against `head`."""
    edge: Edge = ()
    judge = Judge(store.origin, Head(0, EMPTY_ROOT, (), 0, False, b""))  # noqa: FBT003
    for start in range(0, head.tree_size, SLICE // 8):
        stop = min(head.tree_size, start + SLICE // 8)
        rows = _all_rows(store, start, stop)
        for index, row in enumerate(rows, start):
            _check_body(index, row, bodies)
        before = judge.compact
        judge.take(rows)
        extension = tree.extend(start, before, [hash_leaf(row.entry) for row in rows])
        edge, full = advance(edge, extension)
        for tile in full:
            if store.tile(tile.id) != tile.hashes:
                raise DamagedError(f"tile {tile.id.level}/{tile.id.n} is not that of its entries")
        progress(stop, head.tree_size)
    judge.check(head)


def _check_body(index: int, row: Row, bodies: Bodies) -> None:
    """Check that the body is the one that the entry names."""
    try:
        body_of(row, bodies)
    except DamagedError as e:
        raise DamagedError(f"entry {index}: {e.message}") from e


def _keep(row: Row, ours: Bodies, *others: Bodies) -> None:
    """Have the large body of a row here too, durably; raises `DamagedError` when nobody has it."""
    name = labels.body_name(row.entry)
    if not row.body_size or not name or ours.has(name, row.body_size):
        return
    for other in others:
        if other is others[-1] or other.has(name, row.body_size):
            ours.copy_from(other, name, row.body_size, secret=is_deletable(row))
            return
