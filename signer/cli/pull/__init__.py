"""`sealbook pull ACTION`: what may run on this host, a module for each action.

Runs where images are pulled, without gRPC and pydantic.
"""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook pull ACTION [options]        sealbook pull ACTION --help

  install   write the files with which containerd, Podman or CRI-O ask before an image runs
  check     prove that this host refuses what nobody signed, and say what is missing
  daemon    answer at a unix socket, warm: what runtimes ask at each pull

Settings are in $SEALBOOK_PULL, else /etc/sealbook/pull.toml.

example:
  sealbook pull install containerd --from https://sealbook.example --pin 9f86…0a08 \\
      --service https://sealbook.example
  sealbook pull check
  sealbook pull daemon
"""

_ACTIONS = {"install": "install", "check": "check", "daemon": "daemon"}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
