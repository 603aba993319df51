"""`sealbook access ACTION`: who is who, and who may do what, a module for each action."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook access ACTION [options]        sealbook access ACTION --help

who am I
  login       trade a token of your issuer for a session of at most 15 minutes
  whoami      say who the service takes you for, and what you may do where

who may do what
  bindings    list who has which role where
  bind        give somebody a role inside a place of your own; the ledger has it
  unbind      take it back

certificates, for a site that has no authority of its own
  ca          make an authority: for callers, or with --servers for the service
  certificate make a certificate by it

example:
  sealbook access login --oidc-token-file job.jwt --out session
  sealbook access bind developer 'registry.example/team/**' --certificate spiffe://bank.example/ci
  sealbook access certificate alice --ca tls/clients --uri spiffe://bank.example/alice
"""

_ACTIONS = {
    "bind": "bind",
    "bindings": "bindings",
    "ca": "ca",
    "certificate": "certificate",
    "login": "login",
    "unbind": "unbind",
    "whoami": "whoami",
}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
