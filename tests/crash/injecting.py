"""A disk that fails: the N-th write or sync of a file of a running service returns an I/O error.

By strace, which attaches to the process and answers the system call in the kernel's
place. The counting starts with the attaching, and each thread is counted alone: the
one that appends is the one that writes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crash.service import Service

_PATIENCE_S = 60


class Fault(NamedTuple):
    """The `nth` call of `syscall` on a file fails.

    The files are "database", "log" (its -wal), "anchor", "publication" while it is written, and
    "trail", the first segment.
    """

    file: str
    syscall: str
    nth: int
    error: str = "EIO"


class Trace:
    """The system calls on the service's files, in their order."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def lines(self) -> list[str]:
        """All of them until now."""
        return self._path.read_text(errors="replace").splitlines()

    @property
    def injected(self) -> int:
        """How many of them were made to fail."""
        return sum("(INJECTED)" in line for line in self.lines)

    def after(self) -> list[str]:
        """Return what the service did to the same file, by number and file, after the first."""
        lines = self.lines
        first = next(i for i, line in enumerate(lines) if "(INJECTED)" in line)
        return lines[first + 1 :]


@contextmanager
def failing(service: Service, fault: Fault, trace: Path) -> Iterator[Trace]:
    """Let one system call of `service` fail while the block runs; skips where nobody may trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (tests/debian does)")
    home = service.config.home
    log = home.database.with_name(home.database.name + "-wal")
    files = {
        "database": home.database,
        "log": log,
        "anchor": home.anchor / "anchor",
        "publication": home.anchor / "published.new",
        "trail": service.directory / "trail" / "1.jsonl",
    }
    command: Sequence[str] = (
        "strace", "-f", "-qq", "-o", str(trace), "-p", str(service.pid),
        "-P", str(files[fault.file]), "-e", "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink",
        "-e", f"inject={fault.syscall}:error={fault.error}:when={fault.nth}",
    )  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr is not None
            _wait_until_attached(tracer, service.pid)
            yield Trace(trace)
            tracer.wait(_PATIENCE_S)  # it ends with the process that it traces
        finally:
            if tracer.poll() is None:
                tracer.terminate()


def _wait_until_attached(tracer: subprocess.Popen[str], pid: int) -> None:
    """Return when every thread is traced."""
    import time

    deadline = time.monotonic() + _PATIENCE_S
    while not _traced(pid):
        if tracer.poll() is not None:
            assert tracer.stderr is not None
            pytest.skip(f"nobody may trace here: {tracer.stderr.read().strip()}")
        assert time.monotonic() < deadline
        time.sleep(0.002)


def _traced(pid: int) -> bool:
    status = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/status")]
    return all(re.search(r"^TracerPid:\t[1-9]", text, re.MULTILINE) for text in status)
