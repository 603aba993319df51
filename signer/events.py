"""Events: what the ledger says about itself, signed by the event key and logged like all else.

Each names in `previous` the last event of its kind, so that A, then B, then A
again are three entries, and nobody can leave one out unseen. Kinds so far:
`genesis`, `frozen`, `clock-accepted`, `revocation`, `key-added`, `key-activated`,
`key-retired`, `key-ceremony`, `trust-installed`, `configuration`, `audit-segment`,
`trail-purged`, `role-bound`, `role-unbound`, `claim-pinned`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TypeVar

from ledger import dedup, labels
from ledger.answer import Appended
from ledger.bodies import LARGEST_IN_ROW
from ledger.errors import DamagedError, FrozenError
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.sequencer import Answer, Sequencer
from ledger.store import SLICE
from signer.audit_trail.acting import ACTING
from signer.audit_trail.course import Course
from signer.audit_trail.trail import Trail
from verifier import dsse
from verifier._strict import Fields
from verifier.entry import Entry
from verifier.errors import VerificationError
from verifier.publickey import Key
from verifier.statement import EVENT_PREFIX, Statement, event

_T = TypeVar("_T")

_TOLD = ("name", "reason", "repository", "role", "target")
# What the service logs of itself: nobody asked for it, and the audit trail has no decision.
OWN_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "genesis": "the ledger begins with it, before there is an audit trail",
        "audit-segment": "what it says is the audit trail's own end; told there it would never end",
    }
)


def signed_event(
    kind: str, origin: str, key: Key, predicate: Mapping[str, object], previous: int | None
) -> NewEntry:
    """Return the event `urn:sealbook:<kind>` about the ledger `origin`, ready to be appended."""
    message = _message(kind, origin, predicate, previous)
    entry = Entry.of(message, key.sign(message), key.public).body()
    key_of_it = dedup.key(labels.EVENT, key.public, message)
    return NewEntry(entry, message, labels.of(entry, message), key_of_it)


def logged(
    ledger: Ledger, kind: str, last: int | None, read: Callable[[Fields], _T]
) -> Iterator[tuple[int, _T]]:
    """Yield what the events of this kind after the one at `last` say, and where, oldest first.

    Also those that are not published yet. `read` takes the fields of a predicate without
    `previous`.

    Raises:
        DamagedError: one cannot be read, or is missing.
    """
    while True:
        after = -1 if last is None else last
        page = ledger.store.search("predicate_type", EVENT_PREFIX + kind, after, SLICE)
        for index in page:
            row = ledger.stored(index)
            try:
                statement = Statement.parse(dsse.parse_pae(row.body or b"")[1])
                fields = Fields(statement.predicate, "predicate")
                previous = fields.nullable("previous", int)
                found = read(fields)
            except VerificationError as e:
                raise DamagedError(f"the {kind} at {index} cannot be read: {e.message}") from e
            if previous != last:
                raise DamagedError(
                    f"the {kind} at {index} follows one at {previous}, the store shows {last}"
                )
            yield index, found
            last = index
        if len(page) < SLICE:
            return


class Events:
    """Logs events, one after the other. Runs on one event loop."""

    def __init__(self, ledger: Ledger, sequencer: Sequencer, key: Key, trail: Trail) -> None:
        """Sign with `key`, the event key, and append through `sequencer`.

        `trail` says who had each logged: who acts when `record` is called.
        """
        self._ledger = ledger
        self._sequencer = sequencer
        self._key = key
        self._trail = trail
        self._turn = asyncio.Lock()
        self.before_freeze: Callable[[], Awaitable[object]] | None = None

    async def record(
        self, kind: str, predicate: Mapping[str, object], *, freeze: bool = False
    ) -> Appended:
        """Log an event and return it, published; with `freeze` it is the last entry of all.

        Raises:
            LedgerError: it was not logged, or is not published in time.
            TrailError: the audit trail cannot be written, and nothing was logged.
        """
        if freeze and self.before_freeze is not None:  # what else has to be logged
            await self.before_freeze()
        # In a task of its own: what is decided has an outcome, whether or not somebody waits.
        task = asyncio.ensure_future(self._record(kind, predicate, freeze=freeze))
        return await asyncio.shield(task)

    async def _record(
        self, kind: str, predicate: Mapping[str, object], *, freeze: bool
    ) -> Appended:
        async with self._turn:  # `previous` must be the last one
            if self._ledger.head.frozen:
                raise FrozenError(f"the ledger is frozen at {self._ledger.head.tree_size} entries")
            previous = await asyncio.to_thread(
                self._ledger.store.last, "predicate_type", EVENT_PREFIX + kind
            )
            origin = self._ledger.store.origin
            message = _message(kind, origin, predicate, previous)
            known_by = dedup.key(labels.EVENT, self._key.public, message)
            with self._decided(kind, predicate, known_by) as course:
                # In a thread: the event key may be in a device.
                entry = await asyncio.to_thread(
                    signed_event, kind, origin, self._key, predicate, previous
                )
                if len(entry.body) > LARGEST_IN_ROW:
                    entry = await asyncio.to_thread(self._kept, entry)
                [answer] = await self._sequencer.append([entry], freeze=freeze)
                course.appended([entry], [answer])
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
        with self._trail.decided(ACTING.get(), "event", {"again": index}) as course:
            course.found(index)
            [answer] = await asyncio.shield(self._sequencer.append([again]))
            return _appended(answer)

    def _decided(
        self, kind: str, predicate: Mapping[str, object], known_by: bytes
    ) -> AbstractContextManager[Course]:
        if kind in OWN_KINDS:
            return nullcontext(Course())
        # The rest of it is in the ledger, for good.
        told = {n: v for n, v in predicate.items() if n in _TOLD and isinstance(v, str)}
        told["event"] = kind
        return self._trail.decided(ACTING.get(), "event", told, [known_by])

    def _kept(self, entry: NewEntry) -> NewEntry:
        """Return an entry whose large body is in its file, durably."""
        with self._ledger.bodies.spool() as spool:
            spool.write(entry.body)
            spool.keep()
        return entry._replace(body=b"", body_size=len(entry.body))


def _message(
    kind: str, origin: str, predicate: Mapping[str, object], previous: int | None
) -> bytes:
    """Return what is signed of an event."""
    return dsse.pae(dsse.IN_TOTO, event(kind, origin, {**predicate, "previous": previous}))


def _appended(answer: Answer) -> Appended:
    if not isinstance(answer, Appended):
        raise answer
    return answer
