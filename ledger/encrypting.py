"""Encrypting what was stored before there were keys: a slice at a time, while the ledger serves.

A body that is cut off in between is as it was, or encrypted: each says which by itself.
"""

from __future__ import annotations

from ledger import at_rest, labels
from ledger.at_rest import DataKeys, Place
from ledger.bodies import Bodies
from ledger.store import Row
from ledger.store.reading import SqliteReader
from ledger.store.rewriting import Rewriter

SLICE = 512  # entries: their bodies are in memory together


def encrypt_older(
    store: SqliteReader, bodies: Bodies, keys: DataKeys, start: int, stop: int
) -> int:
    """Encrypt the attestations from `start` to before `stop`, and return how many were not.

    What was written over is still in the write-ahead log: `ledger.deleting.scrub` ends that.

    Raises:
        DamagedError: a body in a file is missing or altered.
        StorageBusyError, StorageFullError, StorageFailedError: what is done is done.
    """
    wanted: list[tuple[int, bytes, bytes]] = []
    files = 0
    for index, *columns in store.raw_rows(start, stop):
        row = Row(*columns)
        if labels.is_opaque(row.labels) or not labels.is_deletable(labels.decode(row.labels)):
            continue
        if row.body_size:
            files += _encrypt_file(bodies, row)
        elif row.body and not at_rest.is_sealed(row.body):
            wanted.append((index, row.body, at_rest.seal(keys, Place.of_entry(index), row.body)))
    if wanted:
        with Rewriter(store.path) as rewriter:
            rewriter.replace(wanted)
    return files + len(wanted)


def _encrypt_file(bodies: Bodies, row: Row) -> bool:
    name = labels.body_name(row.entry)
    if name is None or bodies.is_sealed(name):
        return False
    bodies.copy_from(bodies, name, row.body_size, secret=True)
    return True
