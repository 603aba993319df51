"""Three real witnesses, of whom two suffice: they live on while the service is killed.

They are the servers of `ledger.witness`, in this process and on loopback, each with a
database and a key of its own.

    with Witnesses(tmp_path / "witnesses") as witnesses:
        service = Service(tmp_path / "service", witnesses.policy)
        witnesses.watch(service.log_key)
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from pathlib import Path
from typing import Self

import uvicorn

from ledger.errors import LedgerError
from ledger.witness.judge import Judge
from ledger.witness.server import Witness
from ledger.witness.state import WitnessState
from signer.keys.memory import MemoryKey
from verifier.note import Note, NoteKey

NAMES = ("a", "b", "c")
_ENOUGH = 2
_START_S = 60


class _One:
    """One witness; `failures` is what its disk did to it."""

    def __init__(self, name: str, directory: Path) -> None:
        key = MemoryKey.generate("ed25519")
        directory.mkdir(parents=True)
        WitnessState.create(directory)
        self.name = name
        self.failures: list[LedgerError] = []
        self.note_key = NoteKey.witness(f"{name}.example", key.public)
        self.state = WitnessState(directory)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        app = Witness(Judge(self.state, f"{name}.example", [key]), on_failure=self.failures.append)
        self.server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        )


class Witnesses:
    """Three witnesses that run; a context manager that ends them."""

    def __init__(self, directory: Path) -> None:
        """Make them in `directory`, which must not exist."""
        self._all = [_One(name, directory / name) for name in NAMES]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_START_S)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.server.should_exit = True
        self._thread.join(_START_S)
        for one in self._all:
            one.socket.close()
            one.state.close()

    @property
    def policy(self) -> str:
        """The quorum of a trust file: two of the three."""
        lines = [f"witness {one.name} {one.note_key} {one.url}" for one in self._all]
        group = f"group enough {_ENOUGH} {' '.join(NAMES)}"
        return "\n".join([*lines, group, "quorum enough", ""])

    @property
    def failures(self) -> list[LedgerError]:
        """What went wrong with their disks; nothing may."""
        return [failure for one in self._all for failure in one.failures]

    def watch(self, log_key: NoteKey) -> None:
        """Let each cosign for the log of this key."""
        for one in self._all:
            one.state.add(log_key)

    def end(self, name: str) -> None:
        """Let one of them answer no more."""
        [one] = [one for one in self._all if one.name == name]
        one.server.should_exit = True

    def cosigned(self, origin: str) -> list[Note]:
        """Return the newest checkpoint that each has cosigned."""
        hashed = hashlib.sha256(origin.encode()).digest()
        rows = [one.state.recorded(hashed) for one in self._all]
        return [Note.parse(row.note) for row in rows if row is not None and row.note]

    async def _serve(self) -> None:
        serving = [asyncio.create_task(one.server.serve([one.socket])) for one in self._all]
        while not all(one.server.started for one in self._all):  # noqa: ASYNC110  uvicorn only says
            await asyncio.sleep(0.005)
        self._started.set()
        await asyncio.gather(*serving)
