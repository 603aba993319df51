"""`sealbook apikey ACTION`: keys of at most a day, for what cannot have a token of an issuer."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook apikey ACTION [options]        sealbook apikey ACTION --help

  create      make a key for a role in repositories of your own; it is shown once
  list        say which keys count, for what, and until when
  revoke      end one, now

example:
  sealbook apikey create nightly-scan --role developer --repository 'registry.example/team/**'
  sealbook apikey revoke sbk_6ebtcndqnewyaaes
"""

_ACTIONS = {
    "create": "create",
    "list": "list_",
    "revoke": "revoke",
}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
