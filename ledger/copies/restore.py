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

Where the service answered nobody before its mirror held the entry, the anchor
may be ahead of every copy by what was under way when the disk died. Nobody was
told of that. There the tree must reach what was published, which is kept beside
the anchor, and have its root; who asks again for the rest gets a new entry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ledger.anchor import Anchor, Mark, failure_note
from ledger.at_rest import DataKeys
from ledger.copies.backup import make_empty
from ledger.copies.joining import Joining, Known
from ledger.durable import sync, write_durably
from ledger.errors import AnchorMissingError, TransferError
from ledger.lock import LedgerLock
from ledger.opening import Home
from ledger.publication import PublicationFile
from ledger.signatory import LogKeys
from ledger.store.copying import copy_database
from ledger.store.files import data_keys, files, give_name, remove
from ledger.store.sqlite import migrate_database
from verifier.merkle import Hash

Progress = Callable[[int, int], None]


class Restored(NamedTuple):
    """What is in place now.

    `left_out` entries of the mirror bear neither seal nor signature of ours, and were
    not taken. `unanswered` entries had reached the anchor and nobody else: they are
    gone, and no one was told of them. `check_needed` says that the disk had failed:
    fsck comes before the start.
    """

    tree_size: int
    root: Hash
    from_mirror: int
    left_out: int
    unanswered: int
    check_needed: bool


def restore(
    home: Home,
    keys: LogKeys,
    backup: Path,
    mirror: Path | None,
    progress: Progress,
    *,
    newest: bool = False,
    synchronous: bool = False,
    at_rest: Callable[[], DataKeys | None] = lambda: None,
) -> Restored:
    """Put the ledger of `backup` and the directory `mirror` into its empty place.

    1. Nobody serves here, no database is in the way, and the anchor says how far it was;
       with `newest` there need not be one, and nobody here knows whether this is all. If
       the mirror was `synchronous`, what was published says how far it must be.
    2. The backup is copied beside its place, and every entry of it hashed again; what is
       encrypted is opened by what `at_rest` returns once the backup's wrapped keys are here.
    3. What the mirror has beyond it is appended, each row judged.
    4. The tree reaches that, and has the root that it had there.
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
        stack.callback(remove, fresh)
        anchor = Anchor(home.anchor, home.origin, fresh, each_second=home.each_second)
        stack.callback(anchor.close)
        mark = _mark(anchor, newest=newest)
        # 2. to 4.
        _take_data_keys(home, backup)
        copy_database(backup, fresh, lambda *_: None)
        migrate_database(fresh, lambda _: None)
        published = PublicationFile(home.anchor).load() if synchronous else None
        known = [Known(mark.tree_size, mark.root)] if mark else []
        if published is not None:
            known.append(Known(published.checkpoint.tree_size, published.checkpoint.root))
        joining = Joining(fresh, home.origin, keys, known, backup, at_rest=at_rest())
        try:
            found = joining.join(mirror, progress)
        finally:
            joining.close()
        # 5.
        _check_free(home)
        give_name(fresh, home.database)
        sync(home.directory)
        head = found.head
        anchor.create(head.tree_size, head.root)
        return Restored(
            head.tree_size,
            head.root,
            found.from_mirror,
            found.left_out,
            unanswered=max(0, mark.tree_size - head.tree_size) if mark else 0,
            check_needed=os.path.lexists(failure_note(home.anchor)),
        )


def _take_data_keys(home: Home, backup: Path) -> None:
    """Have the wrapped keys of the backup, unless those of the lost database are still there.

    A newer key that died with the disk is no longer looked for: what was encrypted with it
    comes from the mirror.
    """
    kept, ours = data_keys(backup), data_keys(home.database)
    try:
        if os.path.lexists(ours):
            return
        if os.path.lexists(kept):
            write_durably(ours, kept.read_bytes())
        home.data_keys_mark.unlink(missing_ok=True)
    except OSError as e:
        raise TransferError(f"cannot copy {kept}: {e.strerror}") from e


def _check_free(home: Home) -> None:
    for path in files(home.database):
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
