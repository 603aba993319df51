"""A mirror as a process, beside a service that listens where it always did."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from typing import Self

import grpc

from signer.cli import operator
from signer.config import Config
from signer.errors import ServiceUnreachableError
from signer.v1.operator_pb2 import GetStatusResponse
from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.service import ROOT, SEALBOOK, Service
from tests.signer.commands import free_address
from verifier.digest import Digest

_STOP_S = 60
_AT_ONCE = 12


class MirrorProcess:
    """`sealbook ledger mirror --follow`; a context manager that leaves none behind."""

    def __init__(self, service: Service, directory: Path) -> None:
        """Mirror `service` into `directory`; not started."""
        self._service = service
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither killed nor stopped."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait for nothing."""
        assert self._process is None
        directory = self._service.directory
        with (directory / "mirror.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *SEALBOOK,
                    "ledger",
                    "mirror",
                    str(self.directory),
                    "--follow",
                    f"--service={self._service.config.listen.grpc}",
                    f"--token-file={directory / 'token'}",
                    f"--trust={directory / 'trust.json'}",
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def kill(self) -> None:
        """End it with SIGKILL, and return when it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)  # by its pid, and only while it is ours
        self._process.wait(_STOP_S)
        self._process = None

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(_STOP_S)
        self._process = None
        return code

    def log(self) -> str:
        """Return what it has said."""
        return (self._service.directory / "mirror.log").read_text()


def stay(service: Service) -> None:
    """Let a service that was founded listen at one address for all of its starts."""
    file = service.directory / "sealbook.toml"
    text = file.read_text()
    address = free_address()
    assert 'grpc = "127.0.0.1:0"' in text
    file.write_text(text.replace('grpc = "127.0.0.1:0"', f'grpc = "{address}"'))
    service.config = Config.load(file)


def status(service: Service) -> GetStatusResponse:
    """Return what the service says of itself."""
    return operator.status(service.config)


async def level(service: Service, mirror: MirrorProcess) -> int:
    """Return the size of the ledger once all of it is mirrored and published."""
    for _ in range(3000):
        try:
            now = await asyncio.to_thread(status, service)
        except ServiceUnreachableError:
            continue
        if now.tree_size == now.mirror_size == now.published_size:
            return now.tree_size
        await asyncio.sleep(0.02)
    raise AssertionError(f"the mirror stays behind: {now}\n{mirror.log()[-2000:]}")


class Load:
    """Callers that ask for one digest after the other, and write down what is acknowledged."""

    def __init__(self, journal: Journal) -> None:
        """Write the answers into `journal`."""
        self._journal = journal
        self._stop = asyncio.Event()
        self._more = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, caller: Caller) -> None:
        """Call from now on."""
        self._tasks = [asyncio.create_task(self._sign(caller)) for _ in range(_AT_ONCE)]

    async def stop(self) -> None:
        """Call no more; returns when every call has ended, answered or not."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def until(self, count: int) -> None:
        """Return when so many signatures were acknowledged."""
        async with self._more:
            await self._more.wait_for(lambda: len(self._journal.signatures) >= count)

    async def _sign(self, caller: Caller) -> None:
        while not self._stop.is_set():
            digest = Digest.of(b"%d" % len(self._journal.asked))
            self._journal.asked.add(digest)
            try:
                answer = await caller.sign(digest)
            except grpc.aio.AioRpcError as e:
                # Killed, or its mirror was: the entry may be there or not.
                if e.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.01)
            else:
                self._journal.acknowledge(digest, answer.record, answer.note)
                async with self._more:
                    self._more.notify_all()
