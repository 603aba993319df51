"""Lines for people and spreadsheets: each is one row, whatever a caller sent.

    time,kind,who,proof,address,what,repository,digests,rule,code,entries,reference,line,of

Text is as JSON writes it in ASCII, so that no control character and no change of direction
reaches a terminal. A cell that a spreadsheet would run begins with '.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from signer.audit_trail.lines import Line

HEADER = (
    *("time", "kind", "who", "proof", "address", "what", "repository", "digests", "rule", "code"),
    *("entries", "reference", "line", "of"),
)
_FORMULA = ("=", "+", "-", "@")


def as_json(lines: Iterable[Line]) -> Iterator[str]:
    """Yield each line as the trail has it."""
    for line in lines:
        yield line.bytes().decode("ascii") + "\n"


def as_csv(lines: Iterable[Line]) -> Iterator[str]:
    """Yield a header and a row for each line (RFC 4180)."""
    yield _row(HEADER)
    for line in lines:
        head, told = line.head, line.fields
        entries = [index for index, _ in head.entries] or told.get("again", [])
        yield _row(
            (
                head.time,
                head.kind,
                told.get("who", ""),
                told.get("proof", ""),
                told.get("from", {}).get("address", ""),
                told.get("event", told.get("what", "")),
                told.get("repository", ""),
                " ".join(told.get("digests", ())),
                told.get("rule", ""),
                told.get("code", ""),
                " ".join(map(str, entries)),
                told.get("reference", ""),
                head.seq,
                "" if head.of is None else head.of,
            )
        )


def _row(cells: Iterable[Any]) -> str:
    made = StringIO(newline="")
    csv.writer(made, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return made.getvalue()


def _cell(value: Any) -> str:
    shown = json.dumps(value)[1:-1].replace('\\"', '"') if isinstance(value, str) else str(value)
    shown = shown.replace("\x7f", "\\u007f")
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
