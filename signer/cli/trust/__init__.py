"""`sealbook trust ACTION`: whom verifiers believe, a module for each action.

    with open("trust.json", "rb") as file:
        draft = Draft.parse(file.read())

A trust file goes from `create` to each root's `sign`, to the service that hands it out, and
by `sync` to whoever judges. Roots sign on machines without a network: nothing but `sync`
needs one.
"""

from __future__ import annotations

import importlib
import sys

USAGE = """\
usage: sealbook trust ACTION [options]        sealbook trust ACTION --help

make a new trust file, offline
  create   write the next version, from the one in force
  sign     add the signature of a root to it
  diff     say what changed, and whether one file follows the other

where images are judged
  sync     bring a directory of trust files up to date, from a service or another directory
  show     say whom a trust file believes, and what was revoked

for other clients
  podman   print the policy.json of Podman, CRI-O and skopeo

example:
  sealbook trust create --from trust.json --policy policy.toml --out next.json
  sealbook trust diff trust.json next.json
  sealbook trust sign next.json --key alice.pem --previous trust.json
  sealbook trust sync https://sealbook.example /etc/sealbook/trust
"""

_ACTIONS = ("create", "sign", "diff", "sync", "show", "podman")


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    if len(argv) < 2 or argv[1] in ("-h", "--help"):
        asked = len(argv) > 1
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    if argv[1] not in _ACTIONS:
        print(f"error: there is no action {argv[1]!r}; see sealbook trust --help", file=sys.stderr)
        return 2
    module = importlib.import_module(f"signer.cli.trust.{argv[1]}")
    code: int = module.main(argv[2:])
    return code
