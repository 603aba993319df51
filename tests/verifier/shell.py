"""Asking about a bundle on a command line, in this process or in a new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import verifier.__main__ as command
from tests.verifier.making import IMAGE, REPOSITORY, World

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
FAR = 253_402_300_799  # the command has the machine's clock


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


class Shell:
    """A folder with the files of one world, and a way to ask about them in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.write(World())

    def write(self, world: World) -> None:
        """Put the trust file and the bundle of `world` into the folder."""
        world.expires = FAR
        (self.folder / "trust.json").write_bytes(world.trust.json())
        (self.folder / "bundle.json").write_bytes(world.bundle.json())

    def run(self, *args: str) -> Answer:
        """Call `main` with just these arguments."""
        code = command.main(list(args))
        return Answer(code, *self.capsys.readouterr())

    def ask(self, *options: str, image: str = IMAGE, where: str = REPOSITORY) -> Answer:
        """Ask about the bundle in the folder."""
        pinned = str(self.folder / "trust.json")
        bundle = str(self.folder / "bundle.json")
        return self.run("--trust", pinned, "--repository", where, *options, image, bundle)


def process(folder: Path, *args: str, data: bytes = b"") -> Answer:
    """Run the command as a program, in `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "verifier", *args],
        cwd=folder,
        env=ENVIRONMENT,
        input=data,
        capture_output=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
