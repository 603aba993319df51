"""`sealbook key announce`: bring a key into use that is in its home already."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser
from signer.cli.asking import add_requester
from signer.cli.key.announced import announce
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Have the service open it, and announce it in the ledger."""
    made = parser(
        "key announce",
        "Announce a key that is in its home already, from a ceremony or `sealbook key import`:\n"
        "as a new name, or as the next version of one. It signs once a trust file lists it and\n"
        "`sealbook key rotate NAME --switch` lets it.",
        "sealbook key announce release \\\n"
        "      --uri 'file:keys/release-2027.key?passphrase-source=credential:release'",
    )
    add = made.add_argument
    add("name", metavar="NAME", help="what callers ask for, now or from then on")
    add("--uri", required=True, metavar="URI", help="where the private half lives")
    add(
        "--scope",
        action="append",
        default=[],
        metavar="S",
        help="of a new name: host[:port][/path], or * for everywhere; repeatable",
    )
    add("--purpose", choices=("approve", "attest"), default="", help="of a new name")
    add(
        "--form",
        action="append",
        default=[],
        metavar="F",
        help="what a Sign is to make that names no forms (default: as before, or bundle)",
    )
    add(
        "--lost",
        action="store_true",
        help="the version before cannot sign any more: announce without its proof",
    )
    add_requester(made)
    add_operating(made)
    args = made.parse_args(argv)
    request = operator_pb2.ImportKeyRequest(
        name=args.name,
        uri=args.uri,
        purpose=args.purpose,
        scope=args.scope,
        forms=args.form,
        lost=args.lost,
        requester=args.requester,
    )
    return announce(args, operator.place(args), "ImportKey", request)
