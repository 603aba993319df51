"""`sealbook ledger freeze`: let a ledger take no more entries, for good."""

from __future__ import annotations

from ledger.errors import ForeignLedgerError
from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.errors import RequestError
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Log the event that is the last entry."""
    made = parser(
        "ledger freeze",
        "Log a last event, after which the ledger takes no more entries, for good: nothing is\n"
        "signed any more; reads and proofs go on. There is no way back.",
        'sealbook ledger freeze --origin ledger.example --reason "succeeded by ledger2.example"',
    )
    made.add_argument("--origin", metavar="ORIGIN", help="the ledger's origin; without it, nothing")
    made.add_argument("--reason", metavar="TEXT", help="why, for whoever reads the event")
    add_operating(made)
    args = made.parse_args(argv)
    place = operator.place(args)
    found = operator.status(place)
    if args.origin is None or args.reason is None:
        raise RequestError(
            f"this would freeze {found.origin}, which has {found.tree_size} entries, for good: "
            "nothing would be signed any more, reads would go on",
            hint=f"to do it: sealbook ledger freeze --origin {found.origin} --reason TEXT",
        )
    if args.origin != found.origin:
        raise ForeignLedgerError(
            f"expected the origin {found.origin}, found {args.origin[:80]!r}",
            hint="is this the service of the ledger that you mean?",
        )
    request = operator_pb2.FreezeRequest(origin=args.origin, reason=args.reason)
    answer = operator.ask(
        place, "Freeze", request, operator_pb2.EventResponse, operator.EVENT_TIMEOUT_S
    )
    show(
        {"index": answer.index, "note": answer.note},
        as_json=args.json,
        text=f"frozen: entry {answer.index} of {args.origin} is the last\n"
        + answer.note.removesuffix("\n"),
    )
    return 0
