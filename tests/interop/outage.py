"""A real registry that goes down and comes back, at the same address and with all that it had.

While it is down its port is held, without listening: whoever calls is refused at once, and no
other program of the tests can take it.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.interop.registry import STOP_TIMEOUT_S
from tests.signer.asking import eventually

_CONFIG = """\
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: "%s", secret: tests}
"""


class Outage:
    """docker-registry at `address`, which runs from `start` to `stop`, as often as one likes."""

    def __init__(self, program: Path, scratch: Path) -> None:
        self._program = program
        self._scratch = scratch
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._held.getsockname()[1]}"
        self._config = scratch / "config.yml"
        directory = json.dumps(str(scratch / "registry"))
        self._config.write_text(_CONFIG % (directory, self.address))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()
        self._held.close()

    def start(self) -> None:
        """Return once it answers."""
        with (self._scratch / "registry.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", self._config],
                cwd=self._scratch,
                env={"HOME": str(self._scratch)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers)

    def stop(self) -> None:
        """Stop it at once, as a machine does that loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def forget(self, path: str, tag: str) -> None:
        """Take a tag away from a repository."""
        tags = self._scratch / "registry/docker/registry/v2/repositories" / path / "_manifests/tags"
        shutil.rmtree(tags / tag)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._scratch / "registry.log").read_text()
        try:
            return httpx.get(f"http://{self.address}/v2/").status_code == 200
        except httpx.TransportError:
            return False
