"""`python -m tests.bench`: measure, print the figures, and write BENCHMARKS.md.

    python -m tests.bench [--quick] [--out FILE] [--scratch DIR]

--quick is a smoke run of a few seconds, whose figures mean nothing. --scratch is
where the ledger lies meanwhile: on the disk that is to be measured, and not in
memory. No time is a failure: the report says which bars were reached.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.bench import figures
from tests.bench.rounds import FULL, QUICK
from tests.crash.service import ROOT, Service

_WIDTH = 120  # of what is printed elsewhere than on a terminal


def main(argv: list[str]) -> int:
    """Measure; exit code 0 unless something is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of a few seconds")
    parser.add_argument("--out", type=Path, default=ROOT / "BENCHMARKS.md", metavar="FILE")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where the ledger lies")
    args = parser.parse_args(argv)
    command = shlex.join(["python", "-m", "tests.bench", *(["--quick"] if args.quick else [])])
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    shown = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="sealbook-bench-", dir=args.scratch) as scratch,
        Service(Path(scratch, "service")) as service,
        Progress(*columns, console=shown, disable=not shown.is_terminal) as progress,
    ):
        task = progress.add_task("")
        report = figures.measure(
            service,
            Path(scratch),
            QUICK if args.quick else FULL,
            command,
            lambda step: progress.update(task, description=step),
        )
    report.print(console)
    args.out.write_text(report.markdown(), "utf-8")
    console.print(f"\nwritten to {args.out}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
