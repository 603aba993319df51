"""Large bodies, in files beside the database: bodies/sha256/<hex>.

A body of over 64 KiB is written here and synced before the commit that names it,
so that no row is without its body. What a crash or a refused commit leaves over is
named by nobody: harmless, and swept while the next service runs (`ledger.orphans`).

A file is found by its hash, so that two rows may name one. One that is secret is
encrypted (`ledger.at_rest`), and called by the hash of what is in it all the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from ledger import at_rest
from ledger.at_rest import CHUNK, HEADER, SEALED_CHUNK, TAG, Content, DataKeys, Place
from ledger.durable import sync
from ledger.errors import BodyDeletedError, DamagedError, LockedError
from ledger.spooling import ALGORITHM, PIECE, Spool, disk

LARGEST_IN_ROW = 64 << 10  # bytes
_NAME = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_FRESH = ".new"  # what is being written


def beside(database: Path, keys: DataKeys | None = None) -> Bodies:
    """Return the large bodies beside `database`; backups in one directory share theirs."""
    return Bodies(database.parent / "bodies", keys)


class Bodies:
    """The large bodies of one ledger. Safe in many threads."""

    def __init__(self, directory: Path, keys: DataKeys | None = None) -> None:
        """Keep them below `directory`, which is made when it is needed; `keys` open secret ones."""
        self._directory = directory
        self._keys = keys
        self._condemned: set[str] = set()  # what nobody may bring back while it is deleted
        self._lock = Lock()  # between whoever sweeps a file and whoever needs it again
        self._writing: set[Path] = set()
        self._kept: set[str] | None = set()  # since this was opened, until it is swept
        self._settled = False  # whether the directory is there for good

    @property
    def keys(self) -> DataKeys | None:
        """What opens secret ones."""
        return self._keys

    @contextmanager
    def spool(self, *, secret: bool = False) -> Iterator[Spool]:
        """Yield a spool, whose file is gone afterwards unless it was kept.

        What is `secret` is encrypted, if there is a key for it.

        Raises:
            StorageFullError, StorageFailedError: the disk does not take it.
        """
        with disk():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"{secrets.token_hex(16)}{_FRESH}"
            self._writing.add(path)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
        try:
            with os.fdopen(descriptor, "w+b", buffering=0) as file:
                key = self._keys.newest() if secret and self._keys else None
                yield Spool(self.take, path, file, key)
        finally:
            path.unlink(missing_ok=True)
            self._writing.discard(path)

    def path(self, name: str) -> Path:
        """Return where the body with this name is, or would be.

        Raises:
            DamagedError: no body in a file is called so.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise DamagedError(f"expected a body named by its SHA-256, found {name[:80]!r}")
        return self._directory / ALGORITHM / match[1]

    def take(self, fresh: Path, name: str) -> None:
        """Give a synced file its name, in the place of one that may be there already.

        Raises:
            BodyDeletedError: what is called so is being deleted.
            StorageFullError, StorageFailedError: the disk does not take it.
        """
        path = self.path(name)
        with disk(), self._lock:
            self.check_spared(name)
            if self._kept is not None:
                self._kept.add(name)
            self._settle(path.parent)
            fresh.rename(path)
            sync(path.parent)

    def _settle(self, folder: Path) -> None:
        """Have the directories there for good: whoever made them may have died before."""
        if not self._settled:
            folder.mkdir(mode=0o700, exist_ok=True)
            for made in (folder, self._directory, self._directory.parent):
                sync(made)
            self._settled = True

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """Yield the body with this name, piece by piece.

        Raises:
            DamagedError: it is not there, has another size, or is altered; the last piece
                is held back until its hash is seen to be right.
            LockedError: it is encrypted, and its key is not known here.
        """
        algorithm = hashlib.sha256()
        held, left = b"", size
        with self._file(name) as file:
            for piece in self._plain(file, name, size):
                if held:
                    yield held
                held, left = piece, left - len(piece)
                algorithm.update(piece)
                if left < 0:
                    break
        _check(name, algorithm.hexdigest())
        yield held

    def read(self, name: str, size: int) -> bytes:
        """Return the whole body; raises like `pieces`."""
        return b"".join(self.pieces(name, size))

    def has(self, name: str, size: int) -> bool:
        """Whether the body is here, and is what its name says; raises `LockedError`."""
        try:
            for _ in self.pieces(name, size):
                pass
        except DamagedError:
            return False
        return True

    def is_sealed(self, name: str) -> bool:
        """Whether the body is encrypted; raises `DamagedError` when it is not there."""
        with self._file(name) as file:
            return at_rest.is_sealed(file.read(HEADER))

    def is_there(self, name: str) -> bool:
        """Whether there is a file with this name, whatever is in it."""
        return bool(_NAME.fullmatch(name)) and os.path.lexists(self.path(name))

    def copy_from(self, other: Bodies, name: str, size: int, *, secret: bool = False) -> None:
        """Have the body that `other` has, checked and durable.

        One that is encrypted is copied as it is, and checked if its key is known to `other`;
        one that is not is encrypted when it is `secret`, if there is a key for it here.

        Raises:
            DamagedError: `other` has it not, or altered.
            StorageFullError, StorageFailedError: it cannot be kept here.
        """
        if other.is_sealed(name):
            self._copy_sealed(other, name, size)
            return
        with self.spool(secret=secret) as spool:
            for piece in other.pieces(name, size):
                spool.write(piece)
            spool.keep()

    def _copy_sealed(self, other: Bodies, name: str, size: int) -> None:
        with suppress(LockedError):
            for _ in other.pieces(name, size):
                pass
        with self.spool() as spool:
            with other._file(name) as file:
                while piece := file.read(PIECE):
                    spool.write(piece)
            spool.keep_as(name)

    def tail(self, name: str, count: int) -> bytes:
        """Return the last bytes of the body with this name, unchecked.

        Raises:
            DamagedError: it is not there, or shorter.
            LockedError: it is encrypted, and its key is not known here.
        """
        with self._file(name) as file:
            header, end = file.read(HEADER), file.seek(0, os.SEEK_END)
            if not at_rest.is_sealed(header):
                file.seek(-min(count, end), os.SEEK_END)
                found = file.read(count)
            else:
                content = Content.opened(self._keys, Place.of_file(name), header)
                chunks = -(-(end - HEADER) // SEALED_CHUNK)
                size = end - HEADER - TAG * chunks
                first = max(0, size - count) // CHUNK
                file.seek(HEADER + first * SEALED_CHUNK)
                found = b"".join(
                    content.open(n, file.read(SEALED_CHUNK), last=n == chunks - 1)
                    for n in range(first, chunks)
                )
        found = found[len(found) - min(count, len(found)) :]
        if len(found) != count:
            raise DamagedError(f"body {name} is shorter than {count} bytes")
        return found

    def condemn(self, name: str) -> None:
        """Let nobody keep a body with this name, until it is dropped."""
        with self._lock:
            self._condemned.add(name)

    def check_spared(self, name: str) -> None:
        """Check that nobody is deleting what is called so; raises `BodyDeletedError`."""
        if name in self._condemned:
            raise BodyDeletedError(f"body {name} is being deleted")

    def spare(self, name: str) -> None:
        """Let it be kept again."""
        with self._lock:
            self._condemned.discard(name)

    def drop(self, name: str) -> None:
        """Remove the file with this name, durably, if there is one; no row names it any more.

        Raises:
            StorageFailedError: it cannot be removed.
        """
        path = self.path(name)
        with disk(), self._lock:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync(path.parent)

    def _plain(self, file: BinaryIO, name: str, size: int) -> Iterator[bytes]:
        """Yield what is in a file, decrypted when it is encrypted."""
        header, there = file.read(HEADER), os.fstat(file.fileno()).st_size
        sealed = at_rest.is_sealed(header)
        if there != (at_rest.sealed_size(size) if sealed else size):
            raise DamagedError(f"body {name} is not of {size} bytes")
        if not sealed:
            file.seek(0)
            yield from iter(lambda: file.read(PIECE), b"")
            return
        content = Content.opened(self._keys, Place.of_file(name), header)
        chunks = -(-(there - HEADER) // SEALED_CHUNK)
        for number in range(chunks):
            yield content.open(number, file.read(SEALED_CHUNK), last=number == chunks - 1)

    @contextmanager
    def _file(self, name: str) -> Iterator[BinaryIO]:
        """Open a body's file to read it; what is no file is not waited for."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(self.path(name), flags), "rb") as file:
                yield file
        except FileNotFoundError as e:
            raise DamagedError(f"body {name} is missing") from e
        except OSError as e:
            raise DamagedError(f"body {name} cannot be read: {e.strerror}") from e

    def names(self) -> Iterator[str]:
        """Yield the name of each body that is there."""
        directory = self._directory / ALGORITHM
        if directory.is_dir():
            for path in directory.iterdir():
                name = f"{ALGORITHM}:{path.name}"
                if _NAME.fullmatch(name):
                    yield name

    def sweep(self, is_named: Callable[[str], bool]) -> int:
        """Remove what no row names; return how many files. Once, for whom the ledger is locked.

        May run beside a service: what was kept since this was opened is about to be named.
        """
        assert self._kept is not None, "what was kept meanwhile is no longer known"
        swept = 0
        if self._directory.is_dir():
            for path in self._directory.glob(f"*{_FRESH}"):
                if path not in self._writing:
                    path.unlink(missing_ok=True)
                    swept += 1
        for name in self.names():
            if not is_named(name):
                swept += self._drop(name)
        with self._lock:
            self._kept = None
        return swept

    def _drop(self, name: str) -> bool:
        with self._lock:
            if self._kept is None or name in self._kept:
                return False
            self.path(name).unlink(missing_ok=True)
        return True


def _check(name: str, digits: str) -> None:
    if f"{ALGORITHM}:{digits}" != name:
        raise DamagedError(f"body {name} is not what its name says")


NONE = Bodies(Path(os.devnull))  # of a store that is nowhere on a disk
