"""`sealbook publish`: have the service attach what was signed to images in their registry."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from signer.cli import operator
from signer.cli.arguments import add_operating, add_service, connect, connect_admin, parser, show
from signer.cli.operator import day_time
from signer.client.publishing import Publication
from signer.errors import RequestError
from signer.v1 import operator_pb2
from verifier.errors import printable
from verifier.pull.place import registry_place
from verifier.repository import Repository

_MOST_WAIT_S = 60.0
_AT_ONCE = 256
_SHORT = 19  # characters of a digest in lists


def main(argv: list[str]) -> int:
    """Publish, or look at what waits and change it."""
    commands = {"list": _list, "retry": _change, "drop": _change}
    command = argv[1] if len(argv) > 1 else ""
    return commands.get(command, _publish)(argv)


def _publish(argv: list[str]) -> int:
    """Have it attached; exit code 0 when it is, or will be, and 1 when something was refused."""
    made = parser(
        "publish",
        "Have the service attach everything that was signed about images, where their readers\n"
        "look. What is accepted gets there, also when the registry is down for a while: then this\n"
        "says that it waits. Only for repositories that the service's configuration names in\n"
        "[[registries]]. `sealbook publish list`, `retry` and `drop` are about what waits.",
        "sealbook publish registry.example/team/app@sha256:9f86…0a08\n"
        "  sealbook publish list --waiting\n"
        "  sealbook publish retry 42",
    )
    add_service(made)
    made.add_argument("images", nargs="+", metavar="REPOSITORY@DIGEST", help="images by digest")
    made.add_argument(
        "--wait",
        type=float,
        default=_MOST_WAIT_S,
        metavar="SECONDS",
        help="how long to wait for it, at most 60 (default: 60)",
    )
    made.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit trail")
    args = made.parse_args(argv[1:])
    if not 0 <= args.wait <= _MOST_WAIT_S:
        raise RequestError(f"expected to wait 0 to {_MOST_WAIT_S:.0f} seconds, found {args.wait}")
    orders = _orders(args.images)
    end = time.monotonic() + args.wait
    found: list[Publication] = []
    with connect(args) as client:
        for repository, digests in orders:
            wait_s = max(0.0, end - time.monotonic())
            found += client.publish(repository, digests, wait_s=wait_s, reason=args.reason)
    _show(found, as_json=args.json)
    return 1 if any(one.state in ("refused", "dropped") for one in found) else 0


def _list(argv: list[str]) -> int:
    made = parser(
        "publish list",
        "List what waits to be attached to images, and what became of the rest, the newest first:\n"
        "of repositories that you may publish to or read; of all of them, as an operator.",
        "sealbook publish list --waiting",
    )
    add_service(made)
    made.add_argument("--repository", default="", metavar="REPOSITORY", help="only these")
    made.add_argument("--waiting", action="store_true", help="only what is not attached yet")
    made.add_argument("--limit", type=int, default=0, metavar="N", help="at most (default: 1000)")
    args = made.parse_args(argv[2:])
    with connect_admin(args) as client:
        found = client.publications(args.repository, waiting=args.waiting, limit=args.limit)
    _show(found, as_json=args.json)
    return 0


def _change(argv: list[str]) -> int:
    command = argv[1]
    drop = command == "drop"
    made = parser(
        f"publish {command}",
        "Take what waits out of the queue, as an operator: it is not attached then."
        if drop
        else "Have what waits tried at once, as an operator; by its id also what was refused.",
        f"sealbook publish {command} 42\n  sealbook publish {command} --all",
    )
    add_operating(made)
    made.add_argument("ids", nargs="*", type=int, metavar="ID", help="as `publish list` shows them")
    made.add_argument("--all", action="store_true", help="all that wait")
    args = made.parse_args(argv[2:])
    if bool(args.ids) == args.all:
        made.error("expected ids, or --all")
    if any(id_ <= 0 for id_ in args.ids):
        raise RequestError("expected ids as `sealbook publish list` shows them")
    request = operator_pb2.ChangePublicationsRequest(ids=args.ids, drop=drop)
    answer = operator.ask(
        operator.place(args),
        "ChangePublications",
        request,
        operator_pb2.ChangePublicationsResponse,
        operator.EVENT_TIMEOUT_S,
    )
    told = "dropped" if drop else "tried again now"
    show({"changed": answer.changed}, as_json=args.json, text=f"{answer.changed} {told}")
    return 0


def _orders(images: Sequence[str]) -> list[tuple[Repository, list[str]]]:
    """Return what is asked of the service, call by call."""
    named: dict[Repository, dict[str, None]] = {}
    for image in images:
        place = registry_place(image)
        if place.digest is None:
            raise RequestError(
                f"expected REPOSITORY@DIGEST, found {image[:200]!r}",
                hint="a tag may be another image by then: sealbook sign says the digest",
            )
        named.setdefault(place.repository, {})[place.digest] = None
    return [
        (repository, list(digests)[start : start + _AT_ONCE])
        for repository, digests in named.items()
        for start in range(0, len(digests), _AT_ONCE)
    ]


def _show(found: Sequence[Publication], *, as_json: bool) -> None:
    for one in found:
        print(json.dumps(one._asdict()) if as_json else _line(one))


def _line(one: Publication) -> str:
    line = f"{one.id:>6}  {one.state:<8}  {one.repository}@{one.digest[:_SHORT]}…"
    if one.entries:
        line += f"  entries {', '.join(map(str, one.entries))}"
    if one.state == "waiting":
        tries = f", tried {one.attempts} times" if one.attempts else ""
        line += f"  since {day_time(one.asked_at)}{tries}"
    if one.code:
        line += f"\n        {printable(one.message)} ({one.code})"
        line += (
            f"\n        hint: {printable(one.hint)}" if one.hint and one.state == "refused" else ""
        )
    return line
