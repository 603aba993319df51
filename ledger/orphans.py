"""Orphans: files of large bodies that no entry names, left over by a crash or a refused commit.

Most are told from the rest by the index of bodies. Before one is removed the rows
themselves are asked: an index can be made again from them, and a body cannot.
"""

from __future__ import annotations

from functools import cache

from ledger import labels
from ledger.bodies import Bodies
from ledger.store import scanning
from ledger.store.reading import SqliteReader


def sweep(store: SqliteReader, bodies: Bodies) -> int:
    """Remove the orphans among `bodies`, and return how many files are gone.

    For whom the ledger is locked, once. It may be appended to meanwhile by the same `bodies`.

    Raises:
        DamagedError, StorageFailedError: the rows cannot be read; nothing more is removed.
    """

    @cache
    def named() -> frozenset[str | None]:
        return frozenset(labels.body_name(row.entry) for row in scanning.large(store))

    return bodies.sweep(lambda name: store.body(name) is not None or name in named())
