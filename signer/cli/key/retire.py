"""`sealbook key retire`: end a version that has had its time."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.cli.asking import add_requester, asked
from signer.cli.key.telling import as_json, draft_told, label, named
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Have the service let it sign its last entry, and log that."""
    made = parser(
        "key retire",
        "End a version of a key that signs no more: the ledger says after which position\n"
        "nothing by it counts, and what it signed before counts on. Nothing is wrong with it:\n"
        "if something is, use `sealbook key revoke`.",
        'sealbook key retire release@1 --reason "rotated"',
    )
    add = made.add_argument
    add(
        "name", metavar="NAME[@VERSION]", help="the key; the version may be left out if it is clear"
    )
    add("--reason", required=True, metavar="TEXT", help="why, for whoever reads the ledger")
    add(
        "--force",
        action="store_true",
        help="also the version that signs: then nobody can ask for the name",
    )
    add_requester(made)
    add_operating(made)
    args = made.parse_args(argv)
    name, version = named(args.name)
    place = operator.place(args)
    request = operator_pb2.RetireKeyRequest(
        name=name,
        version=version,
        reason=args.reason,
        active_too=args.force,
        requester=args.requester,
    )
    answer = asked(
        args,
        place,
        lambda: operator.ask(
            place,
            "RetireKey",
            request,
            operator_pb2.ChangeKeyResponse,
            operator.EVENT_TIMEOUT_S,
        ),
    )
    key = answer.key
    told = [
        f"{'was retired already' if answer.known else 'retired'}: {label(key)}",
        f"  nothing by it counts at {key.valid_through_tree_size} or later: entry {answer.index}",
        "  the private half may be destroyed now",
        *filter(None, [draft_told(answer.draft)]),
    ]
    value = as_json(key) | {
        "index": answer.index,
        "note": answer.note,
        "known": answer.known,
        "draft": answer.draft,
    }
    show(value, as_json=args.json, text="\n".join(told))
    return 0
