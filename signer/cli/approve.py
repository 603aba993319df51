"""`sealbook approve`: agree to what others want signed or changed."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from signer.approvals.request import Request
from signer.cli.arguments import add_service, connect_admin, parser, show
from signer.cli.operator import day_time
from signer.client import Client
from signer.client.approvals import OpenRequest
from signer.errors import RequestError, UnknownRequestError
from signer.keys import open_key
from signer.keys.home import Role

_ID = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
_WHOLE = 64  # hex digits
_SHOWN = 16  # of them in lists


def main(argv: list[str]) -> int:
    """List what waits, or sign one request; exit code 0 only when the approval is logged."""
    made = _parser()
    args = made.parse_args(argv[1:])
    if args.check is not None:
        from signer.cli.approval_check import check

        return check(args)
    if args.id is None:
        with connect_admin(args) as client:
            return _list(client.requests(), as_json=args.json)
    if args.person is None or args.key is None:
        made.error("an approval needs --as NAME and --key KEY")
    if args.yes and len(args.id) != _WHOLE:
        raise RequestError("expected the whole id with --yes: nothing else says what is signed")
    with connect_admin(args) as client:
        found = client.request(_whole(client, args.id))
        assert found.request is not None
        if not args.yes and not _agreed(found, args.person):
            print("not approved", file=sys.stderr)
            return 1
        signature = sign(found.request, args.person, args.key)
        approved = client.approve(found.id, args.person, signature)
    now = approved.request
    value = {
        "id": found.id,
        "index": approved.index,
        "known": approved.known,
        "approved_by": list(now.approved_by),
        "needed": now.needed,
        "granted": now.granted,
    }
    text = f"{'signed before' if approved.known else 'signed'} as {args.person}: {now}\n"
    text += f"  entry {approved.index} says so"
    show(value, as_json=args.json, text=text + ("; the same call goes through" * now.granted))
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "approve",
        "Agree to what others want signed or changed, where one alone may not. Without ID it\n"
        "lists what waits. With ID it shows the request as it is, asks, and signs it with your\n"
        "own key, on this machine; the approval is logged, and counts until the request expires,\n"
        "an hour after it was made. Nobody approves what they ask for.",
        "sealbook approve\n"
        "  sealbook approve 5d3a0c2e --as alice --key alice.key\n"
        "  sealbook approve --check 1207 --person alice=alice.pub",
    )
    add_service(made)
    made.add_argument("id", nargs="?", metavar="ID", help="of the request: its first 8 digits do")
    made.add_argument("--as", dest="person", metavar="NAME", help="your name in [approvers]")
    made.add_argument("--key", metavar="KEY", help="your private key: a file, or a key URI")
    made.add_argument("--yes", action="store_true", help="do not ask: I know what this is")
    made.add_argument(
        "--check",
        type=int,
        metavar="INDEX",
        help="for auditors: check the approval at INDEX, or those behind the signature at INDEX",
    )
    made.add_argument(
        "--person",
        dest="persons",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="with --check: the public key of a person; again for more (default: [approvers])",
    )
    made.add_argument(
        "--trust", type=Path, metavar="FILE", help="with --check: the trust file that names the log"
    )
    return made


def sign(request: Request, person: str, key: str) -> bytes:
    """Return the signature of `person` over a request; `key` is a file, or a key URI.

    Raises:
        KeyHomeError, KeyFailedError, KeyUnavailableError: the key cannot be used.
    """
    uri = key if ":" in key else f"file:{key}"
    opened = open_key(uri, Path.cwd(), Role(person, "person"))
    try:
        return opened.sign(request.message)
    finally:
        opened.close()


def told(found: OpenRequest) -> str:
    """Print a whole request for people: nothing is left out, nothing can play with a terminal."""
    request = found.request
    assert request is not None
    asked = request.asked
    lines = [
        ("ledger", request.origin),
        ("action", asked.action),
        ("asked by", asked.requester),
        *(("repository", one) for one in asked.repositories or ("none is named",)),
        *(("key", one) for one in asked.keys),
        ("until", day_time(request.expires)),
        ("so far", str(found)),
    ]
    head = "\n".join(f"  {name:<11} {_shown(value)}" for name, value in lines)
    return f"request {found.id}\n{head}\n" + "\n".join(_tree(dict(asked.what), "  "))


def _list(found: list[OpenRequest], *, as_json: bool) -> int:
    if as_json:
        for one in found:
            line = one._asdict()
            del line["request"]
            print(json.dumps(line))
        return 0
    if not found:
        print("nothing waits for an approval")
    for one in found:
        where = ", ".join(one.repositories) or ", ".join(one.keys)
        print(f"{one.id[:_SHOWN]}  {one.action} {where}".rstrip())
        print(f"  asked by {_shown(one.requester)}, until {day_time(one.expires)}: {one}")
    return 0


def _whole(client: Client, id_: str) -> str:
    """Return the whole of an id of which there may be only the first digits."""
    if not _ID.fullmatch(id_):
        raise RequestError(f"expected at least 8 hex digits of a request's id, found {id_[:80]!r}")
    if len(id_) == _WHOLE:
        return id_
    found = [one.id for one in client.requests() if one.id.startswith(id_)]
    if len(found) != 1:
        raise UnknownRequestError(f"{len(found)} open requests begin with {id_}")
    return found[0]


def _agreed(found: OpenRequest, person: str) -> bool:
    print(told(found), file=sys.stderr)
    asks = found.unsigned_by == person
    sign_it = f"sign this as {person}, who asks for it" if asks else f"approve this as {person}"
    print(f"{sign_it}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tree(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict | list) and inner:
                yield f"{indent}{_shown(name)}:"
                yield from _tree(inner, indent + "  ")
            else:
                yield f"{indent}{_shown(name)}: {_shown(inner)}"
    elif isinstance(value, list):
        for inner in value:
            first, *rest = _tree(inner, "") if inner else [_shown(inner)]
            yield f"{indent}- {first}"
            yield from (f"{indent}  {line}" for line in rest)
    else:
        yield f"{indent}{_shown(value)}"


def _shown(value: object) -> str:
    """Return a value in one line; what a terminal would obey is escaped."""
    if isinstance(value, str) and value.isprintable():
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(text)
