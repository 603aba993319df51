"""`sealbook ledger adopt`: take over a ledger that was moved."""

from __future__ import annotations

from ledger import opening
from signer.cli.arguments import parser, show
from signer.cli.progress import progress
from signer.config import Config


def main(argv: list[str]) -> int:
    """Write a new anchor for a database that was moved or restored."""
    made = parser(
        "ledger adopt",
        "Hash every entry again, and write a new anchor for a database that was moved or\n"
        "restored. Only when no other copy of it serves: two would fork the ledger.",
        "sealbook ledger adopt --config /var/lib/sealbook/sealbook.toml",
    )
    args = made.parse_args(argv)
    config = Config.load(args.config)
    with progress("hashing entries") as report:
        tree_size = opening.adopt(config.home, config.log_keys(), report)
    show({"tree_size": tree_size}, as_json=args.json, text=f"adopted {tree_size} entries")
    return 0
