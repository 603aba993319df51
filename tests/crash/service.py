"""A real service: founded in a directory of its own, started, killed, and started again.

It listens on ports that the kernel picks at each start, so that no two tests
meet, and logs to `service.log` in its directory.
"""

from __future__ import annotations

import copy
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from ledger.signatory import LogKeys
from signer.config import Config
from signer.founding import found
from signer.listening import Addresses
from verifier.note import ML_DSA, NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot

ROOT = Path(__file__).parent.parent.parent
SEALBOOK = (str(Path(sys.executable).with_name("sealbook")),)
ORIGIN = "ledger.example"
_START_S = 60  # a service that has said nothing by then hangs
_STOP_S = 60
_SERVING = re.compile(r"serving gRPC on (\S+), HTTP on (\S+)\n")


class Service:
    """One service and its process, if one runs; a context manager that leaves none behind."""

    def __init__(self, directory: Path, quorum: str = "", more: str = "", **founded: Any) -> None:
        """Found the service in `directory`, which must not exist.

        `quorum` is the witness policy of its trust file, `more` what its configuration says
        besides, `founded` where its keys are to be.
        """
        # An entry for each Sign; nothing is edited, which would be one more.
        once = {"forms": ("bundle",), "more": more}
        found(directory, ORIGIN, "127.0.0.1:0", "127.0.0.1:0", **once, **founded)
        self.directory = directory
        self._file = directory / "sealbook.toml"
        trust = directory / "trust.json"
        self.trust = TrustRoot.parse(trust.read_bytes())
        if quorum:
            self.trust = self.trust._replace(quorum=Quorum.parse(quorum))
            trust.write_bytes(self.trust.json())
        self.config = Config.load(self._file)
        self.token = (directory / "token").read_text().strip()
        self.addresses = Addresses("", "")
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None

    def twin(self, directory: Path | None = None) -> Self:
        """Return another process of this service, not running; over a copy of it in `directory`.

        Over the same files it has an operator's socket of its own.
        """
        twin = copy.copy(self)
        twin._process = None
        if directory is not None:
            shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns("run"))
            twin.directory = directory
            twin._file = directory / self._file.name
        else:
            twin._file = self.directory / "twin.toml"
            twin._file.write_text(self._file.read_text().replace('"run/', '"run-of-twin/'))
        twin.config = Config.load(twin._file)
        return twin

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
    def operator_socket(self) -> Path:
        """Where the operator is answered."""
        return self.config.path(self.config.listen.operator)

    @property
    def log_key(self) -> NoteKey:
        """The key that signs every checkpoint of its."""
        [key] = [key for key in self.trust.log_keys(ORIGIN) if key.kind != ML_DSA]
        return key

    def log_keys(self) -> LogKeys:
        """Read the ledger's secrets, to open it while no service does."""
        return self.config.log_keys()

    def start(self, program: Sequence[str] = SEALBOOK) -> float:
        """Run `program serve`, and return the seconds until it said that it serves."""
        begun = time.perf_counter()
        self.spawn(program)
        self.wait_until_it_serves()
        return time.perf_counter() - begun

    def wait_until_it_serves(self) -> None:
        """Return when a process that was spawned says that it serves, and where."""
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _START_S)
        said = _SERVING.fullmatch(self._process.stdout.readline()) if readable else None
        if said is None:
            self.kill()
            raise AssertionError(f"the service did not start:\n{self.log()[-4000:]}")
        self.addresses = Addresses(*said.groups())

    def spawn(self, program: Sequence[str] = SEALBOOK) -> None:
        """Run `program serve`, and wait for nothing."""
        assert self._process is None
        with (self.directory / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*program, "serve", "--config", str(self._file)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )

    def pause(self) -> None:
        """Let the process stand still with SIGSTOP, as a machine does that is suspended."""
        os.kill(self.pid, signal.SIGSTOP)
        stopped = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        assert stopped is not None

    def resume(self) -> None:
        """Let a paused process go on where it was."""
        os.kill(self.pid, signal.SIGCONT)

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

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `sealbook` with this service's configuration until it ends."""
        return subprocess.run(
            [*SEALBOOK, *args, "--config", str(self._file)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=False,
        )

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
