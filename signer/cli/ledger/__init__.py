"""`sealbook ledger ACTION`: the life of a ledger, a module for each action."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook ledger ACTION [options]        sealbook ledger ACTION --help

while it serves
  info          say how large the ledger is, how far published, and who stands behind it
  export        write the tree as files, for static hosting; resumes
  backup        copy the database, consistent while running
  mirror        keep a second copy on another disk or host (--follow)
  freeze        take no more entries, for good
  accept-clock  take the machine's clock as right, once
  delete-body   delete the content of an attestation, which the ledger then says
  rotate-data-key  encrypt with a new key from now on

while it is stopped
  restore       bring a backup up to the anchor, from a mirror
  adopt         write a new anchor for a database that was moved
  make-kek      make a key-encryption key for [at_rest]

example:
  sealbook ledger backup /backup/ledger-$(date +%F).db --config /var/lib/sealbook/sealbook.toml
"""

_ACTIONS = {
    "info": "info",
    "export": "export",
    "backup": "backup",
    "mirror": "mirror",
    "freeze": "freeze",
    "accept-clock": "accept_clock",
    "delete-body": "delete_body",
    "rotate-data-key": "rotate_data_key",
    "make-kek": "make_kek",
    "restore": "restore",
    "adopt": "adopt",
}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
