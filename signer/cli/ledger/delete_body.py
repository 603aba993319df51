"""`sealbook ledger delete-body`: take the content of an attestation away, for good."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.cli.asking import add_requester, asked
from signer.v1 import operator_pb2
from verifier._strict import decimal


def main(argv: list[str]) -> int:
    """Have the service log that it is gone, and delete it."""
    made = parser(
        "ledger delete-body",
        "Delete the body of an attestation: its content, as an SBOM or a report. Entry, signature\n"
        "and proof stay, and the ledger says why the body is gone; other entries with the very\n"
        "same body lose it too. Approvals and events are never deleted. Backups and exports made\n"
        "before still have it; mirrors delete it when they hear of it.",
        'sealbook ledger delete-body 4711 --reason "names of customers in it"',
    )
    made.add_argument("index", metavar="INDEX", help="the attestation's entry")
    made.add_argument(
        "--reason", required=True, metavar="TEXT", help="why, for whoever reads the ledger"
    )
    add_requester(made)
    add_operating(made)
    args = made.parse_args(argv)
    place = operator.place(args)
    request = operator_pb2.DeleteBodyRequest(
        entry=decimal(args.index), reason=args.reason, requester=args.requester
    )
    answer = asked(
        args,
        place,
        lambda: operator.ask(
            place,
            "DeleteBody",
            request,
            operator_pb2.EventResponse,
            operator.EVENT_TIMEOUT_S,
        ),
    )
    show(
        {"entry": request.entry, "index": answer.index, "note": answer.note},
        as_json=args.json,
        text=f"the body of entry {request.entry} is deleted: entry {answer.index} says so",
    )
    return 0
