"""`python -m tests.bench.large`: a ledger of ten million entries, made once, by hand.

    python -m tests.bench.large [--entries N] [--out FILE] [--scratch DIR]

Takes about half an hour and 25 GB, and writes BENCHMARKS-LARGE.md.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.bench import ledger_tables, ledgers, machine
from tests.bench.report import Bar, Report
from tests.crash.service import ROOT

_ENTRIES = 10_000_000


def main(argv: list[str]) -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large", description=__doc__)
    parser.add_argument("--entries", type=int, default=_ENTRIES, metavar="N")
    parser.add_argument("--out", type=Path, default=ROOT / "BENCHMARKS-LARGE.md", metavar="FILE")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where the ledger lies")
    args = parser.parse_args(argv)
    sizes = tuple(10**n for n in range(4, 8) if 10**n < args.entries)
    size = ledgers.FULL._replace(sizes=(*sizes, args.entries), runs=1)
    console = Console()
    begun = time.monotonic()

    def step(what: str) -> None:
        console.print(f"{time.monotonic() - begun:7.0f} s  {what}", highlight=False)

    with tempfile.TemporaryDirectory(prefix="sealbook-large-", dir=args.scratch) as scratch:
        described = machine.describe(Path(scratch))
        found = ledgers.measure(Path(scratch), size, step)
    largest = found.grown[-1]
    report = Report(
        shlex.join(["python", "-m", "tests.bench.large", *argv]),
        f"{datetime.now(UTC):%Y-%m-%d}",
        described,
        "One run of each.",
        (
            Bar("inclusion proof, p50", 1, "ms", largest.proof_p50, at_most=True),
            Bar("memory", 250, "MiB", found.fresh.peak_bytes / 2**20, at_most=True),
            Bar("start", 500, "ms", 1e3 * found.fresh.start_s, at_most=True),
        ),
        (),
        ledger_tables.tables(found),
    )
    report.print(console)
    args.out.write_text(report.markdown(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
