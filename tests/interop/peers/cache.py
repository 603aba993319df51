"""Directories that are built once, and the commands that build them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

INSTALL_TIMEOUT_S = 120


class PeerUnavailable(Exception):  # noqa: N818 - a state of the machine, not a fault
    """The peer is not in the cache and cannot be put there; the text says why."""


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return the directory `name` of the cache, filled by `build` if it is new.

    It appears by one rename, so whoever finds it finds all of it, and nobody
    finds what `build` gave up on. Processes that come meanwhile wait.

    Raises:
        PeerUnavailable: `build` says so, or the cache cannot be written.
    """
    cache = Path(os.environ.get("SEALBOOK_CACHE") or Path.home() / ".cache" / "sealbook")
    home = cache / name
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not home.exists():
                with tempfile.TemporaryDirectory(dir=cache, prefix=f"{name}-") as scratch:
                    half = Path(scratch, "half")
                    half.mkdir()
                    build(half)
                    half.rename(home)
    except OSError as e:
        raise PeerUnavailable(f"{name}: {e}") from e
    return home


def run(
    command: Sequence[str], cwd: Path | None = None, *, timeout_s: float = INSTALL_TIMEOUT_S
) -> str:
    """Return what `command` printed.

    Raises:
        PeerUnavailable: it does not exist, failed, or took too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise PeerUnavailable(str(e)) from e
    if done.returncode != 0:
        said = done.stdout.strip()[-2000:]
        raise PeerUnavailable(f"{' '.join(command)} exited {done.returncode}: {said}")
    return done.stdout
