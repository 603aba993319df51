"""What an audit tells: matches, findings, and what it came to; to people, or as JSON a line."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ledger.audit.auditor import Report
from ledger.audit.bounds import Bound, utc
from ledger.audit.finding import Finding
from ledger.audit.follow import Poster, match_json
from ledger.audit.scan import Match
from ledger.errors import LedgerError


class Delivery:
    """Prints matches, or posts them to `post`; `ca` are PEM roots of who is there."""

    def __init__(
        self,
        origin: str,
        post: str | None,
        ca: Path | None,
        stop: threading.Event,
        *,
        as_json: bool,
    ) -> None:
        """Deliver matches of the log `origin`; waiting to post again ends with `stop`."""
        self._origin = origin
        self._as_json = as_json
        self._post: Poster | None = None
        if post:
            from signer.transport import HttpTransport

            self._post = Poster(post, origin, HttpTransport(ca), stop.wait)

    def __call__(self, match: Match) -> None:
        """Deliver one match; raises `DeliveryError` when nobody took it."""
        if self._post:
            self._post(match)
        elif self._as_json:
            print(json.dumps({"match": match_json(match, self._origin)}), flush=True)
        else:
            said = "  ".join(f"{n}={v}" for n, vs in match.labels.items() for v in vs)
            print(f"match: {match.index}  {said}", flush=True)


def finding(found: Finding, *, as_json: bool) -> None:
    """Print one finding."""
    print(json.dumps({"finding": found.json()}) if as_json else f"finding: {found}", flush=True)


def trouble(error: LedgerError) -> None:
    """Print what kept one round from its end; the next one tries again."""
    print(f"error: {error.message} ({error.code})", file=sys.stderr, flush=True)


def summary(report: Report, *, as_json: bool) -> None:
    """Print what an audit came to."""
    head = report.head
    if as_json:
        print(json.dumps({"audit": _report_json(report)}), flush=True)
        return
    if head is None:
        print(f"audited nothing: {len(report.findings)} findings", flush=True)
        return
    tree = head.checkpoint
    print(
        f"{tree.origin}: {tree.tree_size} entries, root {tree.root.hex()}\n"
        f"  checked     {report.old_size} to {report.checked}, {report.opaque} opaque in all\n"
        f"  tiles       {report.tiles}, each authenticated\n"
        f"  witnesses   {len(head.witnesses)}: {', '.join(head.witnesses) or 'none'}\n"
        f"  matches     {report.matches}\n"
        f"  findings    {len(report.findings)}",
        flush=True,
    )


def _report_json(report: Report) -> dict[str, object]:
    head = report.head
    value: dict[str, object] = {
        "checked_from": report.old_size,
        "checked": report.checked,
        "opaque": report.opaque,
        "matches": report.matches,
        "tiles": report.tiles,
        "findings": len(report.findings),
    }
    if head is not None:
        tree = head.checkpoint
        witnesses = {name: utc(at) for name, at in head.witnesses.items()}
        value |= {
            "origin": tree.origin,
            "tree_size": tree.tree_size,
            "root": tree.root.hex(),
            "witnesses": witnesses,
        }
    return value


def when(index: int, told: Sequence[Bound], *, as_json: bool) -> None:
    """Print the bounds on the time of one entry, each with whose word it is."""
    if as_json:
        value = {"index": index, "bounds": [bound.json() for bound in told]}
        print(json.dumps({"when": value}))
        return
    print(f"entry {index}")
    for bound in told:
        print(f"  {bound}")
    if not told:
        print("  nothing that was seen says when")
