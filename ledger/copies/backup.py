"""A backup: the database as it was at one moment, in one file, taken while the service writes.

    /backup/ledger-2026-11-25.db            mode 0600; opened only when it has been checked
    /backup/ledger-2026-11-25.db.data-keys  the wrapped keys of what is encrypted in it
    /backup/bodies/                         large bodies, which all backups in a directory share

It is copied by SQLite, pushed to the disk under another name, checked, and only
then given its name, so that a file with that name is whole. It holds the ledger
up to some commit: what was signed later is in no backup, but in a mirror, and
`ledger.copies.restore` joins the two. To put an older backup in the place of the
database, and serve, would fork the ledger: the anchor refuses that.

What is encrypted is copied as it is. Who has a backup alone reads none of it, and who
keeps one keeps the key-encryption key of its time. What was deleted later is still in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger import labels, opening
from ledger.bodies import beside
from ledger.durable import sync, write_durably
from ledger.errors import ForeignLedgerError, TransferError
from ledger.store import Head, scanning
from ledger.store.copying import copy_database
from ledger.store.files import data_keys, remove
from ledger.store.sqlite import SqliteStore
from verifier.merkle import Hash


class Backup(NamedTuple):
    """What a finished backup holds."""

    origin: str
    tree_size: int
    root: Hash
    file_bytes: int


def back_up(
    database: Path, file: Path, progress: Callable[[int, int], None], origin: str | None = None
) -> Backup:
    """Copy `database` into the new `file`, checked and durable on return.

    `origin`, if given, is whose ledger it must be. `progress` is told pages.

    Raises:
        TransferError: there is a file already, or none can be made there.
        ForeignLedgerError: the database is another ledger's.
        DamagedError: what was copied is no tree, or is older than what was there before.
        StorageBusyError: so much was written meanwhile that the copy was given up.
        StorageFullError: no space; `file` is not there then, as after any other error.
    """
    if os.path.lexists(file):
        raise _taken(file)
    fresh = file.with_name(file.name + ".new")
    before = _look(database, origin)
    try:
        make_empty(fresh)
        copy_database(database, fresh, progress)
        sync(fresh)
        _copy_bodies(database, fresh)
        found = _check(fresh, before)
        _copy_data_keys(database, file)  # after all that is encrypted with them
        _put(fresh, file)
    finally:
        remove(fresh)
    return found


def _look(database: Path, origin: str | None) -> tuple[str, Head]:
    store = SqliteStore(database, read_only=True)
    try:
        if origin is not None and store.origin != origin:
            raise ForeignLedgerError(f"expected the ledger {origin}, {database} is {store.origin}")
        return store.origin, store.head()
    finally:
        store.close()


def _copy_bodies(database: Path, fresh: Path) -> None:
    """Have every large body that the copy names beside it: its files were there before the rows."""
    here, there = beside(database), beside(fresh)
    store = SqliteStore(fresh, read_only=True)
    try:
        for row in scanning.large(store):
            name = labels.body_name(row.entry)
            if name and not there.path(name).exists():  # as after an earlier backup
                there.copy_from(here, name, row.body_size)
    finally:
        store.close()


def _copy_data_keys(database: Path, file: Path) -> None:
    """Have the wrapped keys beside the copy: of newer ones too, which is never too many.

    Raises:
        TransferError: they cannot be copied.
    """
    keys = data_keys(database)
    try:
        if os.path.lexists(keys):
            write_durably(data_keys(file), keys.read_bytes())
    except OSError as e:
        raise TransferError(f"cannot copy {keys}: {e.strerror}") from e


def make_empty(fresh: Path) -> None:
    """Make an empty file for its owner alone, in the place of what an earlier run left there.

    Raises:
        TransferError: it cannot be made.
    """
    remove(fresh)
    try:
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except OSError as e:
        raise TransferError(f"cannot make {fresh}: {e.strerror}") from e


def _check(fresh: Path, before: tuple[str, Head]) -> Backup:
    """Check that the copy is a tree that grew out of what was there before it was made."""
    store = SqliteStore(fresh, read_only=True)
    try:
        origin, known = before
        if store.origin != origin:
            raise ForeignLedgerError(f"expected the ledger {origin}, {fresh} is {store.origin}")
        opening.check_growth(store, known.tree_size, known.root)
        head = store.head()
        return Backup(origin, head.tree_size, head.root, fresh.lstat().st_size)
    finally:
        store.close()


def _put(fresh: Path, file: Path) -> None:
    """Give the copy its name, unless somebody else has it; durable on return."""
    try:
        try:
            os.link(fresh, file)  # which never replaces anything
        except FileExistsError:
            raise _taken(file) from None
        except OSError:  # a file system without hard links
            if os.path.lexists(file):
                raise _taken(file) from None
            fresh.rename(file)
        fresh.unlink(missing_ok=True)
        sync(file.parent)
    except OSError as e:
        raise TransferError(f"cannot put the backup at {file}: {e.strerror}") from e


def _taken(file: Path) -> TransferError:
    return TransferError(
        f"expected no file at {file}, found one", hint="a backup never replaces another"
    )
