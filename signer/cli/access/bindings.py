"""`sealbook access bindings`: who has which role where."""

from __future__ import annotations

import json

from signer.cli.access.telling import SERVICE, as_json, line
from signer.cli.arguments import add_service, connect_admin, parser
from signer.v1 import access_pb2 as pb


def main(argv: list[str]) -> int:
    """Print a line for each binding; as JSON an object a line."""
    made = parser(
        "access bindings",
        "List who has which role where: by the configuration (bindings.0) and by the ledger\n"
        "(binding:42, after the entry that says so), inside the places where you may bind.",
        "sealbook access bindings",
    )
    add_service(made)
    args = made.parse_args(argv)
    with connect_admin(args) as client:
        request = pb.ListBindingsRequest()
        answer = client.call(SERVICE + "ListBindings", request, pb.ListBindingsResponse)
    for one in answer.bindings:
        print(json.dumps(as_json(one)) if args.json else line(one))
    if not answer.bindings and not args.json:
        print("nobody is bound")
    return 0
