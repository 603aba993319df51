"""A database copied while another process writes to it, as it was at one moment.

SQLite's backup copies a few pages at a time, and starts again when somebody
writes in between: beside a busy writer it never ends. So the copy is made within
one read transaction. While that lasts the write-ahead log cannot be emptied, and
grows by all that is written; `most_log` bounds it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ledger.errors import StorageBusyError
from ledger.store.connection import connect, translated
from ledger.store.files import sizes

_PAGES = 2048  # a step: between two of them progress is told, and the log looked at
LEAST_LOG = 1 << 30  # bytes that the log may always grow to


def copy_database(
    source: Path, target: Path, progress: Callable[[int, int], None], most_log: int | None = None
) -> None:
    """Copy the database `source`, as it is at one moment, into the empty file `target`.

    What is copied is not yet pushed to the disk. `progress` is told pages. The copy
    has no write-ahead log: it is one file, which can be read without writing beside it.

    Raises:
        LedgerMissingError: there is no `source`.
        StorageFullError: no space for `target`.
        StorageBusyError: the log of `source` grew beyond `most_log` bytes, by default a
            gigabyte or the size of the database, whatever is more.
    """
    original = connect(source, "ro")
    try:
        copy = connect(target, "rw")
        try:
            with translated("copying"):
                most = most_log or max(LEAST_LOG, sizes(source)[0])

                def step(_: int, left: int, total: int) -> None:
                    progress(total - left, total)
                    if sizes(source)[1] > most:
                        raise StorageBusyError(
                            f"the write-ahead log has grown beyond {most} bytes while copying",
                            hint="try again when less is written, or keep a mirror",
                        )

                original.execute("BEGIN")
                original.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on
                copy.execute("PRAGMA synchronous=OFF")  # whoever asked pushes it to the disk
                original.backup(copy, pages=_PAGES, progress=step)
                copy.execute("PRAGMA journal_mode=DELETE")
        finally:
            copy.close()
    finally:
        original.close()
