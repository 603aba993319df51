"""`sealbook access whoami`: who the service takes us for."""

from __future__ import annotations

from signer.cli.access.telling import SERVICE, as_json, grants, named
from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.v1 import access_pb2 as pb

_PROOFS = {
    "token": "by a token of the service's directory",
    "session": "by a session",
    "api-key": "by an API key",
    "certificate": "by a client certificate",
    "socket": "over the admin socket",
    "network": "by nothing but the network",
    "none": "by nothing",
}


def main(argv: list[str]) -> int:
    """Print who we are, and what we may do where."""
    made = parser(
        "access whoami",
        "Say who the service takes you for, by what proof and from where, and what you may do\n"
        "in which repositories by which binding.",
        "sealbook access whoami --service ledger.example:8640 --ca ca.pem --token-file session",
    )
    add_service(made)
    args = made.parse_args(argv)
    with connect_admin(args) as client:
        answer = client.call(SERVICE + "WhoAmI", pb.WhoAmIRequest(), pb.WhoAmIResponse)
    who: pb.Identity = answer.identity
    kind = ", a pipeline" if who.pipeline else ""
    rows = [f"{named(who)}  {_PROOFS.get(who.proof, who.proof)}{kind}"]
    if who.address:
        rows.append(f"  from      {who.address}")
    if who.certificate:
        rows.append(f"  key       {who.certificate}, of the client certificate")
    show(as_json(who), as_json=args.json, text="\n".join([*rows, *grants(who)]))
    return 0
