"""Files that are there whole and durably, or not at all.

`write_durably` replaces what was there: a pin, a publication. `write_new` replaces
nothing: dossiers and reports are kept for years and handed on, and a second run
must not change what the first one said. What a kill leaves half written is called
*.new, and is overwritten.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ledger.errors import StorageFailedError, StorageFullError, TransferError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_MODE = 0o644


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` in the place of whatever is at `path`; raises `OSError`."""
    fresh = path.with_name(path.name + ".new")
    _write(fresh, content, mode)
    fresh.rename(path)
    sync(path.parent)


def write_new(path: Path, content: bytes) -> bool:
    """Write `content` to `path`, durably; return whether it was not there yet.

    The same content may be there already.

    Raises:
        TransferError: another file is there, or none can be.
        StorageFullError, StorageFailedError: the disk does not take it.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        _write(fresh, content, _MODE)
        try:
            os.link(fresh, path)  # unlike a rename, this replaces nothing
        except FileExistsError:
            if _same(path, content):
                return False
            raise TransferError(
                f"{path} is there already, and says something else",
                hint="name another file with --out; nothing is overwritten",
            ) from None
        finally:
            fresh.unlink()
        sync(path.parent)
    except OSError as e:
        if e.errno in _NO_SPACE:
            raise StorageFullError(f"{path}: no space left") from e
        if e.errno == errno.EIO:
            raise StorageFailedError(f"{path}: {e.strerror}") from e
        raise TransferError(f"{path}: {e.strerror}") from e
    return True


def sync(path: Path) -> None:
    """Push a file, or a directory, to the disk. No database that is open: see `ledger.lock`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(path: Path, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _same(path: Path, content: bytes) -> bool:
    """Whether a file with this content, and no link to one, is there."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        return file.read(len(content) + 1) == content
