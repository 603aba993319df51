"""Jobs for a device go in lots while it is fast, and each by itself while it is not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from signer.errors import KeyFailedError, KeyUnavailableError
from signer.keys import lots as module
from signer.keys.lots import Lots
from tests.signer.asking import PATIENCE_S, refused

SLOW_S = 0.002  # twice what is fast


class Device:
    """Four sessions; `lots` is how many times they were asked for something."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(4)
        self.lots = 0
        self.away = False

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        if self.away:
            raise KeyUnavailableError("away")
        self.lots += 1
        return self.pool.submit(job)


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.pool.shutdown()


def together(lots: Lots, *jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs at the same time, and return what each comes to, errors too."""

    async def run() -> list[Any]:
        running = asyncio.gather(*map(lots.run, jobs), return_exceptions=True)
        return await asyncio.wait_for(running, PATIENCE_S)

    return asyncio.run(run())


def fail() -> None:
    raise KeyFailedError("failed")


def slow() -> None:
    time.sleep(SLOW_S)


def test_everybody_gets_their_own(device: Device) -> None:
    """
    What a job comes to is told to who waits for it, an error as well, and to nobody else.
    """
    found = together(Lots(device), lambda: 1, fail, lambda: 3)

    assert [1, 3] == [found[0], found[2]]
    assert isinstance(found[1], KeyFailedError)


def test_one_lot(device: Device) -> None:
    """
    Jobs that come together are one lot, of 32 at most.
    """
    assert list(range(65)) == together(Lots(device), *(lambda n=n: n for n in range(65)))
    assert 3 == device.lots


def test_what_waits_is_the_next_lot(device: Device) -> None:
    """
    While a lot is under way there is no other: what comes meanwhile is the next one.
    """
    lots = Lots(device)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        free.wait(PATIENCE_S)

    async def run() -> None:
        first = asyncio.ensure_future(lots.run(hold))
        assert await asyncio.to_thread(held.wait, PATIENCE_S)
        others = [asyncio.ensure_future(lots.run(lambda: 1)) for _ in range(5)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert 1 == device.lots
        free.set()
        await asyncio.wait_for(asyncio.gather(first, *others), PATIENCE_S)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LONGEST_S", PATIENCE_S)  # nothing here is slow
        patch.setattr(module, "_FAST_S", PATIENCE_S)
        asyncio.run(run())
    assert 2 == device.lots


def test_slow_device(device: Device) -> None:
    """
    A device whose jobs take long does as many at a time as it has sessions.
    """
    lots = Lots(device)
    together(lots, slow)
    meeting = threading.Barrier(4)

    assert [0, 1, 2, 3] == sorted(together(lots, *[lambda: meeting.wait(PATIENCE_S)] * 4))


def test_device_that_turned_slow(device: Device) -> None:
    """
    A fast device that lets a lot wait for too long is a slow one at once.
    """
    lots = Lots(device)
    together(lots, lambda: 1)
    together(lots, lambda: time.sleep(2 * module._LONGEST_S))
    meeting = threading.Barrier(4)

    assert [0, 1, 2, 3] == sorted(together(lots, *[lambda: meeting.wait(PATIENCE_S / 10)] * 4))


def test_busy_process(device: Device) -> None:
    """
    A job that took long once in a while does not make a fast device a slow one.
    """
    lots = Lots(device)
    together(lots, lambda: 1)
    together(lots, slow)
    before = device.lots
    together(lots, *[lambda: 1] * 20)

    assert 1 == device.lots - before


def test_fast_again(device: Device) -> None:
    """
    A device that is fast again gets lots again.
    """
    lots = Lots(device)
    together(lots, slow)
    together(lots, lambda: 1)
    before = device.lots
    together(lots, *[lambda: 1] * 20)

    assert 1 == device.lots - before


def test_stuck_session(device: Device) -> None:
    """
    Nobody waits behind a session that is stuck: the others do what waits.
    """
    lots = Lots(device)
    free = threading.Event()

    async def run() -> None:
        stuck = asyncio.ensure_future(lots.run(lambda: free.wait(PATIENCE_S)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.ensure_future(lots.run(lambda n=n: n)) for n in range(5)]
        assert [0, 1, 2, 3, 4] == await asyncio.wait_for(asyncio.gather(*others), PATIENCE_S)
        assert not stuck.done()
        free.set()
        assert await stuck

    asyncio.run(run())


def test_lot_that_lasts_too_long(device: Device) -> None:
    """
    The rest of a lot that turns out to be slow is done by all sessions.
    """
    meeting = threading.Barrier(4)
    jobs = [lambda: time.sleep(2 * module._LONGEST_S), *[lambda: meeting.wait(PATIENCE_S)] * 4]

    assert [0, 1, 2, 3] == sorted(together(Lots(device), *jobs)[1:])


def test_device_that_is_away(device: Device) -> None:
    """
    While a device is away everybody hears it at once, and later nobody does.
    """
    lots = Lots(device)
    device.away = True
    found = together(lots, *[lambda: 1] * 40)
    assert 40 == sum(isinstance(one, KeyUnavailableError) for one in found)
    refused("key-unavailable", lambda: asyncio.run(lots.run(lambda: 1)))

    device.away = False
    assert [1] == together(lots, lambda: 1)


def test_who_does_not_wait_any_more(device: Device) -> None:
    """
    A caller that went away takes nothing from the others of its lot.
    """
    lots = Lots(device)

    async def run() -> int:
        gone = asyncio.ensure_future(lots.run(lambda: 1))
        stays = asyncio.ensure_future(lots.run(lambda: 2))
        await asyncio.sleep(0)
        gone.cancel()
        return await asyncio.wait_for(stays, PATIENCE_S)

    assert 2 == asyncio.run(run())
