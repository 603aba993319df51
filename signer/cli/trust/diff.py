"""`sealbook trust diff`: what changed between two trust files, before somebody signs."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.trust.changes import changes
from signer.cli.trust.draft import Draft, read
from verifier.errors import VerificationError, printable


def main(argv: list[str]) -> int:
    """Print a line for each change, and whether NEW follows OLD; exit code 1 if they differ."""
    made = parser(
        "trust diff",
        "Say what NEW has (+), lost (-) or says otherwise (~), and whether verifiers who have\n"
        "OLD would take it. Exit code 0: both say the same; 1: they differ.",
        "sealbook trust diff trust.json next.json",
        config=False,
    )
    made.add_argument("old", type=Path, metavar="OLD", help="a trust file")
    made.add_argument("new", type=Path, metavar="NEW", help="another one, signed yet or not")
    args = made.parse_args(argv)
    old, data = Draft.parse(read(args.old)), read(args.new)
    new = Draft.parse(data)
    lines = changes(old.trust, new.trust)
    why = code = ""
    try:
        old.trust.successor(data)
    except VerificationError as e:
        why, code = e.message, e.code
    follows = f"NEW does not follow OLD: {why} ({code})" if why else "NEW follows OLD"
    show(
        {"changes": lines, "follows": not why, "why": why, "code": code},
        as_json=args.json,
        text="\n".join([*map(printable, lines), follows] if lines else ["both say the same"]),
    )
    return 1 if lines else 0
