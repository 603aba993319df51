"""Large bodies, in files beside the database: bodies/sha256/<hex>.

A body of over 64 KiB is written here and synced before the commit that names it,
so that no row is without its body. What a crash or a refused commit leaves over is
named by nobody: harmless, and swept while the next service runs (`ledger.orphans`).

A file is found by its hash, so that two rows may name one. A spool is unbuffered:
what a full disk did not take must not be tried again when the file is closed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from ledger.durable import sync
from ledger.errors import DamagedError, StorageFailedError, StorageFullError

LARGEST_IN_ROW = 64 << 10  # bytes
PIECE = 256 << 10
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_ALGORITHM = "sha256"
_NAME = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_FRESH = ".new"  # what is being written


def beside(database: Path) -> Bodies:
    """Return the large bodies beside `database`; backups in one directory share theirs."""
    return Bodies(database.parent / "bodies")


class Spool:
    """A body on its way: write pieces, then keep it under its hash."""

    def __init__(self, bodies: Bodies, path: Path, file: BinaryIO) -> None:
        """Write to `file` at `path`, a place among `bodies`."""
        self._bodies = bodies
        self._path = path
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Add a piece; raises `StorageFullError` or `StorageFailedError`."""
        left = memoryview(piece)
        with _disk():
            while left:
                left = left[self._file.write(left) :]
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was written so far."""
        return self._hash.digest()

    def pieces(self) -> Iterator[bytes]:
        """Yield what was written, from the start; raises `StorageFailedError`."""
        offset = 0
        while offset < self.size:
            with _disk():
                piece = os.pread(self._file.fileno(), PIECE, offset)
            if not piece:
                raise StorageFailedError("a body that was being written is shorter than it was")
            offset += len(piece)
            yield piece

    def keep(self) -> str:
        """Name it by its hash, durably, and return the name, as `sha256:<hex>`.

        Raises:
            StorageFullError: no space; nothing has that name.
            StorageFailedError: the disk failed.
        """
        with _disk():
            os.fsync(self._file.fileno())
        name = f"{_ALGORITHM}:{self._hash.hexdigest()}"
        self._bodies.take(self._path, name)
        return name


class Bodies:
    """The large bodies of one ledger. Safe in many threads."""

    def __init__(self, directory: Path) -> None:
        """Keep them below `directory`, which is made when it is needed."""
        self._directory = directory
        self._lock = Lock()  # between whoever sweeps a file and whoever needs it again
        self._writing: set[Path] = set()
        self._kept: set[str] | None = set()  # since this was opened, until it is swept
        self._settled = False  # whether the directory is there for good

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """Yield a spool, whose file is gone afterwards unless it was kept.

        Raises:
            StorageFullError, StorageFailedError: the disk does not take it.
        """
        with _disk():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"{secrets.token_hex(16)}{_FRESH}"
            self._writing.add(path)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
        try:
            with os.fdopen(descriptor, "w+b", buffering=0) as file:
                yield Spool(self, path, file)
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
        return self._directory / _ALGORITHM / match[1]

    def take(self, fresh: Path, name: str) -> None:
        """Give a synced file its name, in the place of one that may be there already."""
        path = self.path(name)
        with _disk(), self._lock:
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
        """
        algorithm = hashlib.sha256()
        held, left = b"", size
        with self._file(name, size) as file:
            while left >= 0 and (piece := file.read(PIECE)):
                if held:
                    yield held
                held, left = piece, left - len(piece)
                algorithm.update(piece)
        _check(name, algorithm.hexdigest())
        yield held

    def read(self, name: str, size: int) -> bytes:
        """Return the whole body; raises like `pieces`."""
        with self._file(name, size) as file:
            body = file.read(size + 1)
        _check(name, hashlib.sha256(body).hexdigest())
        return body

    def has(self, name: str, size: int) -> bool:
        """Whether the body is here, and is what its name says."""
        try:
            for _ in self.pieces(name, size):
                pass
        except DamagedError:
            return False
        return True

    def copy_from(self, other: Bodies, name: str, size: int) -> None:
        """Have the body that `other` has, checked and durable.

        Raises:
            DamagedError: `other` has it not, or altered.
            StorageFullError, StorageFailedError: it cannot be kept here.
        """
        with self.spool() as spool:
            for piece in other.pieces(name, size):
                spool.write(piece)
            spool.keep()

    def tail(self, name: str, count: int) -> bytes:
        """Return the last bytes of the body with this name, unchecked.

        Raises:
            DamagedError: it is not there, or shorter.
        """
        with self._file(name) as file:
            file.seek(-count, os.SEEK_END)
            return file.read(count)

    @contextmanager
    def _file(self, name: str, size: int | None = None) -> Iterator[BinaryIO]:
        """Open a body's file, of `size`, to read it; what is no file is not waited for."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(self.path(name), flags), "rb") as file:
                if size is not None and os.fstat(file.fileno()).st_size != size:
                    raise DamagedError(f"body {name} is not of {size} bytes")
                yield file
        except FileNotFoundError as e:
            raise DamagedError(f"body {name} is missing") from e
        except OSError as e:
            raise DamagedError(f"body {name} cannot be read: {e.strerror}") from e

    def names(self) -> Iterator[str]:
        """Yield the name of each body that is there."""
        directory = self._directory / _ALGORITHM
        if directory.is_dir():
            for path in directory.iterdir():
                name = f"{_ALGORITHM}:{path.name}"
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
    if f"{_ALGORITHM}:{digits}" != name:
        raise DamagedError(f"body {name} is not what its name says")


@contextmanager
def _disk() -> Iterator[None]:
    """Turn the disk's errors into ours."""
    try:
        yield
    except OSError as e:
        if e.errno in _NO_SPACE:
            raise StorageFullError("no space left for a body") from e
        raise StorageFailedError(f"a body could not be written: {e.strerror}") from e


NONE = Bodies(Path(os.devnull))  # of a store that is nowhere on a disk
