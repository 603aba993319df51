"""A report for machines: JSON whose keys stay, in one order; times as RFC 3339."""

from __future__ import annotations

import json

from ledger.audit.bounds import utc
from ledger.report.model import Account, Boundary, Counted, Range, Ranges, Tree

TYPE = "urn:sealbook:report:v1"
_DAY_S = 86_400


def render(account: Account) -> bytes:
    """Return the report as one indented object, in ASCII."""
    value = {
        "type": TYPE,
        "origin": account.origin,
        "source": account.source,
        "made_at": utc(account.made_at),
        "made_by": account.made_by,
        "program": account.program,
        "from": _boundary(account.start),
        "to": _boundary(account.stop),
        "checkpoint": _tree(account.tree) if account.tree else None,
        "audit": {
            "checked_from": account.checked_from,
            "checked": account.checked,
            "findings": [finding.json() for finding in account.findings],
        },
        "counted": _counted(account.counted) if account.counted else None,
    }
    return (json.dumps(value, indent=2) + "\n").encode()


def _boundary(boundary: Boundary) -> dict[str, object]:
    return boundary._asdict()


def _tree(tree: Tree) -> dict[str, object]:
    return {
        "tree_size": tree.tree_size,
        "root": tree.root,
        "signed_at": _time(tree.signed_at),
        "quorum": tree.quorum,
        "witnesses": [
            {"name": w.name, "url": w.url, "cosigned_at": _time(w.cosigned_at)}
            for w in tree.witnesses
        ],
    }


def _counted(counted: Counted) -> dict[str, object]:
    return {
        "entries": counted.entries,
        "signatures": counted.signatures,
        "times": [utc(t) for t in counted.times] if counted.times else None,
        "groups": [line._asdict() for line in counted.lines],
        "by": {name: [g._asdict() for g in groups] for name, groups in counted.by.items()},
        "events": [e._asdict() | {"time": _time(e.time)} for e in counted.events],
        "opaque": _ranges(counted.opaque),
        "deleted": _ranges(counted.deleted),
        "missing": _ranges(counted.missing),
        "unreadable": _ranges(counted.unreadable),
        "quiet": _ranges(counted.quiet),
        "quiet_days": None if counted.quiet_days is None else [*map(days, counted.quiet_days)],
    }


def _ranges(ranges: Ranges) -> dict[str, object]:
    return {
        "entries": ranges.entries,
        "ranges": [[r.first, r.last] for r in ranges.ranges],
        "left_out": ranges.left_out,
    }


def days(found: Range) -> list[str]:
    """Return first and last day of a range of days, as 2026-11-23."""
    return [utc(day * _DAY_S)[:10] for day in found]


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else utc(seconds)
