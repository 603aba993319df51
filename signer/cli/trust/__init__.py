"""`sealbook trust ACTION`: whom verifiers believe, a module for each action.

    with open("trust.json", "rb") as file:
        draft = Draft.parse(file.read())

A trust file goes from `create` to each root's `sign`, to the service that hands it out, and
by `sync` to whoever judges. Roots sign on machines without a network: nothing but `sync`
needs one.
"""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook trust ACTION [options]        sealbook trust ACTION --help

make a new trust file, offline
  create   write the next version, from the one in force
  sign     add the signature of a root to it
  diff     say what changed, and whether one file follows the other

  install  let the running service hand it out

where images are judged
  sync     bring a directory of trust files up to date, from a service or another directory
  show     say whom a trust file believes, and what was revoked

for other clients
  podman   print the policy.json of Podman, CRI-O and skopeo
  kyverno, policy-controller, connaisseur
           print the YAML by which they accept what was signed here; untested here

example:
  sealbook trust create --from trust.json --policy policy.toml --out next.json
  sealbook trust diff trust.json next.json
  sealbook trust sign next.json --key alice.pem --previous trust.json
  sealbook trust install next.json
  sealbook trust sync https://sealbook.example /etc/sealbook/trust
"""

_CONTROLLERS = ("kyverno", "policy-controller", "connaisseur")
_ACTIONS = {
    name: name for name in ("create", "sign", "diff", "install", "sync", "show", "podman")
} | {name: f"controllers.{name.replace('-', '_')}" for name in _CONTROLLERS}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
