"""A real service: founded in a directory of its own, started, killed, and started again.

It listens on ports that the kernel picks at each start, so that no two tests
meet, and logs to `service.log` in its directory.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ledger.ledger import LogKeys
from signer.config import Config
from signer.founding import found
from signer.keys import open_key
from signer.keys.file import read_secret
from signer.listening import Addresses
from verifier.note import NoteKey
from verifier.trust import TrustRoot

ROOT = Path(__file__).parent.parent.parent
SEALBOOK = (str(Path(sys.executable).with_name("sealbook")),)
ORIGIN = "ledger.example"
_START_S = 60  # a service that has said nothing by then hangs
_STOP_S = 60
_SERVING = re.compile(r"serving gRPC on (\S+), HTTP on (\S+)\n")


class Service:
    """One service and its process, if one runs; a context manager that leaves none behind."""

    def __init__(self, directory: Path) -> None:
        """Found the service in `directory`, which must not exist."""
        found(directory, ORIGIN, "127.0.0.1:0", "127.0.0.1:0")
        self.directory = directory
        self.config = Config.load(directory / "sealbook.toml")
        self.token = (directory / "token").read_text().strip()
        self.trust = TrustRoot.parse((directory / "trust.json").read_bytes())
        self.addresses = Addresses("", "")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    @property
    def log_key(self) -> NoteKey:
        """The key that signs its checkpoints."""
        [key] = self.trust.log_keys(ORIGIN)
        return key

    def log_keys(self) -> LogKeys:
        """Read the ledger's secrets, to open it while no service does."""
        keys, base = self.config.keys, self.config.base
        return LogKeys(open_key(keys.log, base), read_secret(self.config.path(keys.seal)))

    def start(self, program: Sequence[str] = SEALBOOK) -> float:
        """Run `program serve`, and return the seconds until it said that it serves."""
        begun = time.perf_counter()
        self.spawn(program)
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _START_S)
        said = _SERVING.fullmatch(self._process.stdout.readline()) if readable else None
        seconds = time.perf_counter() - begun
        if said is None:
            self.kill()
            raise AssertionError(f"the service did not start:\n{self.log()[-4000:]}")
        self.addresses = Addresses(*said.groups())
        return seconds

    def spawn(self, program: Sequence[str] = SEALBOOK) -> None:
        """Run `program serve`, and wait for nothing."""
        assert self._process is None
        with (self.directory / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*program, "serve", "--config", str(self.directory / "sealbook.toml")],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def kill(self) -> None:
        """End the process with SIGKILL, which it cannot see coming; return when it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)  # by its pid, and only while it is ours
        self._reap()

    def stop(self) -> int:
        """Ask the process to go down in order, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._reap()

    def wait(self) -> int:
        """Return the exit code of a process that ends by itself; -9 for one that was killed."""
        return self._reap()

    def log(self) -> str:
        """Return what it has logged, over all starts."""
        return (self.directory / "service.log").read_text()

    def _reap(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        assert process.stdout is not None
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()
        return code
