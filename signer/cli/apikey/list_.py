"""`sealbook apikey list`: which keys there are."""

from __future__ import annotations

import json

from signer.cli.access.telling import SERVICE, as_json
from signer.cli.apikey.telling import line
from signer.cli.arguments import add_service, connect_admin, parser
from signer.v1 import access_pb2 as pb


def main(argv: list[str]) -> int:
    """Print a line for each key; as JSON an object a line."""
    made = parser(
        "apikey list",
        "List the API keys that count, inside the places where you may bind, the newest first.",
        "sealbook apikey list --all",
    )
    add_service(made)
    made.add_argument("--all", action="store_true", help="those too that have ended")
    args = made.parse_args(argv)
    with connect_admin(args) as client:
        request = pb.ListApiKeysRequest(all=args.all)
        answer = client.call(SERVICE + "ListApiKeys", request, pb.ListApiKeysResponse)
    for key in answer.keys:
        print(json.dumps(as_json(key)) if args.json else line(key))
    if not answer.keys and not args.json:
        print("there are no API keys" if args.all else "no API key counts")
    return 0
