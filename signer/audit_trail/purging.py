"""Purging: content of the trail that is older than it has to be kept is taken away.

1. How old is told by the configuration, and never less than half a year.
2. Only segments that the ledger tells of lose content: what is not logged yet may be evidence.
3. It is an event of the ledger, asked for by somebody, and then a line of the trail.
4. Each file is written anew, without contents and salts. The heads stay, and so does the chain.

After a crash between 3 and 4 it is asked for again, and is another event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ledger.errors import StorageFailedError
from ledger.ledger import Ledger
from signer.audit_trail import anchoring
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import OF_ITSELF, Line
from signer.audit_trail.purge import EVENT, LEAST_KEPT_S, moment
from signer.audit_trail.trail import Trail
from signer.errors import TrailKeptError
from signer.events import Events
from verifier._strict import utc

_DAY_S = 24 * 3600


class Purged(NamedTuple):
    """How many lines lost their content, and where the ledger tells of it, if any did."""

    lines: int
    index: int | None  # type: ignore[assignment]  # tuple.index is not missed


class Purging:
    """Purges one trail, one purge after the other. Runs on one event loop."""

    def __init__(
        self, trail: Trail, ledger: Ledger, events: Events, retain_days: Callable[[], int]
    ) -> None:
        """Purge `trail`, logging in `ledger` by `events`; `retain_days` says what is kept."""
        self._trail = trail
        self._ledger = ledger
        self._events = events
        self._retain_days = retain_days
        self._turn = asyncio.Lock()

    async def purge(self, before: int = 0) -> Purged:
        """Take away the content from before the second `before`; 0 is all that may go.

        Raises:
            TrailKeptError: some of it has to be kept.
            VerificationError: a line that would be purged is not what we wrote; nothing was.
            LedgerError, TrailError: it could not be logged, and nothing was purged.
            StorageFailedError: a file could not be written anew.
        """
        async with self._turn:
            # 1.
            kept_s = max(self._retain_days() * _DAY_S, LEAST_KEPT_S)
            limit = int(self._ledger.clock.now()) - kept_s
            if before > limit:
                raise TrailKeptError(
                    f"expected a time before {utc(max(limit, 0))}, found {utc(before)}",
                    hint=f"content is kept for {kept_s // _DAY_S} days: [trail] retain_days",
                )
            before = before or max(limit, 0)
            # 2.
            found = await asyncio.to_thread(lambda: dict(self._old(before)))
            lines = sum(found.values())
            if not lines:
                return Purged(0, None)
            # 3.
            event = await self._events.record(EVENT, {"before": before, "lines": lines})
            index = event.record.index
            await asyncio.to_thread(self._trail.purged, before, lines, index)
            # 4.
            for segment in found:
                await asyncio.to_thread(self._rewrite, segment, before)
            return Purged(lines, index)

    def _old(self, before: int) -> Iterator[tuple[int, int]]:
        """Yield the segments that have old content, and how many lines."""
        newest = anchoring.logged(self._ledger)
        folder = self._trail.folder
        for segment in folder.segments():
            if newest is None or segment > newest.segment or segment >= self._trail.open_segment:
                return
            count = sum(_goes(line, before) for line in _lines(folder, segment))
            if count:
                yield segment, count

    def _rewrite(self, segment: int, before: int) -> None:
        folder = self._trail.folder
        kept = (
            line.without_content() if _goes(line, before) else line
            for line in _lines(folder, segment)
        )
        try:
            folder.replace(segment, b"".join(line.bytes() + b"\n" for line in kept))
        except OSError as e:
            raise StorageFailedError(f"{folder.file(segment)}: {e.strerror}") from e


def _lines(folder: Folder, segment: int) -> Iterator[Line]:
    for raw in folder.lines(segment):
        yield Line.parse(raw.removesuffix(b"\n"))


def _goes(line: Line, before: int) -> bool:
    head = line.head
    is_old = head.time < moment(before) and head.kind not in OF_ITSELF
    return line.content is not None and is_old
