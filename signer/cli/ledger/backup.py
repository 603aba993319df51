"""`sealbook ledger backup`: copy the database while the service runs."""

from __future__ import annotations

from pathlib import Path

from ledger.copies.backup import back_up
from ledger.store.files import path_in
from signer.cli.arguments import parser, show
from signer.cli.progress import progress
from signer.config import Config


def main(argv: list[str]) -> int:
    """Write a backup of the database, as it is at one moment."""
    made = parser(
        "ledger backup",
        "Copy the database into a new file, consistent while the service runs, and large bodies\n"
        "into bodies/ beside it, which belongs to all backups there. What is signed afterwards\n"
        "is not in it: keep a mirror too, and bring both together with\n"
        "`sealbook ledger restore`. Keys and the anchor are not in it.",
        "sealbook ledger backup /backup/ledger-$(date +%F).db",
    )
    made.add_argument("file", type=Path, metavar="FILE", help="where to; must not exist")
    made.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="the ledger's directory, or a mirror's, on a machine without the configuration",
    )
    args = made.parse_args(argv)
    if args.directory:
        path, origin = path_in(args.directory), None
    else:
        home = Config.load(args.config).home
        path, origin = path_in(home.directory), home.origin
    with progress("copying pages") as report:
        backup = back_up(path, args.file, report, origin)
    show(
        {
            "file": str(args.file),
            "origin": backup.origin,
            "tree_size": backup.tree_size,
            "root": backup.root.hex(),
            "bytes": backup.file_bytes,
        },
        as_json=args.json,
        text=f"{args.file}: {backup.tree_size} entries of {backup.origin}, "
        f"root {backup.root.hex()}",
    )
    return 0
