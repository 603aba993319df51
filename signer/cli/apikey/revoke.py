"""`sealbook apikey revoke`: end a key."""

from __future__ import annotations

from signer.cli.access.telling import SERVICE, as_json
from signer.cli.apikey.telling import line
from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.errors import RequestError
from signer.v1 import access_pb2 as pb


def main(argv: list[str]) -> int:
    """End it, and return once that is durable."""
    made = parser(
        "apikey revoke",
        "End an API key: no call is let in by it any more. ID is what stands before the dot.",
        "sealbook apikey revoke sbk_6ebtcndqnewyaaes",
    )
    add_service(made)
    made.add_argument("id", metavar="ID", help="as `sealbook apikey list` shows it")
    args = made.parse_args(argv)
    if "." in args.id:
        raise RequestError("expected an id: what stands before the dot, and never the whole key")
    with connect_admin(args) as client:
        request = pb.RevokeApiKeyRequest(id=args.id)
        answer = client.call(SERVICE + "RevokeApiKey", request, pb.RevokeApiKeyResponse)
    said = "had ended before: " if answer.known else ""
    value = {**as_json(answer.key), "known": answer.known}
    show(value, as_json=args.json, text=said + line(answer.key))
    return 0
