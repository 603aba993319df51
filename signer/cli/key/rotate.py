"""`sealbook key rotate`: make the next version of a key; and later let it sign."""

from __future__ import annotations

import argparse

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.cli.asking import add_requester, asked
from signer.cli.key.announced import announce
from signer.cli.key.telling import as_json, draft_told, label, named
from signer.errors import RequestError
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Announce a version, or switch to one."""
    args = _parser().parse_args(argv)
    name, version = named(args.name)
    place = operator.place(args)
    if args.switch:
        if args.uri or args.algorithm or args.lost:
            raise RequestError("--uri, --algorithm and --lost say nothing with --switch")
        return _switch(args, place, name, version)
    if args.now or version:
        raise RequestError("--now and a version say nothing without --switch")
    request = operator_pb2.RotateKeyRequest(
        name=name,
        algorithm=args.algorithm,
        uri=args.uri,
        lost=args.lost,
        requester=args.requester,
    )
    return announce(args, place, "RotateKey", request)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "key rotate",
        "Make the next version of a key, and announce it in the ledger with the proof of both.\n"
        "The old one signs on. Once the roots signed the draft of the next trust file, and\n"
        "verifiers had the time to hear of it, --switch lets the new one sign. What the old\n"
        "one signed counts on; `sealbook key retire` ends it.",
        "sealbook key rotate release\n"
        "  sealbook trust sign trust-next.json --previous trust.json --key ROOT.pem\n"
        "  sealbook trust install trust-next.json\n"
        "  sealbook key rotate release --switch           # a day later: signing.overlap_s\n"
        '  sealbook key retire release@1 --reason "rotated"',
    )
    add = made.add_argument
    add("name", metavar="NAME", help="the key; with --switch NAME@VERSION says which version")
    add("--uri", default="", metavar="URI", help="where the new one is to live (default: beside)")
    add("--algorithm", default="", metavar="A", help="of the new one (default: as the old one)")
    add(
        "--lost",
        action="store_true",
        help="the old one cannot sign any more: announce without its proof",
    )
    add("--switch", action="store_true", help="let the announced version sign from now on")
    add(
        "--now",
        action="store_true",
        help="with --switch: at once; who has not synced the trust file refuses what it signs",
    )
    add_requester(made)
    add_operating(made)
    return made


def _switch(args: argparse.Namespace, place: operator.Place, name: str, version: int) -> int:
    request = operator_pb2.SwitchKeyRequest(
        name=name, version=version, now=args.now, requester=args.requester
    )
    answer = asked(
        args,
        place,
        lambda: operator.ask(
            place,
            "SwitchKey",
            request,
            operator_pb2.ChangeKeyResponse,
            operator.EVENT_TIMEOUT_S,
        ),
    )
    key = answer.key
    told = [
        f"{'it signs already' if answer.known else 'it signs from now on'}: {label(key)}",
        f"  entry {answer.index} says so; {name}.pub is its public half, for other tools",
        f'next:  sealbook key list; sealbook key retire {name}@OLD --reason "rotated"',
        *filter(None, [draft_told(answer.draft)]),
    ]
    value = as_json(key) | {"index": answer.index, "note": answer.note, "known": answer.known}
    show(value, as_json=args.json, text="\n".join(told))
    return 0
