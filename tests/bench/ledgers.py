"""The ledger without the service: appends, proofs, start, memory, fsck, and the cost of growth."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.fsck import Known, fsck
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.plan import NewEntry
from ledger.store import Batch
from ledger.store.sqlite import SqliteStore
from tests.bench.millions import ORIGIN, Workshop, raw_entries
from tests.crash.service import ROOT
from verifier.note import NoteKey

BATCH = 256


class Size(NamedTuple):
    """How large ledgers are made, and how much is measured on each."""

    sizes: tuple[int, ...]  # the last is the one that the bars are about
    signed: int
    batches: int
    singles: int
    proofs: int
    peer: int  # entries of pymerkle's tree
    runs: int


FULL = Size((10_000, 100_000, 1_000_000), 40_000, 100, 400, 3000, 1_000_000, 3)
QUICK = Size((300, 600), 300, 2, 5, 20, 300, 1)


class Grown(NamedTuple):
    """One append alone and one proof, at a size; milliseconds."""

    size: int
    append_p50: float
    append_p99: float
    proof_p50: float
    proof_p99: float


class Appending(NamedTuple):
    """Entries a second in durable batches, and pymerkle's own tree one by one."""

    labelled: float
    deduplicated: float
    bare: float
    pymerkle: float


class Checking(NamedTuple):
    """Entries a second of fsck: hashes, then dedup and labels; and the latter with signatures."""

    hashing: float
    records: float
    signatures: float


class Fresh(NamedTuple):
    """A fresh process that opens the ledger: seconds, and the peak of its memory in bytes."""

    start_s: float
    peak_bytes: int


class Ledgers(NamedTuple):
    """All of it."""

    size: int
    grown: Sequence[Grown]
    appending: Appending
    checking: Checking
    fresh: Fresh


class Unindexed:
    """A store that keeps no index: neither dedup keys nor labels."""

    def __init__(self, inner: SqliteStore, *, dedup: bool) -> None:
        """Write to `inner`; with `dedup`, its keys are kept."""
        self._inner = inner
        self._dedup = dedup

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def find_many(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Look up only what would be kept."""
        return self._inner.find_many(keys) if self._dedup else {}

    def commit(self, batch: Batch) -> None:
        """Commit without what is not to be kept."""
        kept = batch.dedup if self._dedup else ()
        self._inner.commit(batch._replace(dedup=kept, labels=()))


def measure(scratch: Path, size: Size, step: Callable[[str], None]) -> Ledgers:
    """Make ledgers below `scratch`, and measure them."""
    workshop = Workshop(scratch)
    home = workshop.found("ledger")
    grown = []
    for count in size.sizes:
        workshop.grow(home, count, step)
        step(f"one by one at {count:,}")
        grown.append(_one_by_one(workshop, home, count, size))
    fresh = _fresh(workshop, home, scratch, size)
    step("fsck")
    checking = Checking(*_fsck(workshop, home, size.runs), _signatures(workshop, size, step))
    step("appends in batches")
    return Ledgers(
        size.sizes[-1], grown, _batches(workshop, home, scratch, size, step), checking, fresh
    )


def _one_by_one(workshop: Workshop, home: Home, count: int, size: Size) -> Grown:
    """Append one by one, durable, anchored and signed; and prove entries here and there."""
    waiting = [workshop.entry(10**9 + count + i) for i in range(size.singles)]
    with open_ledger(home, workshop.keys) as ledger:
        appends = [_seconds(lambda e=entry: ledger.append([e])) for entry in waiting]
        tree_size = ledger.published.checkpoint.tree_size
        dice = random.Random(count)
        indices = [dice.randrange(tree_size) for _ in range(size.proofs)]
        proofs = [_seconds(lambda i=i: ledger.prove(i, tree_size)) for i in indices]
    return Grown(count, *_p50_p99(appends), *_p50_p99(proofs))


def _batches(
    workshop: Workshop, home: Home, scratch: Path, size: Size, step: Callable[[str], None]
) -> Appending:
    """Append batches with all indexes, with dedup alone and with none, to one ledger."""
    count = BATCH * size.batches
    runs: dict[str, list[NewEntry]] = {
        "labelled": [workshop.entry(2 * 10**9 + i) for i in range(count)],
        "deduplicated": list(raw_entries(0, count)),
        "bare": list(raw_entries(count, 2 * count)),
    }
    rates = {}
    for name, waiting in runs.items():
        with open_ledger(home, workshop.keys) as ledger:
            if name != "labelled":
                ledger._store = Unindexed(ledger.store, dedup=name == "deduplicated")  # type: ignore[arg-type,assignment]
            rates[name] = count / _seconds(lambda w=waiting, ledger=ledger: _append(ledger, w))
    step("pymerkle's tree")
    return Appending(**rates, pymerkle=_pymerkle(scratch / "pymerkle.db", size))


def _append(ledger: Ledger, entries: Sequence[NewEntry]) -> None:
    for start in range(0, len(entries), BATCH):
        ledger.commit(entries[start : start + BATCH])


def _pymerkle(path: Path, size: Size) -> float:
    """Return how many entries a second pymerkle's tree in SQLite takes one by one."""
    from pymerkle import SqliteTree

    tree = SqliteTree(str(path), algorithm="sha256")
    try:
        tree.append_entries([e.entry for e in raw_entries(0, size.peer)])
        waiting = [e.entry for e in raw_entries(size.peer, size.peer + size.singles)]
        return len(waiting) / _seconds(lambda: [tree.append_entry(entry) for entry in waiting])
    finally:
        tree.close()


def _fsck(workshop: Workshop, home: Home, runs: int) -> tuple[float, float]:
    """Return the best rates of both halves of a check that finds nothing."""
    rates = [_check(workshop, home, signatures=False) for _ in range(runs)]
    return max(hashing for hashing, _ in rates), max(records for _, records in rates)


def _signatures(workshop: Workshop, size: Size, step: Callable[[str], None]) -> float:
    home = workshop.found("signed")
    workshop.grow(home, size.signed, step, signed=True)
    step("fsck --signatures")
    return max(_check(workshop, home, signatures=True)[1] for _ in range(size.runs))


def _check(workshop: Workshop, home: Home, *, signatures: bool) -> tuple[float, float]:
    store = SqliteStore(home.database, read_only=True)
    tree_size = store.head().tree_size
    moments: dict[int, float] = {}
    begun = time.perf_counter()

    def progress(done: int, _: int) -> None:
        moments.setdefault(min(done, tree_size) if done <= tree_size else done, time.perf_counter())

    log_key = NoteKey.of(ORIGIN, workshop.keys.log.public)
    known = Known(ORIGIN, workshop.keys.seal, (log_key,))
    findings = list(fsck(store, known, progress, signatures=signatures))
    ended = time.perf_counter()
    store.close()
    assert not findings, findings[:3]
    return tree_size / (moments[tree_size] - begun), tree_size / (ended - moments[tree_size])


def _fresh(workshop: Workshop, home: Home, scratch: Path, size: Size) -> Fresh:
    """Open the ledger in fresh processes, which also append and prove."""
    workshop.keys.log.save(scratch / "log.pem")  # type: ignore[attr-defined]
    (scratch / "seal").write_bytes(workshop.keys.seal)
    runs = []
    for _ in range(size.runs):
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.opening", str(home.directory.parent), str(scratch)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout))
    (scratch / "log.pem").unlink()
    return Fresh(
        statistics.median(run["start_s"] for run in runs), max(run["peak_bytes"] for run in runs)
    )


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _p50_p99(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return 1e3 * statistics.median(ordered), 1e3 * ordered[int(0.99 * (len(ordered) - 1))]
