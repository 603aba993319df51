"""`sealbook key list`: every version of every key, and what became of it."""

from __future__ import annotations

import json

from signer.cli import operator
from signer.cli.arguments import add_operating, parser
from signer.cli.key.telling import as_json, line
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Print a line for each version; as JSON an object a line."""
    made = parser(
        "key list",
        "List the keys that callers may ask for, each version of them: announced, active,\n"
        "replaced, retired or revoked; and at which ledger positions it counts.",
        "sealbook key list\n  sealbook key list release --json",
    )
    made.add_argument("name", nargs="?", default="", metavar="NAME", help="of this name alone")
    add_operating(made)
    args = made.parse_args(argv)
    request = operator_pb2.ListKeysRequest(name=args.name)
    place = operator.place(args)
    answer = operator.ask(place, "ListKeys", request, operator_pb2.ListKeysResponse)
    for key in answer.keys:
        print(json.dumps(as_json(key)) if args.json else line(key))
    return 0
