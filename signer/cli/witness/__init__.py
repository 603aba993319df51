"""`sealbook witness ACTION`: be a witness of other people's logs, a module for each action.

Runs on a machine that the logs' operators do not run, without gRPC and pydantic.
"""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook witness ACTION DIR [options]        sealbook witness ACTION --help

  init      make a witness: its keys and its memory
  add-log   cosign for a log from now on, or trust a further key of one
  show      say what was cosigned last of each log, and print the witness's keys
  serve     answer logs that ask for cosignatures (c2sp.org/tlog-witness)

A witness that lost its memory must not serve on: no action takes a log away, and
a backup must not be restored. Make a new witness of another name instead.

example:
  sealbook witness init /var/lib/witness --name witness.example
  sealbook witness add-log /var/lib/witness --trust trust.json
  sealbook witness serve /var/lib/witness
"""

_ACTIONS = {"init": "init", "add-log": "add_log", "show": "look", "serve": "serve"}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
