"""Small disks to fill: file systems in memory, which only root can mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(disk: Path, size: str) -> Iterator[Path]:
    """Mount a file system of `size`, as in 2m, at `disk`; skips where nobody may."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "sealbook-test", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting a small disk was refused: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, left: int = 0) -> Path:
    """Take all space but `left` bytes, and return the file that holds it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - left))
    return ballast
