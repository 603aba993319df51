"""`sealbook policy ACTION`: what images need, read aloud and tried out."""

from __future__ import annotations

from signer.cli.actions import run

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
    return run(argv, USAGE, _ACTIONS)
