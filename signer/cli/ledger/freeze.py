"""`sealbook ledger freeze`: let a ledger take no more entries, for good."""

from __future__ import annotations

from ledger.errors import ForeignLedgerError
from signer.cli import operator
from signer.cli.arguments import parser, show
from signer.config import Config
from signer.errors import RequestError
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Log the event that is the last entry."""
    made = parser(
        "ledger freeze",
        "Log a last event, after which the ledger takes no more entries, for good: nothing is\n"
        "signed any more; reads and proofs go on. There is no way back. For admins on the\n"
        "service's machine.",
        'sealbook ledger freeze --origin ledger.example --reason "succeeded by ledger2.example"',
    )
    made.add_argument("--origin", metavar="ORIGIN", help="the ledger's origin; without it, nothing")
    made.add_argument("--reason", metavar="TEXT", help="why, for whoever reads the event")
    args = made.parse_args(argv)
    config = Config.load(args.config)
    if args.origin is None or args.reason is None:
        found = operator.status(config)
        raise RequestError(
            f"this would freeze {found.origin} at {found.tree_size + 1} entries, for good: "
            "nothing would be signed any more, reads would go on",
            hint=f"to do it: sealbook ledger freeze --origin {found.origin} --reason TEXT",
        )
    if args.origin != config.origin:
        raise ForeignLedgerError(
            f"expected the origin {config.origin}, found {args.origin[:80]!r}",
            hint="is this the configuration of the ledger that you mean?",
        )
    request = operator_pb2.FreezeRequest(origin=args.origin, reason=args.reason)
    answer = operator.ask(
        config, "Freeze", request, operator_pb2.EventResponse, operator.EVENT_TIMEOUT_S
    )
    show(
        {"index": answer.index, "note": answer.note},
        as_json=args.json,
        text=f"frozen: entry {answer.index} of {args.origin} is the last\n"
        + answer.note.removesuffix("\n"),
    )
    return 0
