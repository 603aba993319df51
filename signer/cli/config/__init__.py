"""`sealbook config ACTION`: the service's one file, read, told, and loaded again."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook config ACTION [options]        sealbook config ACTION --help

  check   load all that a start would load, and say in sentences who may do what
  show    print the configuration as the ledger keeps it
  reload  let a running service put in force what the file says now, or nothing of it

example:
  sealbook config check && sealbook config reload
"""

_ACTIONS = {"check": "check", "reload": "reload", "show": "show"}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
