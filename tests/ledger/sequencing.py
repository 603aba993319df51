"""A sequencer to test: over stores that wait, take their time, or fail."""

from __future__ import annotations

import asyncio
import time

from ledger.sequencer import Sequencer
from ledger.store import Batch
from tests.ledger.making import (
    CountingStore,
    ledger_over,
)
from verifier.errors import SealbookError

IN_TIME = 60  # seconds; what hangs must fail and not wait for ever


class SlowStore(CountingStore):
    """A store on a disk that takes its time."""

    def commit(self, batch: Batch) -> None:
        """Commit after 5 ms."""
        time.sleep(0.005)
        super().commit(batch)


class Service:
    """A sequencer over a ledger in memory, and what it was told of failures."""

    def __init__(self, store: CountingStore) -> None:
        self.store = store
        self.failures: list[SealbookError] = []
        self.ledger = ledger_over(store)
        self.sequencer = Sequencer(self.ledger, self.failures.append)

    @property
    def batches(self) -> list[int]:
        """How many entries each commit brought."""
        return [len(batch.rows) for batch in self.store.batches]

    async def wait_for_commit(self) -> None:
        """Wait until a commit is under way, held up by the gate."""
        assert await asyncio.to_thread(self.store.entered.wait, IN_TIME)


async def soon(*futures: asyncio.Future[list[object]]) -> list[object]:
    """Wait for the answers of all `futures`, in order, but not for ever."""
    answers = await asyncio.wait_for(asyncio.gather(*futures), IN_TIME)
    return [answer for group in answers for answer in group]
