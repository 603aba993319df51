"""The sequencer: many callers, few commits, and every caller gets an answer of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.store import MAX_BATCH
from tests.ledger.making import (
    entries,
    entry,
    memory_store,
    prove_all,
)
from tests.ledger.sequencing import IN_TIME, Service, SlowStore, soon


def test_one_append(failing: Service) -> None:
    """
    One caller alone gets its answer from a commit of its own.
    """

    async def run() -> list[object]:
        return await soon(failing.sequencer.append(entries(0, 2)))

    assert [0, 1] == prove_all(asyncio.run(run()))
    assert [2] == failing.batches


def test_identical_requests(gated: Service) -> None:
    """
    A hundred requests for the same thing at once become one entry, proven a hundred times.
    """

    async def run() -> list[object]:
        futures = [gated.sequencer.append([entry(0, (b"key", b"r"))]) for _ in range(100)]
        await gated.wait_for_commit()
        gated.store.gate.set()
        return await soon(*futures)

    answers = asyncio.run(run())

    assert [0] * 100 == prove_all(answers)
    assert (1, 1) == (gated.ledger.head.tree_size, sum(gated.batches))


def test_many_share_a_commit(gated: Service) -> None:
    """
    What arrives while a commit is under way is the next commit, in the order of its arrival.
    """

    async def run() -> list[object]:
        futures = [gated.sequencer.append([entry(0)])]
        await gated.wait_for_commit()
        futures += [gated.sequencer.append([entry(i)]) for i in range(1, 301)]
        assert 300 == gated.sequencer.depth
        gated.store.gate.set()
        return await soon(*futures)

    assert list(range(301)) == prove_all(asyncio.run(run()))
    assert ([1, 300], 0) == (gated.batches, gated.sequencer.depth)


def test_many_callers() -> None:
    """
    Two thousand concurrent appends need far fewer commits, and each is answered with its own.
    """
    service = Service(SlowStore(memory_store()))
    waiting = entries(0, 2000)

    async def run() -> list[object]:
        return await soon(*(service.sequencer.append([new]) for new in waiting))

    answers = asyncio.run(run())
    service.sequencer.stop()

    prove_all(answers)
    assert [new.entry for new in waiting] == [answer.record.entry for answer in answers]
    assert 2000 == sum(service.batches)
    assert len(service.batches) <= 200


def test_groups_stay_together(gated: Service) -> None:
    """
    Entries that were handed in together land in one commit, in their order.
    """

    async def run() -> list[object]:
        futures = [gated.sequencer.append(entries(0, 1))]
        await gated.wait_for_commit()
        starts = range(1, 1201, 200)
        futures += [gated.sequencer.append(entries(i, i + 200)) for i in starts]
        gated.store.gate.set()
        return await soon(*futures)

    assert list(range(1201)) == prove_all(asyncio.run(run()))
    assert [1, 400, 400, 400] == gated.batches


def test_largest_group(failing: Service) -> None:
    """
    A group may fill a commit, and a larger or empty one is a bug of the caller.
    """

    async def run() -> list[object]:
        for wrong in ([], entries(0, MAX_BATCH + 1)):
            with pytest.raises(AssertionError):
                failing.sequencer.append(wrong)
        return await soon(failing.sequencer.append(entries(0, MAX_BATCH)))

    assert list(range(MAX_BATCH)) == prove_all(asyncio.run(run()))
    assert [MAX_BATCH] == failing.batches


def test_several_loops(gated: Service) -> None:
    """
    Callers on different event loops share a commit, and each is answered on its own loop.
    """

    async def run(i: int) -> list[object]:
        future = gated.sequencer.append([entry(i)])
        await gated.wait_for_commit()
        gated.store.gate.set()
        return await soon(future)

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(asyncio.run, run(i)) for i in range(4)]
        found = [a for answer in answers for a in answer.result(IN_TIME)]

    assert [0, 1, 2, 3] == sorted(prove_all(found))
    assert [entry(i).entry for i in range(4)] == [a.record.entry for a in found]
