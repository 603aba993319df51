"""`sealbook migrate` and `sealbook ledger adopt`: care for a stopped ledger."""

from __future__ import annotations

from contextlib import ExitStack

from ledger import opening
from ledger.ledger import LogKeys
from signer.cli.arguments import parser, show
from signer.config import Config
from signer.keys import open_key
from signer.keys.file import read_secret


def main(argv: list[str]) -> int:
    """Run the command that `argv` starts with."""
    return _migrate(argv[1:]) if argv[0] == "migrate" else _adopt(argv[1:])


def _migrate(argv: list[str]) -> int:
    """Raise the schema; no-op when it is there."""
    made = parser(
        "migrate",
        "Raise the database's schema to this version's. Stop the service first, and have a backup.",
        "sealbook migrate --config /var/lib/sealbook/sealbook.toml",
    )
    args = made.parse_args(argv)
    steps: list[str] = []
    opening.migrate(Config.load(args.config).home, steps.append)
    show({"steps": steps}, as_json=args.json, text="\n".join([*steps, "the schema is current"]))
    return 0


def _adopt(argv: list[str]) -> int:
    """Write a new anchor for a database that was moved or restored."""
    made = parser(
        "ledger",
        "adopt: hash every entry again, and write a new anchor for a database that was moved\n"
        "or restored. Only when no other copy of it serves: two would fork the ledger.",
        "sealbook ledger adopt --config /var/lib/sealbook/sealbook.toml",
    )
    made.add_argument("action", choices=["adopt"], help="take over a ledger")
    args = made.parse_args(argv)
    config = Config.load(args.config)
    keys = LogKeys(
        open_key(config.keys.log, config.base), read_secret(config.path(config.keys.seal))
    )
    with ExitStack() as stack:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        progress = stack.enter_context(Progress(console=console, disable=not console.is_terminal))
        task = progress.add_task("hashing entries")
        tree_size = opening.adopt(
            config.home,
            keys,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    show({"tree_size": tree_size}, as_json=args.json, text=f"adopted {tree_size} entries")
    return 0
