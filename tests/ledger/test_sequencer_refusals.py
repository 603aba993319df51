"""The sequencer when something goes wrong: nobody waits for ever, nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from ledger.answer import Appended
from ledger.clock import LedgerClock
from ledger.errors import QueueFullError, StoppingError
from tests.ledger.making import (
    entries,
    entry,
    prove_all,
)
from tests.ledger.sequencing import IN_TIME, Service, soon


def test_refusal_of_one_entry(failing: Service) -> None:
    """
    An idempotency key used twice is refused to the one who did, beside the others' answers.
    """

    async def run() -> list[object]:
        return await soon(
            failing.sequencer.append([entry(0, (b"key", b"one"))]),
            failing.sequencer.append([entry(1, (b"key", b"other")), entry(2)]),
        )

    first, refusal, last = asyncio.run(run())

    assert ([0, 1], "idempotency-conflict") == (prove_all([first, last]), refusal.code)
    assert [] == failing.failures


def test_cancelled_waiter(gated: Service) -> None:
    """
    A caller that goes away takes nothing back: its entry lands, and so do the others'.
    """

    async def run() -> list[object]:
        futures = [gated.sequencer.append([entry(i)]) for i in range(3)]
        await gated.wait_for_commit()
        futures += [gated.sequencer.append([entry(i)]) for i in range(3, 6)]
        for gone in (0, 4):
            assert futures[gone].cancel()
        gated.store.gate.set()
        left = [future for i, future in enumerate(futures) if i not in (0, 4)]
        return await soon(*left)

    assert [1, 2, 3, 5] == prove_all(asyncio.run(run()))
    assert [0, 4] == [gated.ledger.store.find(entry(i).dedup) for i in (0, 4)]


def test_loop_that_ended(gated: Service) -> None:
    """
    A caller whose whole event loop is gone takes nothing back, and the next one is answered.
    """

    async def leave() -> None:
        gated.sequencer.append([entry(0)])
        await gated.wait_for_commit()

    async def run() -> list[object]:
        return await soon(gated.sequencer.append([entry(1)]))

    asyncio.run(leave())
    gated.store.gate.set()

    assert [1] == prove_all(asyncio.run(run()))
    assert 2 == gated.ledger.head.tree_size


def test_full_queue(gated: Service) -> None:
    """
    A full queue refuses the next append and loses nothing of what waits.
    """
    room = 8192

    async def run() -> tuple[list[object], list[object]]:
        futures = [gated.sequencer.append([entry(0)])]
        await gated.wait_for_commit()
        starts = range(1, room, 512)
        futures += [gated.sequencer.append(entries(i, i + 512)) for i in starts]
        assert room == gated.sequencer.depth
        with pytest.raises(QueueFullError) as caught:
            gated.sequencer.append([entry(room + 1)])
        assert "queue-full" == caught.value.code
        gated.store.gate.set()
        return await soon(*futures), await soon(gated.sequencer.append([entry(room + 1)]))

    answers, later = asyncio.run(run())

    assert list(range(room + 1)) == [a.record.index for a in answers if isinstance(a, Appended)]
    assert [room + 1] == prove_all(later)
    assert gated.ledger.head.tree_size == room + 2


def test_stop(gated: Service) -> None:
    """
    Stopping commits and answers what waits, refuses what comes, and ends the thread.
    """

    async def run() -> list[object]:
        futures = [gated.sequencer.append([entry(0)])]
        await gated.wait_for_commit()
        futures += [gated.sequencer.append([entry(i)]) for i in range(1, 700)]
        stopped = asyncio.create_task(asyncio.to_thread(gated.sequencer.stop))
        while not gated.sequencer._stopping:  # noqa: ASYNC110  a thread sets it
            await asyncio.sleep(0.001)
        with pytest.raises(StoppingError) as caught:
            gated.sequencer.append([entry(999)])
        assert "stopping" == caught.value.code
        gated.store.gate.set()
        await asyncio.wait_for(stopped, IN_TIME)
        return await soon(*futures)

    assert list(range(700)) == prove_all(asyncio.run(run()))
    assert not gated.sequencer._thread.is_alive()
    assert 700 == gated.ledger.head.tree_size


def test_storage_failure(failing: Service) -> None:
    """
    When the storage fails every waiter is told, and the service is told once.
    """
    failing.store.broken = True

    async def run() -> list[object]:
        return await soon(*(failing.sequencer.append([entry(i)]) for i in range(1200)))

    answers = asyncio.run(run())

    assert ["storage-failed"] * 1200 == [answer.code for answer in answers]
    assert ["storage-failed"] == [failure.code for failure in failing.failures]


def test_bug_in_the_ledger(failing: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A bug in an append answers its callers with a failure, and stops the service.
    """
    monkeypatch.setattr(failing.ledger, "commit", lambda *_, **__: 1 // 0)

    async def run() -> list[object]:
        return await soon(failing.sequencer.append(entries(0, 2)))

    answers = asyncio.run(run())

    assert ["storage-failed"] * 2 == [answer.code for answer in answers]
    assert "ZeroDivisionError" in answers[0].message
    assert ["storage-failed"] == [failure.code for failure in failing.failures]


def test_passing_refusal(failing: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A refusal that passes, as of a clock that jumped, is answered and stops nothing.
    """

    async def run() -> tuple[list[object], list[object]]:
        with monkeypatch.context() as patch:
            patch.setattr(failing.ledger, "_clock", LedgerClock(lambda: 0, lambda: 0))
            await soon(failing.sequencer.append([entry(0)]))
            patch.setattr(failing.ledger, "_clock", LedgerClock(lambda: 1000, lambda: 1000))
            await soon(failing.sequencer.append([entry(1)]))
            patch.setattr(failing.ledger, "_clock", LedgerClock(lambda: 0, lambda: 0))
            refused = await soon(failing.sequencer.append(entries(2, 4)))
        return refused, await soon(failing.sequencer.append(entries(2, 4)))

    refusals, answers = asyncio.run(run())

    assert ["clock-jumped"] * 2 == [refusal.code for refusal in refusals]
    assert ([2, 3], []) == (prove_all(answers), failing.failures)
