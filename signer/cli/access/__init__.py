"""`sealbook access ACTION`: who may do what, a module for each action."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook access ACTION [options]        sealbook access ACTION --help

certificates, for a site that has no authority of its own
  ca          make an authority: for callers, or with --servers for the service
  certificate make a certificate by it

example:
  sealbook access ca tls/clients
  sealbook access certificate alice --ca tls/clients --uri spiffe://bank.example/alice
"""

_ACTIONS = {
    "ca": "ca",
    "certificate": "certificate",
}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
