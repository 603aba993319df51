"""Files put in place whole, durably, and once: a directory that a web server may serve as it is.

Each file is written under a name of its own in the same directory, synced and
renamed, and the directory is synced: after a crash at any moment a path holds
all of its file or nothing. What a kill leaves half written is called *.new, and
is overwritten. Links are not followed, so that nobody who may write here can
point us elsewhere. `_write`, `_sync` and `_rename` are the only places where
the disk is touched, and where a test can let us die.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.errors import LedgerError, StorageFailedError, StorageFullError, TransferError

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_FRESH = ".new"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
# Not waiting for whoever writes to it, should it be a pipe.
_OPEN_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MOST_FOLDERS = 64  # open at a time
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_LINK = (errno.ELOOP, errno.ENOTDIR)  # how O_NOFOLLOW finds one, in place of a file or a folder


class StaticFiles:
    """The directory `root`, made if it is not there, and ours alone until it is closed."""

    def __init__(self, root: Path) -> None:
        """Open it.

        Raises:
            TransferError: it is no directory, or another export writes to it.
        """
        self._root = root
        self._folders: dict[str, int] = {}
        try:
            root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            # The link that an operator named is their own choice; those within are not.
            self._fd = os.open(root, _OPEN_FOLDER & ~os.O_NOFOLLOW)
        except OSError as e:
            raise TransferError(f"cannot write to {root}: {e.strerror}") from e
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(self._fd)
            raise TransferError(f"another export writes to {root}") from e

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the directory."""
        self._forget()
        os.close(self._fd)

    def read(self, path: str, limit: int) -> bytes | None:
        """Return at most `limit` bytes of what is at `path`, or None if nothing is.

        Raises:
            TransferError: it is no file, or cannot be read.
        """
        folder, _, name = path.rpartition("/")
        try:
            fd = os.open(name, _OPEN_FILE, dir_fd=self._at(folder))
            with os.fdopen(fd, "rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return None
        except OSError as e:
            raise self._failed(path, e) from e

    def keep(self, path: str, content: bytes) -> bool:
        """Put `content`, which never changes, at `path`; return whether it was not there yet.

        Raises:
            TransferError: something else is there already; it stays.
        """
        found = self.read(path, len(content) + 1)
        if found is None:
            self.put(path, content)
        elif found != content:
            raise TransferError(
                f"{self._root / path} differs from the ledger",
                hint="this is another ledger's export, or it was altered; export elsewhere",
            )
        return found is None

    def put(self, path: str, content: bytes) -> None:
        """Put `content` in the place of whatever is at `path`; durable on return."""
        folder, _, name = path.rpartition("/")
        try:
            at = self._at(folder, make=True)
            _write(at, name + _FRESH, content)
            _rename(at, name + _FRESH, name)
            _sync(at)
        except OSError as e:
            raise self._failed(path, e) from e

    def remove(self, path: str) -> None:
        """Remove the file at `path`, if it is there; durable on return."""
        folder, _, name = path.rpartition("/")
        try:
            at = self._at(folder)
            os.unlink(name, dir_fd=at)
            _sync(at)
        except FileNotFoundError:
            return
        except OSError as e:
            raise self._failed(path, e) from e

    def _at(self, folder: str, *, make: bool = False) -> int:
        """Return a descriptor of `folder`, which is kept while its files are written."""
        if not folder:
            return self._fd
        if folder not in self._folders:
            parent, _, name = folder.rpartition("/")
            above = self._at(parent, make=make)
            try:
                fd = os.open(name, _OPEN_FOLDER, dir_fd=above)
            except FileNotFoundError:
                if not make:
                    raise
                _make_folder(above, name)
                fd = os.open(name, _OPEN_FOLDER, dir_fd=above)
            if len(self._folders) >= _MOST_FOLDERS:
                self._forget(keep=folder)
            self._folders[folder] = fd
        return self._folders[folder]

    def _forget(self, keep: str = "") -> None:
        """Close the folders that are open, except those on the way to `keep`."""
        for folder in [f for f in self._folders if not keep.startswith(f + "/")]:
            os.close(self._folders.pop(folder))

    def _failed(self, path: str, e: OSError) -> LedgerError:
        where = self._root / path
        if e.errno in _NO_SPACE:
            return StorageFullError(f"{where}: no space left")
        if e.errno in _LINK:
            return TransferError(f"expected folders and files on the way to {where}, found a link")
        if e.errno == errno.EIO:
            return StorageFailedError(f"{where}: {e.strerror}")
        return TransferError(f"{where}: {e.strerror}")


def _write(folder: int, name: str, content: bytes) -> None:
    """Write and sync a file; what an earlier run left of it is overwritten."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(name, flags, _FILE_MODE, dir_fd=folder)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, _FILE_MODE)  # whatever the umask: a web server reads it
        file.write(content)
        file.flush()
        _sync(fd)


def _rename(folder: int, old: str, new: str) -> None:
    os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)


def _sync(fd: int) -> None:
    os.fsync(fd)


def _make_folder(above: int, name: str) -> None:
    os.mkdir(name, _FOLDER_MODE, dir_fd=above)
    os.chmod(name, _FOLDER_MODE, dir_fd=above)
    _sync(above)
