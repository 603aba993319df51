"""`python -m tests.fuzz`: try what nobody thought of on every parser of the verifier.

    python -m tests.fuzz [--seconds N] [--found DIR] [TARGET...]
    python -m tests.fuzz --input FILE TARGET

Without --seconds all targets together take about an hour, two at a time. A target ends
with its first finding, whose input is written to DIR; with --input it is tried again.
Exit code 1 says that something was found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tests.fuzz.running import Outcome, run
from tests.fuzz.table import TARGETS

_AT_ONCE = 2
_HOUR = 3600


def main(argv: list[str]) -> int:
    """Fuzz, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, metavar="N", help="for each target")
    parser.add_argument("--found", type=Path, metavar="DIR", help="where findings are written")
    parser.add_argument("--input", type=Path, metavar="FILE", help="try this one again")
    args = parser.parse_args(argv)
    if unknown := set(args.targets) - TARGETS.keys():
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    targets = args.targets or list(TARGETS)
    if args.input:
        for target in targets:
            TARGETS[target](args.input.read_bytes())
        return 0
    seconds = args.seconds or max(1, _HOUR * _AT_ONCE // len(targets))
    folder = args.found or Path(tempfile.mkdtemp(prefix="sealbook-fuzz-"))
    outcomes = _fuzz(targets, seconds, folder)
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(_table(outcomes))
    found = [outcome.finding for outcome in outcomes if outcome.finding]
    for finding in found:
        console.print(f"\n{finding}", markup=False, highlight=False, soft_wrap=True)
    tried = sum(outcome.tried for outcome in outcomes)
    console.print(f"{tried:,} inputs tried on {len(outcomes)} targets, {len(found)} findings")
    return 1 if found else 0


def _fuzz(targets: list[str], seconds: int, folder: Path) -> list[Outcome]:
    shown = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        *(BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with (
        ThreadPoolExecutor(_AT_ONCE) as pool,
        Progress(*columns, console=shown, disable=not shown.is_terminal) as progress,
    ):
        task = progress.add_task("fuzzing", total=len(targets))
        running = [pool.submit(run, target, seconds, folder / target) for target in targets]
        for done in as_completed(running):
            outcome = done.result()
            said = "found something" if outcome.finding else f"{outcome.tried:,} inputs"
            progress.update(task, advance=1, description=f"{outcome.target}: {said}")
        return [done.result() for done in running]


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("target")
    for name in ("inputs", "branches", "found"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        found = "yes" if outcome.finding else "no"
        table.add_row(outcome.target, f"{outcome.tried:,}", f"{outcome.covered:,}", found)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
