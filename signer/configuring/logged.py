"""The configuration in the ledger: each change is an event there before it is in force.

`urn:sealbook:configuration`, whose predicate is what `signer.config.canonical` prints. A ledger
opens with the configuration that it was founded with, inside its genesis event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from ledger import labels
from ledger.bodies import Bodies
from ledger.errors import DamagedError, MirrorBehindError, QuorumError
from ledger.store import SLICE, Row
from signer.config.canonical import Canonical
from signer.events import Events
from verifier import dsse
from verifier._strict import canonical_json
from verifier.errors import VerificationError
from verifier.statement import EVENT_PREFIX, Statement

EVENT = "configuration"
FIRST = "configuration"  # the field of the genesis event that has the first one


class Source(Protocol):
    """What configurations are read from: a ledger, or a part of one."""

    def search(self, name: str, value: str, after: int, limit: int, stop: int = ...) -> list[int]:
        """Return indices of entries with a label, as `ledger.store.Store` does."""

    def last(self, name: str, value: str) -> int | None:
        """Return the newest index of an entry with a label, as `ledger.store.Store` does."""

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return rows, as `ledger.store.Store` does."""


class Logged(NamedTuple):
    """A configuration that counted from the entry at `index` on."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    time: int
    content: Canonical


def history(source: Source, bodies: Bodies, tree_size: int) -> Iterator[Logged]:
    """Yield each configuration that was logged below `tree_size`, oldest first.

    Raises:
        DamagedError: one cannot be read, or is missing.
    """
    founded = _founded(source, bodies)
    if founded is not None and tree_size > 0:
        yield founded
    after, last = -1, None
    while True:
        page = source.search("predicate_type", EVENT_PREFIX + EVENT, after, SLICE, tree_size)
        for index in page:
            found, previous = _event(source, bodies, index)
            if previous != last:
                raise DamagedError(f"the configuration at {index} follows {previous}, not {last}")
            yield found
            last = index
        if len(page) < SLICE:
            return
        after = page[-1]


def newest(source: Source, bodies: Bodies) -> Logged | None:
    """Return the last configuration that was logged, if any was; raises `DamagedError`."""
    index = source.last("predicate_type", EVENT_PREFIX + EVENT)
    if index is None:
        return _founded(source, bodies)
    return _event(source, bodies, index)[0]


def _founded(source: Source, bodies: Bodies) -> Logged | None:
    first = _read(source, bodies, 0)
    content = first.content.get(FIRST)
    return None if content is None else first._replace(content=content)


def _event(source: Source, bodies: Bodies, index: int) -> tuple[Logged, int | None]:
    """Return a configuration event, and the index of the one before it."""
    found = _read(source, bodies, index)
    content = dict(found.content)
    previous = content.pop("previous", None)
    return found._replace(content=content), previous


def _read(source: Source, bodies: Bodies, index: int) -> Logged:
    rows = source.rows(index, index + 1)
    if not rows:
        raise DamagedError(f"entry {index} is missing")
    [row] = rows
    body = row.body
    if row.body_size:
        name = labels.body_name(row.entry)
        assert name is not None
        body = bodies.read(name, row.body_size)
    try:
        statement = Statement.parse(dsse.parse_pae(body or b"")[1])
    except VerificationError as e:
        raise DamagedError(f"the event at {index} cannot be read: {e.message}") from e
    return Logged(index, row.time, statement.predicate)


def same(one: Canonical, other: Canonical) -> bool:
    """Whether two configurations say the same."""
    return canonical_json(dict(one)) == canonical_json(dict(other))


class Configured:
    """The configuration in force, as the ledger has it. Runs on one event loop."""

    def __init__(self, events: Events, source: Source, bodies: Bodies) -> None:
        """Log changes by `events`; `source` is where they are found again."""
        self._events = events
        self._source = source
        self._bodies = bodies
        self.now: Canonical = {}

    async def record(self, content: Canonical) -> int | None:
        """Return once `content` is logged, and where; None when it was logged before.

        It is durable then. That witnesses and mirror have it too, what comes after waits for:
        nothing is published before all that is below it.

        Raises:
            LedgerError: it is not logged.
            DamagedError: what was logged before cannot be read.
        """
        known = await asyncio.to_thread(newest, self._source, self._bodies)
        if known is not None and same(known.content, content):
            self.now = content
            return None
        try:
            index = (await self._events.record(EVENT, content)).record.index
        except (QuorumError, MirrorBehindError):
            logged = await asyncio.to_thread(newest, self._source, self._bodies)
            if logged is None or not same(logged.content, content):
                raise
            index = logged.index
        self.now = content
        return index
