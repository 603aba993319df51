"""The ledger's figures as bars and tables."""

from __future__ import annotations

from tests.bench.ledgers import BATCH, Ledgers
from tests.bench.report import Bar, Table, number

_APPEND = f"""\
`Ledger.commit` in batches of {BATCH}, in process: plan, tree, seal, one SQLite transaction with \
synchronous=FULL, anchor with fdatasync, Ed25519 checkpoint. Entries are about 600 bytes (or \
exactly, where nothing is indexed). pymerkle's `SqliteTree` holds as many entries, and takes one \
entry a commit: it has no batches that are durable one by one."""
_ALONE = """\
Appending one entry by one caller, durable, anchored, signed and published; and the inclusion \
proof of entries all over the tree, from tiles on disk and in a bounded cache. How it grows with \
the ledger."""
_FSCK = """\
`ledger.fsck` on a closed ledger in the page cache, on all cores, with nothing to find. First \
every entry is hashed and every tile, root and checkpoint compared; then labels, dedup keys, body \
hashes and index rows are derived again from the bodies. With signatures, each is verified too."""
_FRESH = """\
A fresh process that opens the ledger as `sealbook serve` does, with every check of an opening, \
and then proves 5,000 entries."""


def bars(ledger: Ledgers) -> tuple[Bar, ...]:
    """Return what the ledger must hold to at a million entries."""
    appending, checking, largest = ledger.appending, ledger.checking, ledger.grown[-1]
    at = f"at {ledger.size:,}"
    return (
        Bar(f"appends with dedup and six labels, {at}", 5000, "a second", appending.labelled),
        Bar(f"appends with dedup, {at}", 9000, "a second", appending.deduplicated),
        Bar(f"appends without an index, {at}", 40_000, "a second", appending.bare),
        Bar(
            "the same, to pymerkle's tree one by one",
            25,
            "times",
            appending.bare / appending.pymerkle,
        ),
        Bar(f"one append alone, {at}, p50", 3, "ms", largest.append_p50, at_most=True),
        Bar(f"inclusion proof, {at}, p50", 0.5, "ms", largest.proof_p50, at_most=True),
        Bar(f"start, {at}", 500, "ms", 1e3 * ledger.fresh.start_s, at_most=True),
        Bar("fsck: hashes, tiles, root", 100_000, "entries a second", checking.hashing),
        Bar("fsck: dedup and labels", 20_000, "entries a second", checking.records),
        Bar("fsck: every signature", 5000, "entries a second", checking.signatures),
    )


def tables(ledger: Ledgers) -> tuple[Table, ...]:
    """Return the ledger's own tables."""
    appending, checking = ledger.appending, ledger.checking
    at = f"a ledger of {ledger.size:,}"
    return (
        Table(
            f"Appends in batches to {at}",
            ("kept beside the entry", "entries a second"),
            [
                ("dedup key, six labels, body index", number(appending.labelled)),
                ("dedup key", number(appending.deduplicated)),
                ("nothing", number(appending.bare)),
                ("pymerkle's SqliteTree, one by one", number(appending.pymerkle)),
            ],
            _APPEND,
        ),
        Table(
            "One append, one proof, and the size of the ledger",
            ("entries", "append p50, ms", "append p99, ms", "proof p50, ms", "proof p99, ms"),
            [
                (
                    f"{grown.size:,}",
                    number(grown.append_p50),
                    number(grown.append_p99),
                    number(grown.proof_p50),
                    number(grown.proof_p99),
                )
                for grown in ledger.grown
            ],
            _ALONE,
        ),
        Table(
            f"fsck of {at}",
            ("what is checked", "entries a second"),
            [
                ("hashes, tiles, root, checkpoints", number(checking.hashing)),
                ("dedup keys, labels, bodies, indexes", number(checking.records)),
                ("the same with every signature", number(checking.signatures)),
            ],
            _FSCK,
        ),
        Table(
            f"Opening {at}",
            ("start, ms", "peak memory, MiB"),
            [(number(1e3 * ledger.fresh.start_s), number(ledger.fresh.peak_bytes / 2**20))],
            _FRESH,
        ),
    )
