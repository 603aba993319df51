"""SoftHSM tokens to test with, each in a directory of its own, and ways to take them away.

with soft_token(tmp_path) as token:
    token.make("EC:prime256v1", label="release", id="01")
    key = open_key(token.uri("object=release"), token.directory)
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signer.keys import CheckedKey, open_key

_MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
)
MODULE = next((path for path in _MODULES if path.exists()), _MODULES[0])
PIN = "4711-canary"
NEEDS_SOFTHSM = pytest.mark.skipif(
    not MODULE.exists() or not shutil.which("softhsm2-util") or not shutil.which("pkcs11-tool"),
    reason="needs Debian's softhsm2 and opensc",
)


class SoftToken:
    """A token `label` below `directory`; its user's PIN is in the file `pin`."""

    def __init__(self, directory: Path, label: str = "sealbook") -> None:
        """Make the token; SOFTHSM2_CONF must say where."""
        self.directory = directory
        self.label = label
        self.module = MODULE
        self._tokens = directory / "tokens"
        self._aside = directory / "tokens-aside"
        before = set(self._tokens.iterdir())
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN)
        [self._home] = set(self._tokens.iterdir()) - before
        (directory / "keys").mkdir(exist_ok=True)
        self.pin_file = directory / "pin"
        self.set_pin(PIN)

    def set_pin(self, pin: str) -> None:
        """Write a PIN where the service looks for it."""
        self.pin_file.write_text(pin + "\n")
        self.pin_file.chmod(0o600)

    def uri(self, key: str = "", *more: str) -> str:
        """Return the URI of a key in it, as in "object=release"."""
        path = ";".join(part for part in (f"token={self.label}", key) if part)
        query = (f"module-path={self.module}", f"pin-source=file:{self.pin_file}", *more)
        return f"pkcs11:{path}?{'&'.join(query)}"

    def tool(self, *args: str) -> str:
        """Run OpenSC's pkcs11-tool on it, logged in, and return what it says."""
        where = ("--module", str(MODULE), "--token-label", self.label)
        return run("pkcs11-tool", *where, "--login", "--pin", PIN, *args)

    def make(self, kind: str, label: str, key_id: str, *more: str) -> None:
        """Make a key pair with pkcs11-tool; `key_id` in hex."""
        self.tool("--keypairgen", "--key-type", kind, "--label", label, "--id", key_id, *more)

    @contextmanager
    def key(self, key: str, *more: str) -> Iterator[CheckedKey]:
        """Open a key in it, and close it again."""
        opened = open_key(self.uri(key, *more), self.directory)
        try:
            yield opened
        finally:
            opened.close()

    def vanish(self) -> None:
        """Take it away, as when its plug is pulled."""
        self._home.rename(self._aside)

    def come_back(self) -> None:
        """Put it back."""
        self._aside.rename(self._home)


@contextmanager
def soft_token(directory: Path, label: str = "sealbook") -> Iterator[SoftToken]:
    """Make a token below `directory`, which SoftHSM knows in this process and its children.

    The keys in it must be closed before the end: a library is begun for one configuration.
    """
    (directory / "tokens").mkdir(parents=True)
    configuration = directory / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {directory / 'tokens'}\n"
        "objectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
    )
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    try:
        yield SoftToken(directory, label)
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before


def run(*command: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    so_pin = ("--so-pin", "12345678") if "--init-token" in command else ()
    done = subprocess.run([*command, *so_pin], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout
