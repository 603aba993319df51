"""`sealbook audit-log purge`: take away content of the trail that need not be kept."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import parser, show
from signer.cli.audit_log.times import second
from signer.config import Config
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Purge, and say how much went."""
    made = parser(
        "audit-log purge",
        "Take away what lines of the audit trail say of persons, once it is older than [trail]\n"
        "retain_days, which is never less than 183. Heads and hashes stay, so that the trail can\n"
        "be verified as before. It is an event of the ledger. For admins on the service's machine.",
        "sealbook audit-log purge",
    )
    made.add_argument(
        "--before", type=second, default=0, metavar="TIME", help="only from before then"
    )
    args = made.parse_args(argv)
    answer = operator.ask(
        Config.load(args.config),
        "PurgeTrail",
        operator_pb2.PurgeTrailRequest(before=args.before),
        operator_pb2.PurgeTrailResponse,
        operator.EVENT_TIMEOUT_S,
    )
    index = answer.index if answer.HasField("index") else None
    told = "nothing is old enough" if index is None else f"the event is entry {index}"
    show(
        {"lines": answer.lines, "index": index},
        as_json=args.json,
        text=f"{answer.lines} lines lost their content; {told}",
    )
    return 0
