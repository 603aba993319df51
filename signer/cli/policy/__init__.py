"""`sealbook policy ACTION`: what images need, read aloud and tried out."""

from __future__ import annotations

import importlib
import sys

USAGE = """\
usage: sealbook policy ACTION [options]        sealbook policy ACTION --help

  check   read a policy as a verifier does, and say it in sentences
  try     ask what a policy would say of an image that the ledger knows

example:
  sealbook policy check policy.toml --trust trust.json
  sealbook policy try policy.toml sha256:<hex> --repository registry.example/team/app
"""

_ACTIONS = {"check": "check", "try": "trying"}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    if len(argv) < 2 or argv[1] in ("-h", "--help"):
        asked = len(argv) > 1
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    if argv[1] not in _ACTIONS:
        print(f"error: there is no action {argv[1]!r}; see sealbook policy --help", file=sys.stderr)
        return 2
    module = importlib.import_module(f"signer.cli.policy.{_ACTIONS[argv[1]]}")
    code: int = module.main(argv[2:])
    return code
