"""Load clients that are not in Python: where they are, and how to get them."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess

_INSTALL_S = 60


def find(program: str, package: str, *, install: bool) -> str | None:
    """Return where `program` is, of Debian's `package`.

    With `install`, try to get it first, if this is root on a Debian.
    """
    if install and shutil.which(program) is None and os.geteuid() == 0:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ["apt-get", "install", "--yes", "--no-install-recommends", package],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_INSTALL_S,
                check=False,
            )
    return shutil.which(program)


def children_s() -> float:
    """Return the CPU time of all programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
