"""`sealbook key create`: make a key under a new name."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser
from signer.cli.asking import add_requester
from signer.cli.key.announced import announce
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Have the service make it, and announce it in the ledger."""
    made = parser(
        "key create",
        "Make a key under a new name, where URI says, and announce it in the ledger. It signs\n"
        "once a trust file lists it and `sealbook key rotate NAME --switch` lets it.",
        "sealbook key create payments --scope registry.example/payments \\\n"
        "      --uri 'pkcs11:token=sealbook;object=payments?pin-source=file:/run/secrets/pin'",
    )
    add = made.add_argument
    add("name", metavar="NAME", help="what callers are to ask for")
    add("--uri", required=True, metavar="URI", help="where it is to live; nothing is overwritten")
    add(
        "--scope",
        action="append",
        required=True,
        metavar="S",
        help="where it is to speak: host[:port][/path], or * for everywhere; repeatable",
    )
    add(
        "--purpose",
        choices=("approve", "attest"),
        default="approve",
        help="what it is to say (default: approve)",
    )
    add("--algorithm", default="", metavar="A", help="as in ecdsa-p256, which is the default")
    add(
        "--form",
        action="append",
        default=[],
        metavar="F",
        help="what a Sign is to make that names no forms (default: bundle); repeatable",
    )
    add_requester(made)
    add_operating(made)
    args = made.parse_args(argv)
    request = operator_pb2.CreateKeyRequest(
        name=args.name,
        purpose=args.purpose,
        scope=args.scope,
        algorithm=args.algorithm,
        uri=args.uri,
        forms=args.form,
        requester=args.requester,
    )
    return announce(args, operator.place(args), "CreateKey", request)
