"""`sealbook access bind`: give somebody a role."""

from __future__ import annotations

from signer.access.roles import ROLES
from signer.cli.access.telling import SERVICE, about, as_json
from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.errors import RequestError
from signer.v1 import access_pb2 as pb


def main(argv: list[str]) -> int:
    """Have it logged, and print where."""
    made = parser(
        "access bind",
        "Give somebody a role in a repository or below a path, inside a place of your own. It is\n"
        "logged in the ledger, and counts from then on. WHO is the URI of a client certificate,\n"
        "or the claims of an issuer's tokens, or a network, for roles that change nothing.",
        "sealbook access bind developer 'registry.example/team/**' \\\n"
        "      --certificate spiffe://bank.example/ci/team\n"
        "  sealbook access bind developer registry.example/team/app \\\n"
        "      --issuer gitlab --claim project_id=4711 --claim ref_protected=true",
    )
    add_service(made)
    add = made.add_argument
    add("role", metavar="ROLE", choices=sorted(ROLES), help=", ".join(sorted(ROLES)))
    add("where", metavar="WHERE", help="a repository, host/path/** or *")
    add("--certificate", default="", metavar="URI", help="spiffe://DOMAIN/PATH")
    add("--issuer", default="", metavar="NAME", help="by its name in [issuers]")
    add(
        "--claim",
        dest="claims",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what a token has to claim; again for more",
    )
    add(
        "--from",
        dest="networks",
        action="append",
        default=[],
        metavar="NETWORK",
        help="only from there, as in 10.0.0.0/8; again for more",
    )
    args = made.parse_args(argv)
    wanted = pb.Binding(
        role=args.role,
        repository=args.where,
        certificate=args.certificate,
        issuer=args.issuer,
        claims=dict(_claim(text) for text in args.claims),
        networks=args.networks,
    )
    with connect_admin(args) as client:
        request = pb.BindRequest(binding=wanted)
        answer = client.call(SERVICE + "Bind", request, pb.BindResponse)
    one: pb.Binding = answer.binding
    value = {**as_json(one), "index": answer.index, "known": answer.known}
    said = "was bound before" if answer.known else "bound"
    text = f"{said}: {about(one)} is {one.role} in {one.repository}\n"
    text += f"  entry {answer.index} says so; to take it back: sealbook access unbind {one.rule}"
    show(value, as_json=args.json, text=text)
    return 0


def _claim(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"expected a claim as NAME=VALUE, found {text[:80]!r}")
    return name, value
