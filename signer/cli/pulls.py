"""`sealbook pulls`: what hosts let run and what they refused, as they told."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from signer.cli.arguments import add_service, connect_admin, parser
from signer.client.pulled import Pulls
from verifier.errors import printable

UNSIGNED = "unsigned"
_COLUMNS = ("repository", "pulls", "allowed", "warned", "refused", "unsigned", "since", "until")
_UNNAMED = "(not named)"


class Row(NamedTuple):
    """All that was told of one repository; `unsigned` are among the warned and refused.

    `codes` says how often each reason was given, the most frequent first.
    """

    repository: str
    pulls: int
    allowed: int
    warned: int
    refused: int
    unsigned: int
    since: str
    until: str
    codes: dict[str, int]

    @classmethod
    def of(cls, repository: str, told: Sequence[Pulls]) -> Self:
        """Add up what was told, at least once."""

        def times(**like: str) -> int:
            return sum(
                one.times
                for one in told
                if all(getattr(one, name) == value for name, value in like.items())
            )

        codes = {code: times(code=code) for code in {one.code for one in told} - {""}}
        return cls(
            repository,
            times(),
            times(outcome="allowed"),
            times(outcome="warned"),
            times(outcome="refused"),
            codes.get(UNSIGNED, 0),
            min(one.day for one in told),
            max(one.day for one in told),
            dict(sorted(codes.items(), key=lambda item: (-item[1], item[0]))),
        )


def main(argv: list[str]) -> int:
    """List them by repository, those with most refusals first."""
    made = parser(
        "pulls",
        "List what hosts told of their pulls: how often each repository was let run and refused,\n"
        "and how much of it had no signature. Of repositories that you may read; of all of them,\n"
        "as an operator or auditor. Hosts tell only when [report] of their pull.toml says so, and\n"
        "what they tell is not proven.",
        "sealbook pulls\n  sealbook pulls --since 2026-11-01 --csv > pulls.csv",
    )
    add_service(made)
    made.add_argument("--repository", default="", metavar="REPOSITORY", help="only this one")
    made.add_argument("--since", default="", metavar="DAY", help="from then on, as in 2026-11-26")
    made.add_argument("--until", default="", metavar="DAY", help="up to then, that day included")
    made.add_argument("--csv", action="store_true", help="print CSV")
    args = made.parse_args(argv[1:])
    if args.csv and args.json:
        made.error("--csv and --json do not go together")
    with connect_admin(args) as client:
        told = client.pulls(args.repository, since=args.since, until=args.until)
    rows = by_repository(told)
    if args.json:
        for row in rows:
            print(json.dumps(row._asdict()))
    elif args.csv:
        # Repositories and codes are of a form that no spreadsheet takes for a formula.
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow((*_COLUMNS, "codes"))
        lines.writerows((*row[:-1], _codes(row)) for row in rows)
    elif rows:
        print("\n".join(_table(rows)))
        print(_summary(Row.of("", told)))
    else:
        print("no host told of any pull")
    return 0


def by_repository(told: Iterable[Pulls]) -> list[Row]:
    """Return a row for each, those with most that should not run first."""
    named: dict[str, list[Pulls]] = {}
    for one in told:
        named.setdefault(one.repository, []).append(one)
    rows = [Row.of(repository, found) for repository, found in named.items()]
    return sorted(rows, key=lambda row: (-row.warned - row.refused, -row.pulls, row.repository))


def _table(rows: Sequence[Row]) -> list[str]:
    cells: list[tuple[str, ...]] = [_COLUMNS[:-1]]
    for row in rows:
        numbers = (str(value) for value in row[1:6])
        cells.append((printable(row.repository) or _UNNAMED, *numbers, row.since))
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS) - 1)]
    lines = []
    for line in cells:
        first, *middle, last = (
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join((first, *middle, last)))
    return lines


def _summary(row: Row) -> str:
    why = f": {printable(_codes(row))}" if row.codes else ""
    return (
        f"{row.pulls} pulls since {row.since}: {row.allowed} allowed, {row.warned} warned of, "
        f"{row.refused} refused{why}"
    )


def _codes(row: Row) -> str:
    return " ".join(f"{code}={times}" for code, times in row.codes.items())
