"""`sealbook witness init`: make a witness."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.witness.setup import Setup, policy_lines


def main(argv: list[str]) -> int:
    """Make a witness in a directory, and print what the operators of logs need."""
    made = parser(
        "witness init",
        "Make a witness: a key of its own, an empty memory, and the lines that the operators\n"
        "of logs put into their policies.",
        "sealbook witness init /var/lib/witness --name witness.example",
        config=False,
    )
    made.add_argument("directory", type=Path, metavar="DIR", help="where; must be empty or not be")
    made.add_argument("--name", required=True, help="the name in its cosignatures, for good")
    made.add_argument(
        "--post-quantum", action="store_true", help="cosign with a second key too, of ML-DSA-44"
    )
    made.add_argument("--url", default="", help="where it will be reached, for the policy lines")
    args = made.parse_args(argv)
    setup = Setup.make(args.directory, args.name, post_quantum=args.post_quantum)
    keys = setup.public_keys()
    lines = policy_lines(keys, args.url)
    show(
        {
            "directory": str(args.directory),
            "name": args.name,
            "vkeys": [str(key) for key in keys],
            "policy": lines,
        },
        as_json=args.json,
        text="\n".join(
            (
                f"made the witness {args.name} in {args.directory}",
                "  keys/       its private keys, readable by you alone",
                "  witness.db  what it cosigned: never restore it from a backup",
                "",
                "for the policy of each log that asks it:",
                *lines,
                "",
                "next:",
                f"  sealbook witness add-log {args.directory} --trust trust.json",
                f"  sealbook witness serve {args.directory}",
            )
        ),
    )
    return 0
