"""The files of a database: what they are called, and what may be done with them from outside.

Only SQLite opens them while a process serves: see `ledger.lock`. Here they are
looked at with lstat, and removed or named where nobody has them open.
"""

from __future__ import annotations

import os
from pathlib import Path

_NAME = "ledger.db"
_DATA_KEYS = ".data-keys"  # behind a database's name
_BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database


def path_in(directory: Path) -> Path:
    """Return where the database of a ledger's directory is."""
    return directory / _NAME


def data_keys(path: Path) -> Path:
    """Return where the data keys of the database at `path` are, each wrapped by another key.

    The ledger copies that file with the database, and never looks into it.
    """
    return path.with_name(path.name + _DATA_KEYS)


def files(path: Path) -> tuple[Path, ...]:
    """Return the database at `path` and all that SQLite may keep beside it."""
    return (path, *(path.with_name(path.name + suffix) for suffix in _BESIDE))


def sizes(path: Path) -> tuple[int, int]:
    """Return the bytes of the database and of its write-ahead log."""
    data, log, *_ = files(path)
    return _size(data), _size(log)


def remove(path: Path) -> None:
    """Remove a database that nobody has open, and what SQLite left beside it."""
    for file in files(path):
        file.unlink(missing_ok=True)


def give_name(fresh: Path, path: Path) -> None:
    """Name a database that nobody has open; `path` must be free."""
    fresh.rename(path)


def _size(path: Path) -> int:
    return path.lstat().st_size if os.path.lexists(path) else 0
