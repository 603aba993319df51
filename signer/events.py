"""Events: what the ledger says about itself, signed by the event key and logged like all else.

Each names in `previous` the last event of its kind, so that A, then B, then A
again are three entries, and nobody can leave one out unseen. Kinds so far:
`genesis`, `frozen`, `clock-accepted`, `revocation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ledger import dedup, labels
from ledger.answer import Appended
from ledger.errors import FrozenError
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.sequencer import Answer, Sequencer
from verifier import dsse
from verifier.entry import Entry
from verifier.publickey import Key
from verifier.statement import EVENT_PREFIX, event


def signed_event(
    kind: str, origin: str, key: Key, predicate: Mapping[str, object], previous: int | None
) -> NewEntry:
    """Return the event `urn:sealbook:<kind>` about the ledger `origin`, ready to be appended."""
    payload = event(kind, origin, {**predicate, "previous": previous})
    message = dsse.pae(dsse.IN_TOTO, payload)
    entry = Entry.of(message, key.sign(message), key.public).body()
    key_of_it = dedup.key(labels.EVENT, key.public, message)
    return NewEntry(entry, message, labels.of(entry, message), key_of_it)


class Events:
    """Logs events, one after the other. Runs on one event loop."""

    def __init__(self, ledger: Ledger, sequencer: Sequencer, key: Key) -> None:
        """Sign with `key`, the event key, and append through `sequencer`."""
        self._ledger = ledger
        self._sequencer = sequencer
        self._key = key
        self._turn = asyncio.Lock()

    async def record(
        self, kind: str, predicate: Mapping[str, object], *, freeze: bool = False
    ) -> Appended:
        """Log an event and return it, published; with `freeze` it is the last entry of all.

        Raises:
            LedgerError: it was not logged, or is not published in time.
        """
        async with self._turn:  # `previous` must be the last one
            if self._ledger.head.frozen:
                raise FrozenError(f"the ledger is frozen at {self._ledger.head.tree_size} entries")
            previous = await asyncio.to_thread(
                self._ledger.store.last, "predicate_type", EVENT_PREFIX + kind
            )
            origin = self._ledger.store.origin
            # In a thread: the event key may be in a device.
            entry = await asyncio.to_thread(
                signed_event, kind, origin, self._key, predicate, previous
            )
            [answer] = await asyncio.shield(self._sequencer.append([entry], freeze=freeze))
        return _appended(answer)

    async def published(self, index: int) -> Appended:
        """Return the event at `index`, once it is published.

        Raises:
            LedgerError: it is not published in time.
        """
        row = await asyncio.to_thread(self._ledger.row, index)
        assert row.body is not None, "the body of an event stays"
        found_by = dedup.of(labels.EVENT, row.entry, row.body)
        assert found_by is not None
        # Appended again it is found, and waits like any other entry. Nothing is written.
        again = NewEntry(row.entry, row.body, labels.decode(row.labels), found_by)
        [answer] = await asyncio.shield(self._sequencer.append([again]))
        return _appended(answer)


def _appended(answer: Answer) -> Appended:
    if not isinstance(answer, Appended):
        raise answer
    return answer
