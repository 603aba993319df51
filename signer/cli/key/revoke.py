"""`sealbook key revoke`: take a key back, offline verifiers too."""

from __future__ import annotations

from signer.cli import detaching, operator
from signer.cli.arguments import add_operating, parser
from signer.cli.key.telling import named
from signer.cli.revoke import position, send
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Log what is taken back, and return once status.json carries it.

    With `--detach`, exit code 0 only when it is found in none of those places any more.
    """
    made = parser(
        "key revoke",
        "Take a key back: what it signed at a ledger position or later counts no more, also for\n"
        "verifiers who are offline. It needs no root key and nobody else's yes, and there is no\n"
        "way back. `sealbook revoke` takes back other things too.",
        'sealbook key revoke release@1 --after 1200 --reason "the build host was broken into"',
    )
    add = made.add_argument
    add("name", metavar="NAME[@VERSION]", help="a key of trust.json")
    add(
        "--after",
        type=int,
        metavar="TREE_SIZE",
        help="the first position that does not count (default: the next one)",
    )
    add("--reason", required=True, metavar="TEXT", help="why, for whoever is refused")
    detaching.add_detach(made)
    add_operating(made)
    args = made.parse_args(argv)
    named(args.name)
    key = operator_pb2.RevokeRequest.Key(name=args.name)
    if args.after is not None:
        key.valid_through_tree_size = position("--after", args.after)
    request = operator_pb2.RevokeRequest(reason=args.reason, key=key)
    place = operator.place(args)
    with detaching.opened(
        args.detach, args.registries
    ) as targets:  # a place that is none is said before
        return send(place, request, as_json=args.json, targets=targets)
