"""`sealbook ledger accept-clock`: take the machine's clock as right, once."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Log that the clock was taken as right, after it had leapt."""
    made = parser(
        "ledger accept-clock",
        "Take the machine's clock as right, once, after the service refused to sign because it\n"
        "had leapt (clock-jumped), and log that as an event. Set the clock first.",
        'sealbook ledger accept-clock --reason "the clock was a day slow; chrony fixed it"',
    )
    made.add_argument(
        "--reason", required=True, metavar="TEXT", help="why, for whoever reads the event"
    )
    add_operating(made)
    args = made.parse_args(argv)
    request = operator_pb2.AcceptClockRequest(reason=args.reason)
    answer = operator.ask(
        operator.place(args),
        "AcceptClock",
        request,
        operator_pb2.EventResponse,
        operator.EVENT_TIMEOUT_S,
    )
    show(
        {"index": answer.index, "note": answer.note},
        as_json=args.json,
        text=f"accepted: entry {answer.index} says so",
    )
    return 0
