"""Segments become entries of the ledger: the event `audit-segment` has the hash of each.

    {"first":0,"hash":"…","last":812,"previous":null,"segment":1}

`hash` is that of the segment's last line. A segment is finished at least every minute while
there is something to tell, and when the service goes down. One that could not be logged then
(after a crash, or without space) is logged later, in order. A frozen ledger takes no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from ledger.errors import DamagedError, FrozenError
from ledger.ledger import Ledger
from signer.audit_trail.tail import Closed
from signer.audit_trail.trail import Trail
from signer.config import Config
from signer.events import Events
from verifier import dsse
from verifier._strict import Fields, b64
from verifier.errors import SealbookError, VerificationError
from verifier.merkle import Hash
from verifier.statement import EVENT_PREFIX, Statement

log = structlog.get_logger()

EVENT = "audit-segment"
_TICK_S = 0.5
_STOP_S = 2.0


class Anchoring:
    """Finishes segments of one trail and logs them. Runs on one event loop."""

    def __init__(self, trail: Trail, ledger: Ledger, events: Events, segment_s: float) -> None:
        """Finish segments of `trail` after `segment_s`, and log them in `ledger` by `events`."""
        self._trail = trail
        self._ledger = ledger
        self._events = events
        self._segment_s = segment_s
        self._turn = asyncio.Lock()
        self._told = ""
        self._asked = False
        events.before_freeze = self.log  # a frozen ledger takes no segment

    def prepare(self, _: Config) -> Callable[[], None]:
        """Return what has the open segment finished soon: another configuration begins another."""

        def install() -> None:
            self._asked = True

        return install

    async def keep(self) -> None:
        """Go on for as long as the service runs."""
        tick_s = min(_TICK_S, self._segment_s / 2)
        while True:
            self._trail.flush()
            asked, self._asked = self._asked, False
            if asked or self._trail.unlogged or self._trail.due(self._segment_s):
                await self.log(only_due=not asked)
            await asyncio.sleep(tick_s)

    async def log(self, *, only_due: bool = False) -> None:
        """Finish the open segment if it tells of anybody, and log what is not logged yet."""
        async with self._turn:
            try:
                if self._trail.due(self._segment_s if only_due else 0.0):
                    await asyncio.to_thread(self._trail.finish_segment)
                while self._trail.unlogged:
                    await self._log(self._trail.unlogged[0])
            except FrozenError:
                self._trail.unlogged.clear()
            except SealbookError as e:
                if e.code != self._told:
                    log.warning("a segment of the audit trail is not logged yet", error=e.message)
                self._told = e.code
            else:
                self._told = ""

    async def stop(self) -> None:
        """Log the last segment; what takes too long is logged at the next start."""
        logging = asyncio.ensure_future(self.log())
        await asyncio.wait({logging}, timeout=_STOP_S)

    async def _log(self, closed: Closed) -> None:
        try:
            await self._events.record(EVENT, closed.claim())
        finally:
            # Also one that waits for its witnesses is in the ledger.
            newest = await asyncio.to_thread(logged, self._ledger)
            left = [
                one for one in self._trail.unlogged if not newest or one.segment > newest.segment
            ]
            self._trail.unlogged[:] = left


def logged(ledger: Ledger) -> Closed | None:
    """Return the newest segment that `ledger` tells of.

    Raises:
        DamagedError: what it tells cannot be read.
    """
    index = ledger.store.last("predicate_type", EVENT_PREFIX + EVENT)
    if index is None:
        return None
    try:
        return read(ledger.stored(index).body or b"")
    except VerificationError as e:
        raise DamagedError(f"the {EVENT} at {index} cannot be read: {e.message}") from e


def read(body: bytes) -> Closed:
    """Return what the event with this body says; raises `VerificationError`."""
    statement = Statement.parse(dsse.parse_pae(body)[1])
    fields = Fields(statement.predicate, "predicate")
    return Closed(
        fields.number("segment"),
        fields.number("first"),
        fields.number("last"),
        Hash(b64(fields.text("hash"), size=Hash.SIZE)),
    )
