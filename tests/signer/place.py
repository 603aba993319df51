"""A directory with a shell in it, where a test types what a page has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.signer.asking import PATIENCE_S
from tests.signer.commands import SEALBOOK


class Place:
    """A directory with a shell in it."""

    def __init__(self, directory: Path, words: dict[str, str], **variables: str) -> None:
        """Type in `directory`; `words` are put in the place of what the page names."""
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self._words = words
        path = f"{SEALBOOK.parent}:{os.environ['PATH']}"
        self._variables = {"HOME": str(directory), "PATH": path, "LC_ALL": "C.UTF-8"} | variables

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Type `script`, and wait until the shell ends; what it left running goes on."""
        for old, new in self._words.items():
            script = script.replace(old, new)
        out, err = self.directory / "out", self.directory / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=self.directory,
                env=self._variables | variables,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=PATIENCE_S,
                check=False,
            )
        return subprocess.CompletedProcess(
            script, done.returncode, out.read_text(), err.read_text()
        )

    def type(self, script: str, **variables: str) -> str:
        """Type what ends well, and return what it prints."""
        done = self.run(script, **variables)
        assert 0 == done.returncode, f"{done.stdout}\n{done.stderr}"
        return done.stdout
