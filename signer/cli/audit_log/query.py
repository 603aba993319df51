"""`sealbook audit-log query`: find lines of the audit trail."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from signer.access.where import Where
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Kind, Line
from signer.audit_trail.printing import as_csv, as_json
from signer.audit_trail.querying import Query, find
from signer.cli.arguments import add_service, parser, service_of
from signer.cli.audit_log.times import second
from signer.config import Config
from signer.v1 import access_pb2
from verifier.repository import EVERYWHERE

_KINDS: tuple[Kind, ...] = ("denied", "decision", "outcome")


def main(argv: list[str]) -> int:
    """Print the lines that fit; exit code 1 when there are none."""
    made = parser(
        "audit-log query",
        "Find lines of the audit trail, oldest first; an outcome is found with its decision.\n"
        "Reads the files of the service's directory, or with --service asks as an auditor.",
        "sealbook audit-log query --repo registry.example/team/** --decision denied \\\n"
        "      --from 2026-11-01 --to 2026-12-01 --format csv",
    )
    add_service(made)
    add = made.add_argument
    add("--who", default="", metavar="WHO", help="issuer#subject, or how it begins and a *")
    add("--repo", default="", metavar="PLACE", help="a repository, or host/path/**")
    add("--decision", choices=_KINDS, help="only these lines (default: all)")
    add("--from", dest="start", type=second, default=0, metavar="TIME", help="then or later")
    add("--to", dest="stop", type=second, default=0, metavar="TIME", help="before then")
    add("--reference", default="", metavar="ID", help="the reference that a refusal named")
    add("--format", choices=("json", "csv"), default="json", help="default: json")
    args = made.parse_args(argv)
    count = 0

    def counted(lines: Iterator[Line]) -> Iterator[Line]:
        nonlocal count
        for line in lines:
            count += 1
            yield line

    with _found(args) as found:
        printed = as_csv if args.format == "csv" else as_json
        for text in printed(counted(found)):
            sys.stdout.write(text)
    return 0 if count else 1


@contextmanager
def _found(args: argparse.Namespace) -> Iterator[Iterator[Line]]:
    where = Where(args.repo or EVERYWHERE)
    if args.service is None:
        config = Config.load(args.config)
        query = Query(args.who, where, args.decision, args.start, args.stop, args.reference)
        yield find(Folder(config.path(config.trail.directory)), query)
        return
    from signer.client.trail import trail_of

    request = access_pb2.QueryTrailRequest(
        who=args.who,
        repository=args.repo,
        decision=args.decision or "",
        to=args.stop,
        reference=args.reference,
        **{"from": args.start},
    )
    with trail_of(*service_of(args)) as trail:
        yield trail.query(request)
