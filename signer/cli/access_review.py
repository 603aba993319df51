"""`sealbook access-review`: who could do what, where, at a position or a time."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable

from signer.cli.access.telling import about, as_json
from signer.cli.arguments import add_service, connect_admin, parser
from signer.v1 import access_pb2 as pb
from verifier._strict import decimal, rfc3339
from verifier.errors import printable

_COLUMNS = ("rule", "role", "repository", "who", "from", "since", "bound_by")
_WITHOUT = {
    "access.token": "whoever has it",
    "access.append_token": "whoever has it",
    "access.approver_token": "whoever has it",
    "listen.operator": "whoever can open it",
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOTE = """\
Each binding lets its role do its actions there; nobody else may do anything. Sessions and API
keys end within a day, and may do no more: `sealbook audit-log query` has them."""


def main(argv: list[str]) -> int:
    """Print a row for each role that somebody had; exit code 0 also when nobody had one."""
    made = parser(
        "access-review",
        "List who could do what, where: every role that counted at a position of the ledger, or\n"
        "at a time by the service's clock; now, without either. What the configuration said is\n"
        "read from the ledger, where each change of it is an event. For auditors and admins.",
        "sealbook access-review --at 2026-09-30 --csv > review.csv\n"
        "  sealbook access-review --at 4711",
    )
    add_service(made)
    made.add_argument(
        "--at", metavar="N|TIME", help="a tree size, a day (its end, UTC), or a moment (RFC 3339)"
    )
    made.add_argument("--csv", action="store_true", help="print CSV for spreadsheets")
    args = made.parse_args(argv[1:])
    request = pb.ReviewAccessRequest()
    if args.at is not None:
        _ask_at(request, args.at)
    with connect_admin(args) as client:
        answer = client.call("/sealbook.v1.Audit/ReviewAccess", request, pb.ReviewAccessResponse)
    if args.json:
        for one in answer.bindings:
            print(json.dumps(as_json(one) | {"since": one.since}))
    elif args.csv:
        _write_csv(answer.bindings)
    else:
        _write_table(answer)
    return 0


def _ask_at(request: pb.ReviewAccessRequest, at: str) -> None:
    if _DAY.fullmatch(at):
        request.time = rfc3339(f"{at}T23:59:59Z")
    elif at.isascii() and at.isdigit():
        request.at = decimal(at)
    else:
        request.time = rfc3339(at)


def _write_table(answer: pb.ReviewAccessResponse) -> None:
    known = answer.HasField("configuration")
    told = f"by the configuration of entry {answer.configuration}" if known else "by events alone"
    print(f"at {answer.at} entries, {told}\n")
    rows = [_COLUMNS, *map(_row, answer.bindings)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    print(f"\n{_NOTE}")


def _write_csv(found: Iterable[pb.Binding]) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for one in found:
        rows.writerow(map(_inert, _row(one)))


def _row(one: pb.Binding) -> tuple[str, ...]:
    who = about(pb.Binding(certificate=one.certificate, issuer=one.issuer, claims=one.claims))
    who += f" pin={one.pin}" if one.pin else ""
    who += " (people)" if one.people else ""
    cells = (
        one.rule,
        one.role,
        one.repository,
        who or _WITHOUT.get(one.rule, "whoever calls from there"),
        " ".join(one.networks) or "anywhere",
        str(one.since),
        one.bound_by or "the configuration",
    )
    return tuple(map(printable, cells))


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t") else cell
