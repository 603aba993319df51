"""Large bodies, in files beside the database: bodies/sha256/<hex>.

A body of over 64 KiB is written here and synced before the commit that names it,
so that no row is without its body. What a crash or a refused commit leaves over is
named by nobody: harmless, and swept while the next service runs.

A file is found by its hash, so that two rows may name one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
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
        with _disk():
            self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was written so far."""
        return self._hash.digest()

    def pieces(self) -> Iterator[bytes]:
        """Yield what was written, from the start."""
        with _disk():
            self._file.flush()
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def keep(self) -> str:
        """Name it by its hash, durably, and return the name, as `sha256:<hex>`.

        Raises:
            StorageFullError: no space; nothing has that name.
            StorageFailedError: the disk failed.
        """
        with _disk():
            self._file.flush()
            os.fsync(self._file.fileno())
        name = f"{_ALGORITHM}:{self._hash.hexdigest()}"
        self._bodies.take(self._path, name)
        return name


class Bodies:
    """The large bodies of one ledger. Safe in many threads."""

    def __init__(self, directory: Path) -> None:
        """Keep them below `directory`, which is made when it is needed."""
        self._directory = directory
        self._opened = time.time()
        self._lock = Lock()  # between whoever sweeps a file and whoever needs it again

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """Yield a spool, whose file is gone afterwards unless it was kept.

        Raises:
            StorageFullError, StorageFailedError: the disk does not take it.
        """
        with _disk():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"{secrets.token_hex(16)}{_FRESH}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield Spool(self, path, file)
        finally:
            path.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return where the body with this name is, or would be."""
        algorithm, _, digits = name.partition(":")
        assert algorithm == _ALGORITHM
        assert digits.isalnum()
        return self._directory / algorithm / digits

    def take(self, fresh: Path, name: str) -> None:
        """Give a synced file its name; the same one may be there already."""
        path = self.path(name)
        with _disk(), self._lock:
            if path.exists():
                os.utime(path)  # it is needed again: see `sweep`
                return
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700)
                sync(self._directory)
                sync(self._directory.parent)
            fresh.rename(path)
            sync(path.parent)

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """Yield the body with this name, piece by piece.

        Raises:
            DamagedError: it is not there, has another size, or is altered; the last piece
                is held back until its hash is seen to be right.
        """
        algorithm = hashlib.sha256()
        held, left = b"", size
        try:
            with self.path(name).open("rb") as file:
                while piece := file.read(PIECE):
                    yield from (held,) if held else ()
                    held, left = piece, left - len(piece)
                    algorithm.update(piece)
        except FileNotFoundError as e:
            raise DamagedError(f"body {name} is missing") from e
        except OSError as e:
            raise DamagedError(f"body {name} cannot be read: {e.strerror}") from e
        if left or f"{_ALGORITHM}:{algorithm.hexdigest()}" != name:
            raise DamagedError(f"body {name} is not what its name says")
        yield held

    def copy_from(self, other: Bodies, name: str, size: int) -> None:
        """Have the body that `other` has, checked and durable, unless it is here already.

        Raises:
            DamagedError: `other` has it not, or altered.
            StorageFullError, StorageFailedError: it cannot be kept here.
        """
        if self.path(name).exists():
            return
        with self.spool() as spool:
            for piece in other.pieces(name, size):
                spool.write(piece)
            spool.keep()

    def read(self, name: str, size: int) -> bytes:
        """Return the whole body; raises like `pieces`."""
        return b"".join(self.pieces(name, size))

    def tail(self, name: str, count: int) -> bytes:
        """Return the last bytes of the body with this name, unchecked.

        Raises:
            DamagedError: it is not there, or shorter.
        """
        try:
            with self.path(name).open("rb") as file:
                file.seek(-count, os.SEEK_END)
                return file.read(count)
        except OSError as e:
            raise DamagedError(f"body {name} cannot be read: {e.strerror}") from e

    def names(self) -> Iterator[str]:
        """Yield the name of each body that is there."""
        directory = self._directory / _ALGORITHM
        if directory.is_dir():
            for path in directory.iterdir():
                yield f"{_ALGORITHM}:{path.name}"

    def sweep(self, is_named: Callable[[str], bool]) -> int:
        """Remove what no row names and nobody has needed since this was opened; return how many.

        May run beside a service: what it is about to name is younger.
        """
        swept = 0
        if self._directory.is_dir():
            for path in self._directory.glob(f"*{_FRESH}"):
                swept += self._unlink(path)
        for name in self.names():
            if not is_named(name):
                swept += self._unlink(self.path(name))
        return swept

    def _unlink(self, path: Path) -> bool:
        with self._lock:
            try:
                if path.lstat().st_mtime >= self._opened:
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True


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
