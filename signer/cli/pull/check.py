"""`sealbook pull check`: whether this host really refuses what nobody signed, and what it misses.

It is tried, not only read: the runtime is given a bait. Exit code 0 only when each runtime
refused it, by us, and nothing that was read speaks against it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.pull import proving
from signer.cli.pull.install import RUNTIMES
from signer.errors import RequestError
from verifier.errors import printable
from verifier.pull.installing import containerd, crio
from verifier.pull.installing.bait import laid
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import Checked, Finding, Tried

_TIMEOUT_S = 60
_PROVE: dict[str, Callable[[proving.Asked], Checked]] = {
    "containerd": proving.containerd_checked,
    "podman": proving.podman_checked,
    "crio": proving.crio_checked,
}


def main(argv: list[str]) -> int:
    """Try and read; 0 when all that is here enforces, else 1."""
    args = _parser().parse_args(argv)
    host = Host(args.root)
    found = [args.runtime] if args.runtime else proving.found(host, args.socket)
    if not found:
        raise RequestError(
            "no containerd, Podman, skopeo or CRI-O was found here",
            hint="name one, to see what is missing",
        )
    checked = []
    with laid() as bait:
        for name in found:
            asked = proving.Asked(
                host, bait, args.signed, args.socket, args.containerd_config, args.timeout
            )
            checked.append(_PROVE[name](asked))
    good = all(one.enforced and one.works for one in checked)
    show(
        {"enforced": good, "runtimes": [_json(one) for one in checked]},
        as_json=args.json,
        text="\n\n".join(map(_text, checked)),
    )
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "pull check",
        "Have each runtime of this host pull an image that nobody signed, from a registry that\n"
        "this command serves on loopback meanwhile: it has to be refused by us. Say what in the\n"
        "configuration speaks against that, which line is missing, and the known ways around.\n"
        "Exit code 0 only when it is enforced.",
        "sealbook pull check\n"
        "  sealbook pull check containerd --signed registry.example/team/app:1.4",
        config=False,
    )
    made.add_argument("runtime", nargs="?", choices=RUNTIMES, help="(default: all that are here)")
    made.add_argument(
        "--signed",
        action="append",
        default=[],
        metavar="REF",
        help="an image that has to be allowed; containerd and CRI-O keep it",
    )
    made.add_argument(
        "--socket",
        metavar="FILE",
        help=f"CRI's socket (default: {containerd.SOCKET}, {crio.SOCKET})",
    )
    made.add_argument(
        "--containerd-config",
        default=containerd.CONFIG,
        metavar="FILE",
        help=f"(default: {containerd.CONFIG})",
    )
    made.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="read the configuration there (default: /)",
    )
    made.add_argument(
        "--timeout",
        type=float,
        default=_TIMEOUT_S,
        metavar="S",
        help=f"seconds for each pull (default: {_TIMEOUT_S})",
    )
    return made


def _json(checked: Checked) -> dict[str, object]:
    return {
        "runtime": checked.runtime,
        "version": checked.version,
        "enforced": checked.enforced,
        "works": checked.works,
        "tried": [one._asdict() | {"good": one.good} for one in checked.tried],
        "findings": [one._asdict() for one in checked.findings],
    }


def _text(checked: Checked) -> str:
    name = f"{checked.runtime} {checked.version}".strip()
    if not checked.enforced:
        verdict = "NOT ENFORCED"
    elif not checked.works:
        verdict = "enforced, but signed images do not run"
    else:
        verdict = "enforced"
    lines = [f"{name}: {verdict}"]
    lines += [_tried(one) for one in checked.tried]
    lines += [line for one in checked.findings for line in _finding(one)]
    return "\n".join(lines)


def _tried(one: Tried) -> str:
    if one.allowed is None:
        what = "could not be tried"
    elif one.allowed:
        what = "allowed"
    else:
        what = "refused" if one.ours else "refused, but not by us"
    mark = "ok " if one.good else "BAD"
    said = f": {one.said}" if one.said and not one.allowed else ""
    return printable(f"  {mark}     {one.image} {one.reference} ({one.by}) {what}{said}"[:1200])


def _finding(one: Finding) -> Sequence[str]:
    lines = [f"  {one.kind:<6}  {printable(one.message)} ({one.code})"]
    if one.hint:
        lines += [f"          {line}" for line in one.hint.splitlines()]
    return lines
