"""Opening a ledger: everything that must be true before it may be written to.

A ledger directory holds `ledger.db` (with SQLite's -wal and -shm) and
`ledger.lock`; the anchor lies in a directory of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ledger import deleting, tree
from ledger.anchor import Anchor, check_no_failure
from ledger.at_rest import DataKeys
from ledger.bodies import Bodies
from ledger.edge import load_edge
from ledger.errors import ConflictError, DamagedError, ForeignLedgerError, RollbackError
from ledger.ledger import Ledger
from ledger.lock import LedgerLock
from ledger.plan import NewEntry
from ledger.publication import PublicationFile
from ledger.seal import check_head, empty_head
from ledger.signatory import LogKeys
from ledger.store import SLICE, Store
from ledger.store.files import path_in, sizes
from ledger.store.sqlite import SqliteStore, migrate_database
from ledger.tiles import TileReader
from verifier.merkle import EMPTY_ROOT, Hash, hash_leaf


class Home(NamedTuple):
    """Where a ledger lives. `each_second` is how often its anchor moves; see `ledger.anchor`."""

    directory: Path
    anchor: Path
    origin: str
    each_second: bool = False

    @property
    def database(self) -> Path:
        """The database; only SQLite may open it."""
        return path_in(self.directory)

    @property
    def bodies(self) -> Path:
        """The directory of bodies that are too large for the database."""
        return self.directory / "bodies"

    @property
    def data_keys_mark(self) -> Path:
        """Where whoever encrypts keeps the name of its newest data key: not beside the book."""
        return self.anchor / "data-keys"

    @property
    def lock(self) -> Path:
        """The file whose lock makes one process the only one."""
        return self.directory / "ledger.lock"

    def size_bytes(self) -> int:
        """Return what the database and its write-ahead log take, by lstat: nothing is opened."""
        return sum(sizes(self.database))


class OpenLedger:
    """A ledger and the lock that makes it ours; a context manager."""

    def __init__(self, ledger: Ledger, lock: LedgerLock) -> None:
        """Own both."""
        self.ledger = ledger
        self._lock = lock

    def __enter__(self) -> Ledger:
        """Return the ledger."""
        return self.ledger

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the ledger, and then give the lock back."""
        self.ledger.close()
        self._lock.close()


def create(home: Home, keys: LogKeys, genesis: NewEntry) -> None:
    """Make a ledger whose entry 0 is `genesis`, so that no client's entry has an empty path.

    Raises:
        ConflictError: there is one already.
        LedgerBusyError: and it is being served.
    """
    home.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = LedgerLock(home.lock)
        stack.callback(lock.close)
        if os.path.lexists(home.anchor / "anchor"):
            raise ConflictError(f"expected no anchor in {home.anchor}, found one")
        store = SqliteStore.create(home.database, home.origin, empty_head(home.origin, keys.seal))
        stack.callback(store.close)
        anchor = Anchor(home.anchor, home.origin, home.database)
        stack.callback(anchor.close)
        anchor.create(0, EMPTY_ROOT)
        Ledger(store, anchor, keys).append([genesis])


def open_ledger(
    home: Home,
    keys: LogKeys,
    *,
    asks: bool = False,
    signs_late: bool = False,
    at_rest: DataKeys | None = None,
) -> OpenLedger:
    """Open the ledger for writing, once everything about it has been checked.

    When it `asks`, a tree is published only by `Ledger.publish`: others must have it first.
    When it `signs_late`, it is not even signed before `Ledger.sign`: a mirror must have it first.
    Bodies of attestations are encrypted with the keys `at_rest`.

    1. Nobody else serves it, and no disk failed under it that nobody has looked at since.
    2. The database exists, has our schema, and is this ledger's.
    3. Its head bears our seal, its compact range hashes to its root, and it has a genesis.
    4. It is not behind the anchor, and grew out of the state that the anchor knows.
    5. It is the very file that the anchor was written for.
    6. What a crash left committed but not anchored is anchored, before it is signed.
    7. Of what is logged as deleted, nothing is there any more.

    Raises:
        LedgerError: one of its subclasses, by the first of these that is not so.
    """
    with ExitStack() as stack:
        lock, store, anchor = _enter(stack, home, at_rest)
        check_no_failure(home.anchor)
        check_head(store, keys.seal)
        if store.head().tree_size == 0:
            raise DamagedError("no genesis entry", hint="its making was cut off; make a new one")
        mark = anchor.load()
        check_growth(store, mark.tree_size, mark.root)
        anchor.check_place(mark)
        head = store.head()
        if head.tree_size > mark.tree_size:
            anchor.write(head.tree_size, head.root)
        bodies = Bodies(home.bodies, at_rest)
        deleting.complete_all(store, bodies)
        publication = PublicationFile(home.anchor)
        if not asks:  # its head is public at once; a file that says less must not outlive that
            publication.forget()
        ledger = Ledger(
            store,
            anchor,
            keys,
            publication=publication if asks else None,
            signs_late=signs_late,
            bodies=bodies,
        )
        opened = OpenLedger(ledger, lock)
        stack.pop_all()  # from here on `opened` owns them
        return opened


def adopt(home: Home, keys: LogKeys, progress: Callable[[int, int], None]) -> int:
    """Write a new anchor for a database that was moved or restored, and return its size.

    Every entry is hashed again first. A database that is behind an anchor that is
    still there is refused: that would be the fork that the anchor exists against.
    """
    with ExitStack() as stack:
        _, store, anchor = _enter(stack, home)
        check_head(store, keys.seal)
        if anchor.path.exists():
            mark = anchor.load()
            check_growth(store, mark.tree_size, mark.root)
        head = store.head()
        check_entries(store, head.tree_size, head.root, progress)
        anchor.create(head.tree_size, head.root)
        return head.tree_size


def migrate(home: Home, progress: Callable[[str], None]) -> None:
    """Raise the database's schema to this version's; the service must be stopped."""
    with ExitStack() as stack:
        if home.directory.is_dir():
            lock = LedgerLock(home.lock)
            stack.callback(lock.close)
        migrate_database(home.database, progress)


def _enter(
    stack: ExitStack, home: Home, keys: DataKeys | None = None
) -> tuple[LedgerLock, SqliteStore, Anchor]:
    if not os.path.lexists(home.database):
        SqliteStore(home.database)  # raises, and says which command makes one
    lock = LedgerLock(home.lock)
    stack.callback(lock.close)
    store = SqliteStore(home.database, keys=keys)
    stack.callback(store.close)
    if store.origin != home.origin:
        raise ForeignLedgerError(
            f"expected the ledger {home.origin}, {home.database} is {store.origin}"
        )
    anchor = Anchor(home.anchor, home.origin, home.database, each_second=home.each_second)
    stack.callback(anchor.close)
    return lock, store, anchor


def check_growth(store: Store, tree_size: int, root: Hash) -> None:
    """Check that the stored tree is, or grew out of, the one with this size and root."""
    head = store.head()
    if head.tree_size < tree_size:
        raise RollbackError(
            f"the anchor has seen {tree_size} entries, the database holds {head.tree_size}"
        )
    edge = load_edge(store, head.tree_size)
    reader = TileReader(store.tile)
    found = [
        tree.fold([reader.node(node, edge) for node in tree.cover(0, size)]) if size else EMPTY_ROOT
        for size in (tree_size, head.tree_size)
    ]
    if found[1] != head.root:
        raise DamagedError(f"the entries hash to {found[1].hex()}, the head says {head.root.hex()}")
    if found[0] != root:
        raise DamagedError(
            f"at {tree_size} entries the anchor knows root {root.hex()}, "
            f"the database has {found[0].hex()}"
        )


def check_entries(
    store: Store, tree_size: int, root: Hash, progress: Callable[[int, int], None]
) -> None:
    """Hash every entry, and check that they make the tree with this size and root."""
    compact: tuple[Hash, ...] = ()
    for start in range(0, tree_size, SLICE):
        stop = min(tree_size, start + SLICE)
        entries = store.entries(start, stop)
        if len(entries) != stop - start:
            raise DamagedError(f"expected entries {start} to {stop - 1}, found {len(entries)}")
        extension = tree.extend(start, compact, [hash_leaf(entry) for entry in entries])
        compact = extension.compact
        progress(extension.tree_size, tree_size)
    if tree.root(compact) != root:
        raise DamagedError(f"the entries hash to {tree.root(compact).hex()}, not {root.hex()}")
