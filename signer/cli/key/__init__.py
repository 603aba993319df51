"""`sealbook key ACTION`: keys from their making to their end, a module for each action."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook key ACTION [options]        sealbook key ACTION --help

look
  list        say of every version of every key what became of it
  show        one of them, what its home says of it, and its public half

make keys
  create      make a key under a new name, and announce it in the ledger
  rotate      make the next version of a key; later, with --switch, let it sign
  announce    bring a key into use that is in its home already
  import      take a key from elsewhere into a file that only a passphrase opens
  ceremony    make keys before witnesses, from one reviewed file; check and log that

end keys
  retire      end a version that signs no more; what it signed counts on
  revoke      take a key back, from a ledger position on, offline verifiers too

example:
  sealbook key list
  sealbook key rotate release
  sealbook key ceremony release-2027.toml --rehearse --out rehearsal
"""

_ACTIONS = {
    "announce": "announce",
    "ceremony": "ceremony",
    "create": "create",
    "import": "import_",
    "list": "list_",
    "retire": "retire",
    "revoke": "revoke",
    "rotate": "rotate",
    "show": "show",
}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
