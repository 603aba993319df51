"""The report: tables for a terminal and for BENCHMARKS.md, from the same values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

_BARS = "What must hold. What each figure includes is said at its table below."
_GOALS = "What we want to come to, by the same figures."


class Table(NamedTuple):
    """One table, and in words what its figures include."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    includes: str


class Bar(NamedTuple):
    """A figure that was promised: `limit` is a least value, or a most if `at_most`."""

    figure: str
    limit: float
    unit: str
    measured: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def row(self) -> tuple[str, str, str, str]:
        """Return it as a row of the table of bars."""
        sign = "≤" if self.at_most else "≥"
        return (
            self.figure,
            f"{sign} {number(self.limit)} {self.unit}",
            f"{number(self.measured)} {self.unit}",
            "reached" if self.reached else "**not reached**",
        )


class Report(NamedTuple):
    """All that was measured. `bars` must hold; `goals` are where the project wants to be."""

    command: str
    date: str
    machine: dict[str, str]
    disturbance: str
    bars: Sequence[Bar]
    goals: Sequence[Bar]
    tables: Sequence[Table]

    def all_tables(self) -> list[Table]:
        """Return the tables, the promised figures first."""
        columns = ("figure", "bar", "measured", "")
        bars = Table("Bars", columns, [bar.row() for bar in self.bars], _BARS)
        goals = Table("Goals", columns, [goal.row() for goal in self.goals], _GOALS)
        return [bars, goals, *self.tables]

    def markdown(self) -> str:
        """Return the report as BENCHMARKS.md."""
        lines = [
            "# Benchmarks",
            "",
            f"Written by `{self.command}` on {self.date}; do not edit.",
            "Run it on your own machine and disk before you believe a figure.",
            "",
            *_markdown_table(("machine", ""), list(self.machine.items())),
            "",
            self.disturbance,
        ]
        for table in self.all_tables():
            lines += ["", f"## {table.title}", "", table.includes]
            lines += ["", *_markdown_table(table.columns, table.rows)] if table.rows else []
        return "\n".join(lines) + "\n"

    def print(self, console: Console) -> None:
        """Print the report."""
        for name, value in self.machine.items():
            console.print(f"{name}: {value}", highlight=False)
        console.print(self.disturbance, highlight=False)
        for table in self.all_tables():
            shown = RichTable(title=table.title, title_justify="left", caption_justify="left")
            for i, column in enumerate(table.columns):
                shown.add_column(column, justify="right" if i else "left")
            for row in table.rows:
                shown.add_row(*(cell.replace("**", "") for cell in row))
            console.print()
            console.print(shown if table.rows else table.title)
            console.print(table.includes, highlight=False)


def number(value: float) -> str:
    """Print three digits, or all of them before the point, with commas."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 or not value else f"{value:.2g}"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *(["---:"] * (len(columns) - 1))]
    return [f"| {' | '.join(cells)} |" for cells in (columns, align, *rows)]
