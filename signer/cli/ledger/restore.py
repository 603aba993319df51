"""`sealbook ledger restore`: bring a backup up to where the ledger had come."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from ledger.at_rest import DataKeys
from ledger.copies.restore import restore
from signer.at_rest.keeping import AtRest
from signer.cli.arguments import parser, show
from signer.cli.progress import progress
from signer.config import Config


def main(argv: list[str]) -> int:
    """Put a backup in the place of a lost database, joined with what a mirror has."""
    made = parser(
        "ledger restore",
        "Put a backup into the empty place of the database, append what a mirror has beyond\n"
        "it, and go on where the anchor says that the ledger had come: nothing that was\n"
        "acknowledged is lost, and nothing forks. Every entry is hashed. The service must be\n"
        "stopped, and is as before with its keys and its anchor.",
        "sealbook ledger restore /backup/ledger-2026-11-25.db --from /mirror",
    )
    made.add_argument("backup", type=Path, metavar="BACKUP", help="what `ledger backup` wrote")
    made.add_argument(
        "--from", dest="mirror", type=Path, metavar="DIR", help="a mirror of the same ledger"
    )
    made.add_argument(
        "--newest",
        action="store_true",
        help="the anchor is lost too: take all that backup and mirror hold. Whether that is all,\n"
        "only a witness knows; if it is not, the ledger forks",
    )
    args = made.parse_args(argv)
    config = Config.load(args.config)
    with ExitStack() as stack, progress("hashing entries") as report:

        def at_rest() -> DataKeys | None:
            opened = AtRest.open(config.at_rest, config.base, config.home)
            if opened is None:
                return None
            stack.callback(opened.close)
            return opened.bodies

        found = restore(
            config.home,
            config.log_keys(),
            args.backup,
            args.mirror,
            report,
            newest=args.newest,
            synchronous=config.mirror.synchronous,
            at_rest=at_rest,
        )
    lines = [f"restored {found.tree_size} entries, {found.from_mirror} of them from the mirror"]
    lines.append(f"root {found.root.hex()}")
    if found.unanswered:
        lines.append(
            f"{found.unanswered} entries were under way when the disk died and are gone: the "
            "mirror did not hold them yet, so nobody was told of them"
        )
    if found.left_out:
        lines.append(
            f"left out {found.left_out} entries of the mirror that bear neither seal nor "
            "signature of ours: begin a new mirror"
        )
    if found.check_needed:
        lines.append("the disk had failed: run `sealbook fsck` before you start the service")
    value = {**found._asdict(), "root": found.root.hex()}
    show(value, as_json=args.json, text="\n".join(lines))
    return 0
