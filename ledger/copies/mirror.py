"""The mirror: a second copy of a ledger, on another disk or host, as new as it can be.

    DIR/ledger.db      a ledger's database like any other, under the service's own seal
    DIR/bodies/        large bodies, like the service's own
    DIR/ledger.lock    whoever writes to it

What the service sends is judged whole before any of it is stored: it must grow
out of the tree that is here, and lead to the head that came with it. So a mirror
never holds anything but a prefix of one history, and a service that forked or
was rolled back shows when it is next asked. Killed at any moment, it goes on
from the last commit. It says that it holds an entry only when that is durable.

What came in several commits is under the seal of the service only after the
last of them. The service alone can make the seal, so a mirror is trusted for
memory, not for truth: whoever owns its disk can lose or spoil it, and that is
found when it is asked to restore, but cannot add an entry that restores.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ledger import deleting, orphans
from ledger.bodies import Bodies
from ledger.copies.replica import Copied, Grower, Judge, check_tree, derive, root_at
from ledger.durable import sync
from ledger.errors import (
    DamagedError,
    ForeignLedgerError,
    RollbackError,
    StorageFailedError,
    StorageFullError,
    TransferError,
)
from ledger.lock import LedgerLock
from ledger.spooling import Spool
from ledger.store import MAX_BATCH, Claim, Head, Row
from ledger.store.files import path_in, remove
from ledger.store.sqlite import SqliteStore
from verifier import limits
from verifier.checkpoint import Checkpoint
from verifier.errors import UntrustedLogError
from verifier.merkle import EMPTY_ROOT, Hash
from verifier.note import Note, NoteKey, verify
from verifier.trust import TrustRoot

_IN_MEMORY = 8 << 20  # bytes of what came; more waits on the mirror's own disk
_LENGTH = 4
_LARGEST_BODY = limits.STATEMENT


class Piece(NamedTuple):
    """A part of a large body: which one, where in it, and its bytes."""

    name: str
    offset: int
    data: bytes


class Part(NamedTuple):
    """What one message brings: rows in order, then what belongs to their sizes and indices.

    Large bodies come before, in pieces, in messages of their own.

    `dedup` has a key for each row, or nothing where the service cannot tell it.
    `head` comes with the last part.
    """

    rows: Sequence[Row]
    dedup: Sequence[bytes]
    claims: Sequence[Claim]
    notes: Sequence[str]
    head: Head | None
    bodies: Sequence[Piece] = ()


Parse = Callable[[bytes], Part]


class Mirror:
    """The copy in one directory, ours alone while it is open. One thread at a time."""

    def __init__(self, directory: Path, trust: TrustRoot | None = None) -> None:
        """Open the mirror in `directory`, or begin one there.

        With `trust`, every checkpoint must be signed by a log key that it lists.

        Raises:
            LedgerBusyError: another process writes to it.
            DamagedError: what is there is no tree.
        """
        self._directory = directory
        self._trust = trust
        self._stopping = threading.Event()
        self._grower: Grower | None = None
        self._store: SqliteStore | None = None
        with ExitStack() as stack:
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = LedgerLock(directory / "ledger.lock")
            except OSError as e:
                raise TransferError(f"cannot keep a mirror in {directory}: {e.strerror}") from e
            stack.callback(lock.close)
            if os.path.lexists(self._database):
                self._open()
            stack.pop_all()
            self._lock = lock

    @property
    def tree_size(self) -> int:
        """How many entries are here, durably."""
        return self._grower.head.tree_size if self._grower else 0

    @property
    def head(self) -> Head | None:
        """The newest durable state, if there is one."""
        return self._grower.head if self._grower else None

    def meet(self, note: str) -> None:
        """Take `note`, the service's checkpoint, as whose ledger this mirrors.

        Raises:
            ForeignLedgerError: another ledger is mirrored here.
            UntrustedLogError, SignatureError: the trusted log keys did not sign it.
            DamagedError: it is of a tree that ours did not grow out of.
        """
        parsed = Note.parse(note)
        checkpoint = Checkpoint.parse(parsed.text)
        if keys := self._log_keys(checkpoint.origin):
            verify(parsed, keys)
        if self._store is None:
            self._create(checkpoint.origin)
        assert self._store is not None
        if self._store.origin != checkpoint.origin:
            raise ForeignLedgerError(
                f"expected the ledger {self._store.origin}, which is mirrored in "
                f"{self._directory}, found {checkpoint.origin}"
            )
        size = checkpoint.tree_size
        if size <= self.tree_size and (found := self._root_at(size)) != checkpoint.root:
            raise DamagedError(
                f"at {size} entries the service says root {checkpoint.root.hex()}, "
                f"the mirror has {found.hex()}",
                hint="one of the two was changed, or has forked: keep both",
            )

    def incoming(self, parse: Parse) -> Incoming:
        """Return what takes an answer of the service; `meet` comes first."""
        assert self._store is not None
        assert self._grower is not None
        keys = self._log_keys(self._store.origin)
        return Incoming(
            self._directory, self._store, self._grower, keys, parse=parse, stopping=self._stopping
        )

    def stop(self) -> None:
        """Let `Incoming.apply` end after the commit that it is at; from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """Close the database, and then give the lock back."""
        if self._store:
            self._store.close()
        self._lock.close()

    @property
    def _database(self) -> Path:
        return path_in(self._directory)

    def _open(self) -> None:
        store = SqliteStore(self._database)
        try:
            check_tree(store)
            bodies = Bodies(self._directory / "bodies")
            deleting.complete_all(store, bodies)
            orphans.sweep(store, bodies)
            self._grower, self._store = Grower(store), store
        except BaseException:
            store.close()
            raise

    def _create(self, origin: str) -> None:
        """Make the empty database, whole or not at all."""
        fresh = self._directory / "ledger.db.new"
        remove(fresh)  # of a beginning that was cut off
        head = Head(0, EMPTY_ROOT, (), 0, False, b"")  # noqa: FBT003
        SqliteStore.create(fresh, origin, head).close()
        fresh.rename(self._database)
        sync(self._directory)
        self._open()

    def _log_keys(self, origin: str) -> tuple[NoteKey, ...] | None:
        if self._trust is None:
            return None
        keys = self._trust.log_keys(origin)
        if not keys:
            raise UntrustedLogError(f"the trust file does not list the log {origin}")
        return keys

    def _root_at(self, tree_size: int) -> Hash:
        assert self._store is not None
        return root_at(self._store, tree_size)


class Incoming:
    """One answer of the service: judged as it comes, stored when all of it was judged."""

    def __init__(
        self,
        directory: Path,
        store: SqliteStore,
        grower: Grower,
        log_keys: Sequence[NoteKey] | None,
        *,
        parse: Parse,
        stopping: threading.Event,
    ) -> None:
        """Grow `store` by `grower`."""
        self._store = store
        self._grower = grower
        self._parse = parse
        self._stopping = stopping
        self._judge = Judge(store.origin, grower.head, log_keys)
        self._head: Head | None = None
        self._bodies = Bodies(directory / "bodies")
        self._body = ExitStack()  # the spool of the one that is coming
        self._coming: tuple[str, Spool] | None = None
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(directory))  # noqa: SIM115

    @property
    def tree_size(self) -> int:
        """How far the rows lead that came so far."""
        return self._judge.tree_size

    def add(self, raw: bytes) -> None:
        """Judge one message, and keep it; nothing is stored yet.

        Raises:
            RollbackError: the service has fewer entries than we do.
            DamagedError: a row, a note or the head does not fit the others, or ours.
            ForeignLedgerError, VerificationError: a note is not what it must be.
            StorageFullError, StorageFailedError: the disk does not take it.
        """
        part = self._parse(raw)
        if self._head is not None:
            raise DamagedError("something came behind the head")
        for piece in part.bodies:
            self._take(piece)
        if part.bodies and not part.rows and part.head is None:
            return  # it is kept already, where it belongs
        self._keep_body()
        self._derive(part)
        self._judge.take(part.rows, part.notes)
        if any(claim.index >= self._judge.tree_size for claim in part.claims):
            raise DamagedError("a claim came before its entry")
        if part.head is not None:
            if part.head.tree_size < self._grower.head.tree_size:
                raise RollbackError(
                    f"the service has {part.head.tree_size} entries, this mirror "
                    f"{self._grower.head.tree_size}",
                    hint="it was put back from a backup: bring it up with `sealbook ledger restore`"
                    " from this mirror",
                )
            self._judge.check(part.head)
            self._head = part.head
        try:
            self._spool.write(len(raw).to_bytes(_LENGTH, "big") + raw)
        except OSError as e:
            if e.errno == errno.ENOSPC:
                raise StorageFullError("no space left for what came") from e
            raise StorageFailedError(f"keeping what came: {e.strerror}") from e

    def apply(self, progress: Callable[[int, int], None]) -> bool:
        """Store all that came; return whether it did, and not `Mirror.stop`.

        What is logged in it as deleted is deleted here too.

        Raises:
            DamagedError: the head has not come.
            StorageFullError, StorageFailedError: the disk does not take it.
        """
        if self._head is None:
            raise DamagedError("the answer ended without a head")
        before = self._grower.head.tree_size
        rows: list[Copied] = []
        claims: list[Claim] = []
        kept: list[tuple[int, str]] = []
        for part in self._replay():
            first = self._grower.head.tree_size + len(rows)
            rows += [derive(i, row, self._bodies) for i, row in enumerate(part.rows, first)]
            claims += part.claims
            kept += [(Checkpoint.parse(Note.parse(n).text).tree_size, n) for n in part.notes]
            while len(rows) > MAX_BATCH:
                if self._stopping.is_set():
                    return False
                stop = self._grower.head.tree_size + MAX_BATCH
                now = [claim for claim in claims if claim.index < stop]
                signed = [(size, note) for size, note in kept if size <= stop]
                self._grower.append(rows[:MAX_BATCH], now, signed)
                del rows[:MAX_BATCH]
                claims = [claim for claim in claims if claim.index >= stop]
                kept = [(size, note) for size, note in kept if size > stop]
                progress(stop, self._head.tree_size)
        if self._stopping.is_set():
            return False
        kept = [(size, note) for size, note in kept if self._store.note(size) is None]
        if rows or claims or kept or self._head != self._grower.head:
            self._grower.append(rows, claims, kept, self._head)
        deleting.complete_all(self._store, self._bodies, before - 1)
        progress(self._head.tree_size, self._head.tree_size)
        return True

    def close(self) -> None:
        """Forget what came."""
        self._body.close()
        self._spool.close()

    def _derive(self, part: Part) -> None:
        start = self._judge.tree_size
        for index, (row, key) in enumerate(zip(part.rows, part.dedup, strict=True), start):
            found = derive(index, row, self._bodies).dedup
            if key and key != found:
                raise DamagedError(f"entry {index}: its dedup key is not that of the entry")

    def _take(self, piece: Piece) -> None:
        """Write a piece of a large body; the one before it is whole when another begins."""
        if piece.offset == 0:
            self._keep_body()
            self._coming = piece.name, self._body.enter_context(self._bodies.spool())
        if self._coming is None or self._coming[0] != piece.name:
            raise DamagedError(f"a piece of {piece.name[:80]} came without its beginning")
        spool = self._coming[1]
        if piece.offset != spool.size or spool.size + len(piece.data) > _LARGEST_BODY:
            raise DamagedError(f"a piece of {piece.name[:80]} does not follow the one before it")
        spool.write(piece.data)

    def _keep_body(self) -> None:
        """Name the body that came last, durably: its row comes next."""
        if self._coming is not None:
            name, spool = self._coming
            found = spool.keep()
            self._coming = None
            self._body.close()
            if found != name:
                raise DamagedError(f"expected the body {name[:80]}, found {found}")

    def _replay(self) -> Iterator[Part]:
        self._spool.seek(0)
        while length := self._spool.read(_LENGTH):
            yield self._parse(self._spool.read(int.from_bytes(length, "big")))
