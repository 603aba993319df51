"""`sealbook access unbind`: take a role back."""

from __future__ import annotations

from signer.cli.access.telling import SERVICE, about, as_json
from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.v1 import access_pb2 as pb


def main(argv: list[str]) -> int:
    """Have it logged, and print where."""
    made = parser(
        "access unbind",
        "Take back what `sealbook access bind` gave. It is logged in the ledger, and counts from\n"
        "the next call on, sessions too. What the configuration binds is changed there.",
        "sealbook access unbind binding:42",
    )
    add_service(made)
    made.add_argument("rule", metavar="RULE", help="as `sealbook access bindings` shows it")
    args = made.parse_args(argv)
    with connect_admin(args) as client:
        request = pb.UnbindRequest(rule=args.rule)
        answer = client.call(SERVICE + "Unbind", request, pb.UnbindResponse)
    one: pb.Binding = answer.binding
    text = f"taken back: {about(one)} is no {one.role} in {one.repository} by {one.rule}\n"
    text += f"  entry {answer.index} says so"
    show({**as_json(one), "index": answer.index}, as_json=args.json, text=text)
    return 0
