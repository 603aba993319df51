"""In which line of the file something is said, for whoever has to change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(#.*)?")
_SETTING = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\")(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")

Place = tuple[str | int, ...]


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """Return the line, from 1, where `place` is said in TOML, or what it is in; None for nowhere.

    A place is as in ("bindings", 3, "role"). Texts of several lines may lead astray: it is for
    people to look at.
    """
    best, found = 0, None
    for number, said in _said(text):
        if len(said) > best and tuple(place[: len(said)]) == said:
            best, found = len(said), number
    return found


def _said(text: str) -> Iterator[tuple[int, Place]]:
    """Yield each line that says something, and what it is about."""
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), 1):
        if match := _TABLE.fullmatch(line):
            table = _names(match[2])
            if match[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
        elif match := _SETTING.match(line):
            yield number, (*table, *_names(match[1]))


def _names(dotted: str) -> Place:
    return tuple(name.strip().strip('"') for name in dotted.split("."))
