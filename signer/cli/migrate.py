"""`sealbook migrate`: raise the schema of a stopped ledger."""

from __future__ import annotations

from ledger import opening
from signer.cli.arguments import parser, show
from signer.config import Config


def main(argv: list[str]) -> int:
    """Raise the schema; no-op when it is there."""
    made = parser(
        "migrate",
        "Raise the database's schema to this version's. Stop the service first, and have a backup.",
        "sealbook migrate --config /var/lib/sealbook/sealbook.toml",
    )
    args = made.parse_args(argv[1:])
    steps: list[str] = []
    opening.migrate(Config.load(args.config).home, steps.append)
    show({"steps": steps}, as_json=args.json, text="\n".join([*steps, "the schema is current"]))
    return 0
