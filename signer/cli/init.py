"""`sealbook init`: make a service."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.founding import found


def main(argv: list[str]) -> int:
    """Make a service in a directory and say what to do next."""
    made = parser(
        "init",
        "Make a service: keys, ledger with its genesis entry, token, trust files, configuration.",
        "sealbook init /var/lib/sealbook --origin ledger.bank.example",
    )
    made.add_argument("directory", type=Path, metavar="DIR", help="where; must not hold a service")
    made.add_argument(
        "--origin",
        default="ledger.local",
        metavar="HOST",
        help="the name of the ledger for good, a bare host name (default: ledger.local)",
    )
    args = made.parse_args(argv[1:])
    directory: Path = args.directory
    found(directory, args.origin)
    show(
        {"directory": str(directory), "origin": args.origin},
        as_json=args.json,
        text=f"""\
made the service {args.origin} in {directory}
  keys/              its private keys, readable by you alone: back them up
  token              what callers send
  trust.json         what verifiers pin
  trusted_root.json  the same for cosign, with release.pub as its --key

next:
  cd {directory} && sealbook serve""",
    )
    return 0
