"""What is written beside commits: bodies taken away, or encrypted where they lie.

Nothing of the tree changes: an entry names its body by its hash, and that stays. What
was there is overwritten, in the database and then in its write-ahead log; what a file
system or a disk keeps of it, nobody here can say.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from ledger.store.connection import Connection, be_durable, connect, transaction, translated

_TRIES = 20
_PAUSE_S = 0.1
_WAIT_MS = 100


class Rewriter:
    """A second connection that writes, beside the one that commits. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open the database at `path`."""
        self._connection: Connection = connect(path, "rw")
        with translated("rewriting", commit=True):
            be_durable(self._connection)
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.execute("PRAGMA wal_autocheckpoint=0")

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        with closing(self._connection):
            pass

    def forget(self, indices: Sequence[int]) -> None:
        """Take the bodies of these entries away, durably; raises like `Store.commit`."""
        with translated("rewriting", commit=True), transaction(self._connection):
            self._connection.executemany(
                "UPDATE entry SET body = NULL, body_size = 0 WHERE idx = ?", [(i,) for i in indices]
            )

    def replace(self, bodies: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Put the second body in the place of the first where that still is; raises likewise."""
        with translated("rewriting", commit=True), transaction(self._connection):
            self._connection.executemany(
                "UPDATE entry SET body = ? WHERE idx = ? AND body = ?",
                [(new, index, old) for index, old, new in bodies],
            )

    def scrub(self) -> bool:
        """Empty the write-ahead log, which has what was overwritten; whether that was possible.

        Readers keep it from that for as long as they read. The next call does the rest.
        """
        # Whoever waits for readers keeps the one who commits waiting, so not for long.
        self._connection.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
        for _ in range(_TRIES):
            with translated("rewriting", commit=True):
                busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return True
            time.sleep(_PAUSE_S)
        return False
