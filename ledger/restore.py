"""Restoring: a backup brought up to where the ledger had come, so that it goes on without a fork.

    sealbook ledger restore /backup/ledger-2026-11-25.db --from /mirror

A backup alone is a ledger of yesterday, and to serve on from it would give
indices away again that are signed already. What it lacks is taken from the
mirror, up to all that the mirror has: an entry beyond the anchor was durable
here before it was there, and some witness may have seen it.

Nothing is believed. Every entry is hashed, every tile compared, every body held
against its entry; at the size that the anchor knows the tree must have the root
that the anchor knows; and beyond that only entries count that are under a head
with our seal, or under a checkpoint with our signature. The database is made
beside its place, and the anchor is moved last: a restore that is cut off has
done nothing, or all but the anchor, which `sealbook ledger adopt` then writes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ledger import labels, opening, tree
from ledger.anchor import Anchor, Mark, failure_note
from ledger.backup import make_empty, remove_database, sync
from ledger.edge import advance
from ledger.errors import (
    AnchorMissingError,
    DamagedError,
    ForeignLedgerError,
    RollbackError,
    TransferError,
)
from ledger.ledger import LogKeys
from ledger.lock import LedgerLock
from ledger.opening import Home
from ledger.replica import Grower, Judge, check_tree, derive, root_at
from ledger.seal import sealed
from ledger.store import MAX_BATCH, SLICE, Claim, Head, Row
from ledger.store.copying import copy_database
from ledger.store.sqlite import SqliteStore, migrate_database
from ledger.tiles import Edge
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf
from verifier.note import Note, NoteKey
from verifier.statement import EVENT_PREFIX

_FROZEN = EVENT_PREFIX + "frozen"

Progress = Callable[[int, int], None]


class Restored(NamedTuple):
    """What is in place now.

    `left_out` entries of the mirror bear neither seal nor signature of ours, and were
    not taken. `check_needed` says that the disk had failed: fsck comes before the start.
    """

    tree_size: int
    root: Hash
    from_mirror: int
    left_out: int
    check_needed: bool


def restore(
    home: Home,
    keys: LogKeys,
    backup: Path,
    mirror: Path | None,
    progress: Progress,
    *,
    newest: bool = False,
) -> Restored:
    """Put the ledger of `backup` and the directory `mirror` into its empty place.

    1. Nobody serves here, no database is in the way, and the anchor says how far it was;
       with `newest` there need not be one, and nobody here knows whether this is all.
    2. The backup is copied beside its place, and every entry of it hashed again.
    3. What the mirror has beyond it is appended, each row judged.
    4. The tree reaches the anchor, and has the root that the anchor knows.
    5. The head is sealed, the database gets its name, and the anchor its new place.

    Raises:
        LedgerBusyError: somebody serves here.
        TransferError: a database is in the way, or the directory cannot be made.
        AnchorMissingError: there is no anchor, and `newest` was not said.
        ForeignLedgerError: backup, mirror or anchor are another ledger's.
        RollbackError: backup and mirror do not reach the anchor.
        DamagedError: an entry, or how they go together.
    """
    # 1.
    with ExitStack() as stack:
        try:
            home.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = LedgerLock(home.lock)
        except OSError as e:
            raise TransferError(f"cannot restore into {home.directory}: {e.strerror}") from e
        stack.callback(lock.close)
        _check_free(home)
        fresh = home.directory / "ledger.db.restoring"
        make_empty(fresh)
        stack.callback(remove_database, fresh)
        anchor = Anchor(home.anchor, home.origin, fresh, each_second=home.each_second)
        stack.callback(anchor.close)
        mark = _mark(anchor, newest=newest)
        # 2. to 4.
        copy_database(backup, fresh, lambda *_: None)
        migrate_database(fresh, lambda _: None)
        building = _Building(fresh, home.origin, keys, mark)
        try:
            found = building.build(mirror, progress)
        finally:
            building.close()
        # 5.
        _check_free(home)
        fresh.rename(home.database)
        sync(home.directory)
        anchor.create(found.tree_size, found.root)
        return found._replace(check_needed=os.path.lexists(failure_note(home.anchor)))


def _check_free(home: Home) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path = home.database.with_name(home.database.name + suffix)
        if os.path.lexists(path):
            raise TransferError(
                f"expected no database in {home.directory}, found {path.name}",
                hint="nothing is overwritten: move the directory away, also to look at it later",
            )


def _mark(anchor: Anchor, *, newest: bool) -> Mark | None:
    if newest and not os.path.lexists(anchor.path):
        return None
    try:
        return anchor.load()
    except AnchorMissingError as e:
        raise AnchorMissingError(
            e.message,
            hint="bring it back; if it is lost, --newest takes all that backup and mirror hold, "
            "and only a witness knows whether that is all",
        ) from e


class _Building:
    """The database that is being made, and all that it is held against."""

    def __init__(self, fresh: Path, origin: str, keys: LogKeys, mark: Mark | None) -> None:
        self._origin = origin
        self._seal = keys.seal
        self._log_keys = [NoteKey.of(origin, key.public) for key in (keys.log, *keys.also)]
        self._mark = mark
        self._store = SqliteStore(fresh)

    def close(self) -> None:
        self._store.close()

    def build(self, mirror: Path | None, progress: Progress) -> Restored:
        """Make the tree whole, from what is copied already and from `mirror`, and seal it."""
        store = self._store
        self._check_origin(store, "the backup")
        old = check_tree(store)
        proven = self._proven(store, old)
        if proven < old.tree_size:
            raise DamagedError(
                f"of the {old.tree_size} entries of the backup only {proven} are under a seal, "
                "a signature or an anchor of ours",
                hint="what a mirror had half stored can be taken with --from only",
            )
        other = SqliteStore(mirror / "ledger.db", read_only=True) if mirror else None
        try:
            reach, theirs = old.tree_size, None
            if other is not None:
                self._check_origin(other, "the mirror")
                theirs = check_tree(other)
                reach = max(reach, self._proven(other, theirs))
            self._check_reach(old, theirs, reach)
            _rehash(store, old, lambda done, _: progress(done, reach))
            if other is not None and theirs is not None:
                self._join(other, theirs, old.tree_size, reach, progress)
            self._check_mark()
            head = self._final(old, theirs)
        finally:
            if other is not None:
                other.close()
        left_out = max(0, theirs.tree_size - head.tree_size) if theirs else 0
        taken = head.tree_size - old.tree_size
        return Restored(head.tree_size, head.root, taken, left_out, check_needed=False)

    def _check_origin(self, store: SqliteStore, what: str) -> None:
        if store.origin != self._origin:
            raise ForeignLedgerError(
                f"expected the ledger {self._origin}, {what} is of {store.origin}"
            )

    def _check_reach(self, old: Head, theirs: Head | None, reach: int) -> None:
        if self._mark is not None and reach < self._mark.tree_size:
            mirrored = f", the mirror {theirs.tree_size}" if theirs else ", and there is no mirror"
            raise RollbackError(
                f"the anchor has seen {self._mark.tree_size} entries, the backup holds "
                f"{old.tree_size}{mirrored}",
                hint="find a newer backup or mirror; what is missing was signed and given out",
            )

    def _check_mark(self) -> None:
        if self._mark is not None:
            opening.check_growth(self._store, self._mark.tree_size, self._mark.root)

    def _proven(self, store: SqliteStore, head: Head) -> int:
        """Return up to which size the entries of `store` are ours by anchor, seal or signature."""
        if self._is_ours(head):
            return head.tree_size
        known = min(head.tree_size, self._mark.tree_size) if self._mark else 0
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

    def _join(
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
            copied = [derive(index, row) for index, row in enumerate(rows, start)]
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


def _rehash(store: SqliteStore, head: Head, progress: Progress) -> None:
    """Check every entry, body and tile of `store` against `head`."""
    edge: Edge = ()
    judge = Judge(store.origin, Head(0, EMPTY_ROOT, (), 0, False, b""))  # noqa: FBT003
    for start in range(0, head.tree_size, SLICE // 8):
        stop = min(head.tree_size, start + SLICE // 8)
        rows = _all_rows(store, start, stop)
        for index, row in enumerate(rows, start):
            _check_body(index, row)
        before = judge.compact
        judge.take(rows)
        extension = tree.extend(start, before, [hash_leaf(row.entry) for row in rows])
        edge, full = advance(edge, extension)
        for tile in full:
            if store.tile(tile.id) != tile.hashes:
                raise DamagedError(f"tile {tile.id.level}/{tile.id.n} is not that of its entries")
        progress(stop, head.tree_size)
    judge.check(head)


def _check_body(index: int, row: Row) -> None:
    """Check that the body is the one that the entry names, if it names one so."""
    name = labels.body_name(row.entry)
    if row.body is None or name is None:
        return
    algorithm = name.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, row.body).hexdigest()}"
    if found != name:
        raise DamagedError(f"entry {index}: expected the body {name}, found {found}")
