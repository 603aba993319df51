"""`sealbook key ACTION`: keys from their making to their end, a module for each action."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook key ACTION [options]        sealbook key ACTION --help

make keys
  import      take a key from elsewhere into a file that only a passphrase opens
  ceremony    make keys before witnesses, from one reviewed file; check and log that

example:
  sealbook key ceremony release-2027.toml --rehearse --out rehearsal
"""

_ACTIONS = {
    "ceremony": "ceremony",
    "import": "import_",
}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
