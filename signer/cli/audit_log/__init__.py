"""`sealbook audit-log ACTION`: who was refused, what was decided for whom, what came of it."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook audit-log ACTION [options]        sealbook audit-log ACTION --help

  verify   prove that no line is missing, altered or made up, against the ledger's entries
  query    find lines: by whom, where, what was decided, when; as JSON or CSV
  purge    take away personal content that is older than it has to be kept

example:
  sealbook audit-log query --who 'https://token.actions.githubusercontent.com#*' --from 2026-11-01
"""

_ACTIONS = {"verify": "verify", "query": "query", "purge": "purge"}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
