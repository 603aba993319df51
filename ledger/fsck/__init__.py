"""fsck: everything that is stored, derived again from the entries and compared.

`fsck` is the main flow:

1. Pin the head, and check it against itself and its seal.
2. Hash every entry, compute every tile, the root, and the roots of old checkpoints.
3. Look for what lies beyond the head: entries, tiles, claims, checkpoints.
4. Derive body hash, labels, dedup key and index rows of each entry, check its
   time and each checkpoint's signatures, and every entry's if asked; in several
   processes when there is much.
5. Count the indexes, and name what is in them too much.
6. Look for the logged deletion of each body that is gone, and say which are encrypted
   with keys that are not at hand.

It changes nothing, and runs beside the service: entries and full tiles do not
change, so that slices of short reads up to the pinned size see one state, and
the write-ahead log is never held back. What a damaged page hides is a finding,
and the check goes on around it.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from ledger import tree
from ledger.errors import DamagedError, StorageFailedError
from ledger.fsck.extra import dedup_extra, labels_extra
from ledger.fsck.finding import Finding, span
from ledger.fsck.hashing import TreeCheck
from ledger.fsck.records import (
    Part,
    Question,
    check_part,
    check_part_here,
    open_reader,
    time_findings,
)
from ledger.seal import sealed
from ledger.store import SLICE, Head, scanning
from ledger.store.reading import SqliteReader
from ledger.store.sqlite import SqliteStore
from verifier.note import NoteKey
from verifier.publickey import PublicKey

__all__ = ["LOCKED", "Finding", "Known", "fsck"]

LOCKED = "body-encrypted"  # what was not looked at, which is not damage
_ALONE = 4 * SLICE  # entries that are checked sooner than other processes have started


class Known(NamedTuple):
    """What the check knows beside the database; without it less can be checked.

    `origin` and `seal` are the ledger's; `log_keys` are all that ever signed its checkpoints,
    `promise_keys` all that promised entries.
    """

    origin: str | None = None
    seal: bytes | None = None
    log_keys: tuple[NoteKey, ...] = ()
    promise_keys: tuple[PublicKey, ...] = ()


def fsck(
    store: SqliteStore,
    known: Known,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    signatures: bool = False,
    processes: int | None = None,
) -> Iterator[Finding]:
    """Yield everything that is wrong with the ledger in `store`; it may be read-only, and live.

    `progress` is told entries done and of how many, each counted twice.
    """
    # 1.
    origin = known.origin or store.origin
    if store.origin != origin:
        yield Finding("origin", 0, f"the ledger {origin}", f"the ledger {store.origin}")
    head: Head | None = None
    try:
        head = store.head()
        yield from _head(origin, head, known)
    except DamagedError as e:
        yield Finding("head-unreadable", 0, "a head", e.message)
    size = yield from _size(store, head)
    # 2.
    hashing = TreeCheck(store, head, size, lambda done: progress(done, 2 * size))
    yield from hashing.findings()
    # 3.
    yield from _outside(store)
    # 4.
    newest = head.time if head else 2**63 - 1
    question = Question(
        origin,
        newest,
        tuple(str(key) for key in known.log_keys),
        signatures,
        tuple(key.spki for key in known.promise_keys),
    )
    parts: list[Part] = []
    wrong: dict[str, set[int]] = {"dedup": set(), "label-missing": set()}  # by code
    for part in _parts(store, question, size, processes):
        for finding in part.findings:
            if not _told(finding, hashing.unreadable):
                yield finding
            if finding.code in wrong:
                wrong[finding.code].add(finding.index)
        parts.append(part._replace(findings=[]))
        progress(size + part.stop, 2 * size)
    yield from time_findings(parts)
    # 5.
    yield from dedup_extra(store, size, sum(part.dedup for part in parts), wrong["dedup"])
    yield from labels_extra(store, size, sum(part.labels for part in parts), wrong["label-missing"])
    # 6.
    yield from _bodies(parts)
    yield from _locked(parts)


def _head(origin: str, head: Head, known: Known) -> Iterator[Finding]:
    size = head.tree_size
    if known.seal is not None:
        ours = sealed(origin, known.seal, head).seal
        if ours != head.seal:
            yield Finding("seal", size, f"seal {ours.hex()}", f"seal {head.seal.hex()}")
    if len(head.compact) != size.bit_count():
        expected = f"{size.bit_count()} hashes in the compact range"
        yield Finding("compact-range", size, expected, f"{len(head.compact)}")
    elif tree.root(head.compact) != head.root:
        expected = f"a compact range of root {head.root.hex()}"
        yield Finding("compact-range", size, expected, f"one of {tree.root(head.compact).hex()}")


def _size(store: SqliteReader, head: Head | None) -> Generator[Finding, None, int]:
    """Return how many entries there are to check: those of the head that are there.

    Looked up after the head, because a ledger that is being written to grows.
    """
    try:
        there = scanning.top(store)
    except (DamagedError, StorageFailedError) as e:
        yield Finding("entry-unreadable", 0, "the last entry", e.message)
        # A head that agrees with itself says it too; another one could send us anywhere.
        sound = head is not None and len(head.compact) == head.tree_size.bit_count()
        return head.tree_size if head is not None and sound else 0
    if head is None:
        return there
    if head.tree_size > there:
        missing = span("entry ", "entries ", there, head.tree_size)
        yield Finding("entry-missing", there, missing, "none")
    return min(there, head.tree_size)


def _outside(store: SqliteReader) -> Iterator[Finding]:
    for table in ("entry", "tile", "claim", "checkpoint"):
        try:
            for _, index, what in scanning.outside(store, table):
                yield Finding(f"{table}-extra", index, "nothing beyond the head", what)
        except (DamagedError, StorageFailedError) as e:
            yield Finding(f"{table}-unreadable", 0, "what lies beyond the head", e.message)


def _told(finding: Finding, before: set[int]) -> bool:
    """Whether this row was told of when its entry could not be read."""
    return finding.code == "row-unreadable" and finding.index in before


def _parts(
    store: SqliteReader, question: Question, size: int, processes: int | None
) -> Iterator[Part]:
    """Yield the checked parts in order, checked in this process or by several."""
    cores = processes or len(os.sched_getaffinity(0))
    bounds = [(start, min(start + SLICE, size)) for start in range(0, size, SLICE)] or [(0, 0)]
    if processes is None and (cores == 1 or size <= _ALONE):
        for start, stop in bounds:
            yield check_part(store, question, start, stop)
        return
    # Not forked: a copy of this process would have its SQLite connections, and drop their locks.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, fresh, open_reader, (store.path, store.keys)) as pool:
        try:
            futures = [pool.submit(check_part_here, question, *bound) for bound in bounds]
            for future in futures:
                yield future.result()
        except BrokenProcessPool as e:
            raise StorageFailedError(
                "a process of the check was killed", hint="is there memory enough? run it again"
            ) from e
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _locked(parts: Sequence[Part]) -> Iterator[Finding]:
    """Yield what could not be looked at: that is no damage, and no all-clear either."""
    for part in parts:
        for index in part.locked:
            yield Finding(LOCKED, index, "the key of an encrypted body", "none: it was not read")


def _bodies(parts: Sequence[Part]) -> Iterator[Finding]:
    deleted = set().union(*(part.deleted for part in parts)) if parts else set()
    for part in parts:
        for index, name, deletable in part.bodiless:
            if not deletable:
                yield Finding("body-missing", index, f"body {name}, which stays for good", "none")
            elif (index, name) not in deleted:
                yield Finding("body-missing", index, f"body {name}, or its deletion", "neither")
