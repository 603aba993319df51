"""What was found out about a registry, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from signer.registries.trying.findings import QUESTIONS, Findings
from signer.registries.trying.readers import advice, all_found, readers
from verifier.errors import printable


def as_json(found: Findings) -> dict[str, Any]:
    """Return everything."""
    return {
        "repository": found.repository,
        "scratch": found.scratch,
        "all_found": all_found(found),
        "findings": [one._asdict() for one in found.found],
        "readers": [one._asdict() for one in readers(found)],
        "configure": [{**one._asdict(), "lines": list(one.lines)} for one in advice(found)],
        "left": list(found.left),
    }


def as_text(found: Findings) -> str:
    """Return three tables: what it does, who will find what, and what to configure."""
    return "\n".join(_lines(found))


def _lines(found: Findings) -> Iterator[str]:
    yield f"{found.repository}, tried in {found.scratch}"
    yield ""
    rows = []
    for one in found.found:
        detail = f"{one.detail} ({one.code})" if one.code else one.detail
        rows.append((one.outcome, QUESTIONS[one.name], printable(detail)))
    yield from _table(rows)
    yield from (f"  hint: {printable(one.hint)}" for one in found.found if one.hint)
    yield ""
    yield from _table(
        [("found", "by", "as", ""), *[(r.works, r.name, r.form, r.why) for r in readers(found)]]
    )
    for change in advice(found):
        yield ""
        yield f"{change.why}."
        if change.lines:
            yield f"in {change.where}:"
            yield from (f"    {line}" for line in change.lines)
    if found.left:
        yield ""
        yield "could not be deleted, and is still there:"
        yield from (f"    {printable(kept)}" for kept in found.left)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"  {'  '.join(cells)}".rstrip()
