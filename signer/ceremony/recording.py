"""Logging that a ceremony was held: the hash of its transcript, as an event.

    {"ceremony_sha256":"…","keys":[{"name":"release-2027","public_key":"MFkw…",
     "purpose":"approve"}],"previous":null,"title":"…","transcript_sha256":"…"}

The service checks the transcript as an auditor does: a rehearsal is never logged, whatever
the command that sends it says. The event makes no key count: trust.json does.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ledger.answer import Appended
from ledger.errors import DamagedError, ForeignLedgerError
from ledger.ledger import Ledger
from ledger.store import SLICE
from signer.ceremony.checking import EVENT, check, claim
from signer.events import Events
from verifier import dsse
from verifier._strict import canonical_json
from verifier.errors import VerificationError
from verifier.statement import EVENT_PREFIX, Statement


class Recorded(NamedTuple):
    """The event, what it says without `previous`, and whether it was there before."""

    event: Appended
    claim: bytes
    known: bool


class Ceremonies:
    """Logs ceremonies, one after the other. Runs on one event loop."""

    def __init__(self, ledger: Ledger, events: Events) -> None:
        """Log in `ledger` by `events`."""
        self._ledger = ledger
        self._events = events
        self._turn = asyncio.Lock()

    async def record(self, transcript: bytes) -> Recorded:
        """Return the event about `transcript`, published; the same again gets the same.

        Raises:
            RequestError: it is of no ceremony that was held in earnest, to its end.
            ForeignLedgerError: it was held for another ledger.
            LedgerError: it could not be logged, or is not published in time.
        """
        found = await asyncio.to_thread(check, transcript)
        origin = self._ledger.store.origin
        if found.ceremony.origin != origin:
            raise ForeignLedgerError(
                f"expected a ceremony for {origin}, found one for {found.ceremony.origin[:80]!r}"
            )
        wanted = claim(found)
        async with self._turn:
            index = await asyncio.to_thread(self._find, canonical_json(wanted))
            if index is None:
                event = await self._events.record(EVENT, wanted)
            else:
                event = await self._events.published(index)
        return Recorded(event, canonical_json(wanted), index is not None)

    def _find(self, wanted: bytes) -> int | None:
        """Return where the event is that says `wanted`; there are few, and no label for it."""
        after = -1
        while True:
            page = self._ledger.store.search("predicate_type", EVENT_PREFIX + EVENT, after, SLICE)
            for index in page:
                if self._claim(index) == wanted:
                    return index
                after = index
            if len(page) < SLICE:
                return None

    def _claim(self, index: int) -> bytes:
        row = self._ledger.stored(index)
        try:
            said = Statement.parse(dsse.parse_pae(row.body or b"")[1]).predicate
        except VerificationError as e:
            raise DamagedError(f"the event at {index} cannot be read: {e.message}") from e
        return canonical_json({name: value for name, value in said.items() if name != "previous"})
