"""What the flows of this room work with, and the turn that each of them takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import structlog

from ledger.durable import write_durably
from ledger.ledger import Ledger
from signer.approvals.control import Control
from signer.config import Config
from signer.errors import KeyBookError
from signer.events import Events
from signer.keys import SigningKey
from signer.keys.ring import KeyRing
from signer.life.book import Book
from signer.life.draft import Draft
from signer.life.opening import Opening
from signer.life.standing import Known, Standing
from signer.status.in_force import InForce
from signer.trust_files import LiveTrust
from verifier.publickey import PublicKey

_T = TypeVar("_T")
_MODE = 0o644

log = structlog.get_logger()


class Turn:
    """One change after the other, each in a task that its caller's cancellation does not reach."""

    def __init__(self) -> None:
        """Let the first one begin."""
        self._lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()

    async def take(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Return what `work` comes to, once it is its turn."""

        async def turn() -> _T:
            async with self._lock:
                return await work()

        task = asyncio.ensure_future(turn())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Return when everything that was under way has its answer."""
        while self._under_way:
            await asyncio.wait(self._under_way)


class Parts(NamedTuple):
    """What the flows of this room work with.

    `settle` returns once whatever callers have under way now has its leaf; `held` are keys that
    are open and do not sign: announced ones, and those that were replaced. `own` are the public
    halves of the service's own keys.
    """

    config: Config
    ledger: Ledger
    events: Events
    ring: KeyRing
    live: LiveTrust
    standing: Standing
    in_force: InForce
    opening: Opening
    book: Book
    control: Control
    settle: Callable[[], Awaitable[object]]
    own: tuple[PublicKey, ...]
    turn: Turn
    held: dict[str, SigningKey]

    @property
    def draft(self) -> Draft:
        """The draft of the next trust file."""
        return Draft(self.beside("trust-next.json"))

    def beside(self, name: str) -> Path:
        """Return the path of a file beside the trust file in force."""
        return self.config.path(self.config.trust.trust).with_name(name)

    def signs(self, name: str, public: PublicKey) -> SigningKey | None:
        """Return the key that callers get for `name`, if it is the one with this public half."""
        present = self.ring.keys.get(name)
        return present if present is not None and present.public == public else None

    async def redraft(self, known: Known) -> str:
        """Make the draft of the next trust file anew, and return where it is; empty: nowhere.

        Raises:
            KeyBookError: it cannot be written.
        """
        now = int(self.ledger.clock.now())
        work = partial(self.draft.write, self.live.root, known, self.in_force, now)
        there = await asyncio.to_thread(work)
        return str(self.draft.path) if there else ""

    async def write_public(self, file_name: str, public: PublicKey) -> None:
        """Write a public key for tools that read a file, as `cosign --key` does.

        Raises:
            KeyBookError: it cannot be written.
        """
        path = self.beside(file_name)
        try:
            await asyncio.to_thread(write_durably, path, public.pem(), _MODE)
        except OSError as e:
            raise KeyBookError(
                f"cannot write {path}: {e.strerror}",
                hint="what was asked for is logged; `sealbook key show --pem` prints it too",
            ) from e
