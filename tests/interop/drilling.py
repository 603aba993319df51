"""A site where the commands of signer/README.md are typed, as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.interop.product import free_port, sealbook

README = Path(__file__).parent.parent.parent / "signer" / "README.md"
PATIENCE_S = 120
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# What stops and restarts a service where no systemd is: it ends the process, and starts another.
_SYSTEMCTL = """\
#!/bin/sh
case "$*" in "stop sealbook" | "restart sealbook") ;; *) exit 64 ;; esac
if test -f serve.pid; then
    pid=$(cat serve.pid)
    kill "$pid" 2> /dev/null
    while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
fi
test "$1" = stop && exit 0
: > serve.out
sealbook serve > serve.out 2>> serve.log &
echo $! > serve.pid
for _ in $(seq 1200); do
    grep -q serving serve.out && exit 0
    kill -0 "$(cat serve.pid)" 2> /dev/null || break
    sleep 0.05
done
cat serve.log >&2
exit 1
"""


def blocks(section: str) -> list[str]:
    """Return what is to be typed in a section of the README, by its heading."""
    text = README.read_text()
    _, found, rest = text.partition(f"\n## {section}\n")
    assert found, section
    return _BLOCK.findall(rest.partition("\n## ")[0])


def all_blocks() -> list[str]:
    """Return everything that the README has for a shell."""
    return _BLOCK.findall(README.read_text())


class Site:
    """A service in a directory of its own, whoever runs it, and a shell that remembers."""

    def __init__(self, folder: Path) -> None:
        self.directory = folder / "service"
        self.node = folder / "node"
        self.typed: list[str] = []
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.node.mkdir()
        self.program("systemctl", _SYSTEMCTL)
        http = free_port()
        sealbook("init", self.directory, "--grpc", free_port(), "--http", http)
        self.service = f"http://{http}"
        self._variables = {
            "HOME": str(folder),
            "NODE": str(self.node),
            "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ROOT": "keys/trust-root.pem",
            "SERVICE": self.service,
        }
        self.run("systemctl restart sealbook")

    def program(self, name: str, text: str) -> Path:
        """Put a program where the shell finds it first."""
        path = self._bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def set(self, **variables: str) -> None:
        """Set variables of the shell."""
        self._variables |= variables

    def run(self, words: str) -> str:
        """Type words that end well, and return what they print; their variables stay."""
        done = self._shell(words)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refused(self, words: str) -> str:
        """Type words that do not, and return what they say."""
        done = self._shell(words)
        assert done.returncode == 1, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def type(self, block: str) -> str:
        """Type a block of the README."""
        self.typed.append(block)
        return self.run(block)

    def stop(self) -> None:
        """End the service."""
        pid = self.directory / "serve.pid"
        if pid.exists():
            self._shell('kill "$(cat serve.pid)"')

    def _shell(self, words: str) -> subprocess.CompletedProcess[str]:
        kept = self.directory / "shell.env"
        script = f"set -eu\n{words}\nenv -0 > shell.env\n"
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-ac", script],
            cwd=self.directory,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode == 0:
            pairs = (one.partition("=") for one in kept.read_text().split("\0") if one)
            self._variables = {name: value for name, _, value in pairs}
        return done
