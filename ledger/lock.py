"""One process per ledger: a lock file, held for the life of the process.

The lock is on a file of its own. Locking the database would mean opening it,
and POSIX drops all of a process's locks on a file when *any* descriptor on it
is closed; another process would then believe that it is alone and delete the
write-ahead log, and with it acknowledged entries.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ledger.errors import LedgerBusyError


class LedgerLock:
    """Held from construction until `close`, or until the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock; raises `LedgerBusyError` at once if somebody has it."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise LedgerBusyError(
                f"{path.parent} is served by another process ({holder or 'unknown'})"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"pid {os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._fd)
