"""What has to be on the disk before a commit can refuse it."""

from __future__ import annotations

import asyncio

from ledger.errors import StorageBusyError
from ledger.sequencer import Sequencer
from tests.ledger.making import CountingStore, entry, ledger_over, memory_store
from tests.ledger.sequencing import soon
from verifier.errors import SealbookError


def test_before_each_commit() -> None:
    """
    It is called once for each batch, before anything of it is written. What it raises refuses all
    of that batch, which leaves nothing, and is no failure of the ledger.
    """
    store, failures = CountingStore(memory_store()), list[SealbookError]()
    ledger = ledger_over(store)
    sizes: list[int] = []
    refusing = True

    def before() -> None:
        sizes.append(len(store.batches))
        if refusing:
            raise StorageBusyError("the trail is full")

    async def run() -> tuple[list[object], list[object]]:
        nonlocal refusing
        sequencer = Sequencer(ledger, failures.append, before_commit=before)
        refused = await soon(sequencer.append([entry(1), entry(2)]))
        refusing = False
        answered = await soon(sequencer.append([entry(1)]))
        await asyncio.to_thread(sequencer.stop)
        return refused, answered

    refused, answered = asyncio.run(run())
    assert ["storage-busy", "storage-busy"] == [getattr(one, "code", "") for one in refused]
    assert [0] == [getattr(one, "record").index for one in answered]  # noqa: B009
    assert [0, 0] == sizes
    assert [] == failures
    assert 1 == ledger.head.tree_size
