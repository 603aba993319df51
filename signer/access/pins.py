"""Pins: the first id that is seen with a name keeps it, for as long as the ledger lasts.

    urn:sealbook:claim-pinned   {"issuer":"https://gitlab.bank","name":"payments/core",
                                 "claim":"namespace_id","value":"42"}

A name can be given away again, by an issuer to whom it is no longer anybody's; an id cannot.
Pins are events of the ledger and not rows of `access.db`: whoever makes that file anew, or
brings back an old one, does not give a name away with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from threading import Lock

from ledger.ledger import Ledger
from signer.access.templates import Pinned
from signer.events import Events, logged
from verifier._strict import Fields

PINNED = "claim-pinned"
_Name = tuple[str, str, str]


class Pins:
    """What the ledger has pinned. Safe in many threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Know what `ledger` has pinned; raises `DamagedError` if an event cannot be read."""
        self._ledger = ledger
        self._lock = Lock()
        self._last: int | None = None
        self._kept: dict[_Name, str] = {}
        self.refresh()

    def keeps(self, pinned: Pinned) -> bool:
        """Whether the name is this id's."""
        return self._kept.get(_name(pinned)) == pinned.value

    def is_free(self, pinned: Pinned) -> bool:
        """Whether the name is nobody's yet."""
        return _name(pinned) not in self._kept

    def refresh(self) -> None:
        """Follow the ledger; raises like the constructor."""
        with self._lock:
            for index, pinned in logged(self._ledger, PINNED, self._last, _read):
                # The first one keeps it; nobody logs a second, and it would change nothing.
                self._kept.setdefault(_name(pinned), pinned.value)
                self._last = index

    async def keep(self, events: Events, found: Iterable[Pinned]) -> None:
        """Have `events` log those of `found` whose names are nobody's yet.

        To be called by one task at a time.

        Raises:
            LedgerError: one was not logged, or is not published in time.
        """
        for pinned in found:
            if self.is_free(pinned):
                try:
                    await events.record(PINNED, pinned._asdict())
                finally:  # it may be in the ledger, and not published
                    await asyncio.to_thread(self.refresh)


class Asked:
    """Asks `pins`, and remembers which names are nobody's yet: they could be the caller's."""

    def __init__(self, pins: Pins) -> None:
        """Ask `pins`."""
        self._pins = pins
        self.free: list[Pinned] = []

    def __call__(self, pinned: Pinned) -> bool:
        """Whether the name is this id's, or could be."""
        if self._pins.is_free(pinned):
            self.free.append(pinned)
            return True
        return self._pins.keeps(pinned)


def _name(pinned: Pinned) -> _Name:
    return pinned.issuer, pinned.name, pinned.claim


def _read(fields: Fields) -> Pinned:
    found = Pinned(
        fields.text("issuer"), fields.text("name"), fields.text("claim"), fields.text("value")
    )
    fields.done()
    return found
