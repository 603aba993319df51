"""`sealbook config check`: load all that a start would load, and say what it means."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.config.sentences import paragraphs, warnings
from signer.config import Config
from signer.configuring.checking import check


def main(argv: list[str]) -> int:
    """Print who may do what; exit code 1 when a service would not start with FILE."""
    made = parser(
        "config check",
        "Load all that a start would load, without starting: keys, certificates, authorities,\n"
        "issuers and their keys, bindings, the policy, approvers, the trust file; beside a\n"
        "running service too. Then say in sentences who may do what, and from where.",
        "sealbook config check\n  sealbook config check new.toml --json",
    )
    made.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="the file (default: --config)"
    )
    args = made.parse_args(argv)
    checked = check(Config.load(args.file or args.config))
    told, doubts = paragraphs(checked), warnings(checked)
    lines = ["\n".join(sentences) for sentences in told]
    if doubts:
        lines.append("\n".join(f"note: {one}" for one in doubts))
    show(
        {"file": str(checked.config.file), "paragraphs": told, "notes": doubts},
        as_json=args.json,
        text=_spoken("\n\n".join(lines)),
    )
    return 0


def _spoken(text: str) -> str:
    """Return sentences with whatever a terminal would obey escaped."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)
