"""Commands with actions of their own, as in `sealbook trust sync`: one module an action."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping


def run(argv: list[str], usage: str, actions: Mapping[str, str]) -> int:
    """Run the action that `argv`, the command first, names; or say which there are.

    `actions` has its module in `signer.cli.<command>` for each. That one alone is imported.
    """
    command, *words = argv
    if not words or words[0] in ("-h", "--help"):
        print(usage, end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] not in actions:
        told = f"error: there is no action {words[0]!r}; see sealbook {command} --help"
        print(told, file=sys.stderr)
        return 2
    module = importlib.import_module(f"signer.cli.{command.replace('-', '_')}.{actions[words[0]]}")
    code: int = module.main(words[1:])
    return code
