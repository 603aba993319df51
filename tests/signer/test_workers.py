"""Threads of a device's own: whoever asks hears something in time, and a device is not stormed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from signer.errors import KeyObjectError, KeyUnavailableError, PinError
from signer.keys.home import DEADLINE_S
from signer.keys.workers import Workers
from tests.signer.asking import PATIENCE_S, eventually, refused


class Device:
    """Something with sessions that can be taken away, or fall silent."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.attempts: list[float] = []
        self.open: set[int] = set()
        self.talking = threading.Event()
        self.talking.set()
        self._opened = 0

    def connect(self) -> int:
        """Open a session, and return its number."""
        self.attempts.append(time.monotonic())
        if self.refusal is not None:
            raise self.refusal
        self._opened += 1
        self.open.add(self._opened)
        return self._opened

    def disconnect(self, session: int) -> None:
        """Close a session; a device that is away cannot even do that."""
        self.open.remove(session)
        if self.refusal is not None:
            raise self.refusal

    def sign(self, session: int) -> int:
        """Return the session's number, or fail, or say nothing for as long as it pleases."""
        self.talking.wait(PATIENCE_S)
        if self.refusal is not None:
            raise self.refusal
        return session

    def vanish(self) -> None:
        """Go away."""
        self.refusal = KeyUnavailableError("gone")


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def workers(device: Device) -> Iterator[Workers[int]]:
    """Two threads on the device."""
    workers = Workers("the device", device.connect, device.disconnect, 2)
    eventually(lambda: len(device.open) == 2)
    yield workers
    device.talking.set()
    workers.close()


def lose(device: Device, workers: Workers[int]) -> None:
    """Take the device away, and let every thread find out."""
    device.vanish()
    while workers.available:
        refused("key-unavailable", lambda: workers.call(device.sign))


def test_each_thread_has_its_own_session(device: Device, workers: Workers[int]) -> None:
    """
    Two jobs run at once, each in a session of its own.
    """
    together = threading.Barrier(2, timeout=PATIENCE_S)

    def job() -> int:
        together.wait()
        return workers.call(device.sign)

    found = [workers.submit(job), workers.submit(job)]

    assert device.open == {future.result() for future in found}


def test_in_a_thread_a_call_goes_nowhere_else(device: Device, workers: Workers[int]) -> None:
    """
    What a job asks for is done in its own thread and session, even if all threads are busy.
    """

    def job() -> tuple[str, int, int, str]:
        first, second = workers.call(device.sign), workers.call(device.sign)
        return (
            threading.current_thread().name,
            first,
            second,
            workers.call(lambda _: threading.current_thread().name),
        )

    for outer, first, second, inner in [workers.submit(job).result() for _ in range(8)]:
        assert (outer, first) == (inner, second)


def test_a_refusal_of_a_job_is_its_callers(device: Device, workers: Workers[int]) -> None:
    """
    What a job raises reaches who asked, and the session stays.
    """
    before = set(device.open)

    def job(_: int) -> int:
        raise ZeroDivisionError

    for _ in range(4):
        with pytest.raises(ZeroDivisionError):
            workers.call(job)

    assert before == device.open


def test_a_device_that_cannot_be_opened_is_refused(device: Device) -> None:
    """
    Opening raises what the device said, after one attempt, and leaves no thread behind.
    """
    device.refusal = KeyObjectError("there are two")
    threads = threading.active_count()

    refused("key-object", lambda: Workers("it", device.connect, device.disconnect, 4))

    assert (1, threads) == (len(device.attempts), threading.active_count())


def test_away_fails_at_once_and_asks_nothing(device: Device, workers: Workers[int]) -> None:
    """
    While the device is away calls fail without asking it, and it is looked for ever more rarely.
    """
    lose(device, workers)
    attempts = len(device.attempts)
    for _ in range(1000):
        refused("key-unavailable", lambda: workers.call(device.sign))
    assert len(device.attempts) - attempts <= 10

    eventually(lambda: len(device.attempts) >= attempts + 6)
    half = len(device.attempts) // 2
    gaps = [b - a for a, b in zip(device.attempts, device.attempts[2:], strict=False)]
    assert max(gaps[half:]) > 0.3


def test_back_by_itself(device: Device, workers: Workers[int]) -> None:
    """
    A device that comes back serves again on all threads, within five seconds.
    """
    lose(device, workers)
    time.sleep(0.5)
    device.refusal = None
    returned = time.monotonic()

    eventually(lambda: workers.available)

    assert time.monotonic() - returned < 5  # a pause of at most two, and some slack
    eventually(lambda: len(device.open) == 2)
    assert workers.call(device.sign) in device.open


def test_who_waits_when_the_last_session_goes_hears_of_it(
    device: Device, workers: Workers[int]
) -> None:
    """
    Jobs that wait when the last thread loses its session fail then, and do not wait on.
    """
    device.talking.clear()
    waiting = [workers.submit(lambda: workers.call(device.sign)) for _ in range(50)]
    began = time.monotonic()
    device.vanish()
    device.talking.set()

    for future in waiting:
        refused("key-unavailable", future.result)

    assert time.monotonic() - began < 10 * DEADLINE_S


def test_silence_ends_in_time(device: Device, workers: Workers[int]) -> None:
    """
    A silent device costs each caller less than the deadline, and nothing once all are stuck.
    """
    device.talking.clear()
    began = time.monotonic()
    waiting = [workers.submit(lambda: workers.call(device.sign)) for _ in range(50)]
    for future in waiting:
        refused("key-unavailable", future.result)
    took = time.monotonic() - began

    assert took < 10 * DEADLINE_S
    assert not workers.available
    for _ in range(1000):
        refused("key-unavailable", lambda: workers.call(device.sign))
    assert time.monotonic() - began - took < 10 * DEADLINE_S


def test_one_stuck_thread_stops_nobody(device: Device, workers: Workers[int]) -> None:
    """
    While one thread is stuck the others serve, and it serves again when it is let go.
    """
    let_go = threading.Event()
    stuck = workers.submit(lambda: let_go.wait(PATIENCE_S))
    served = {workers.call(device.sign) for _ in range(100)}
    refused("key-unavailable", stuck.result)

    assert 1 == len(served)
    assert served == {workers.call(device.sign) for _ in range(100)}
    let_go.set()
    both: set[int] = set()
    eventually(lambda: both.add(workers.call(device.sign)) or both == device.open)


def test_a_late_result_is_dropped(device: Device, workers: Workers[int]) -> None:
    """
    What comes after the deadline goes to nobody, and what waited that long is never begun.
    """
    device.talking.clear()
    begun: list[int] = []
    waiting: list[Future[int]] = [
        workers.submit(lambda: workers.call(device.sign)) for _ in range(2)
    ]
    waiting += [workers.submit(lambda: begun.append(1) or 0) for _ in range(20)]
    for future in waiting:
        refused("key-unavailable", future.result)
    device.talking.set()
    eventually(lambda: workers.available)
    workers.call(device.sign)

    assert [] == begun
    assert all(isinstance(future.exception(), KeyUnavailableError) for future in waiting)


def test_what_nobody_waits_for_is_not_begun(device: Device, workers: Workers[int]) -> None:
    """
    A job whose caller gave up before a thread took it is left out.
    """
    device.talking.clear()
    busy = [workers.submit(lambda: workers.call(device.sign)) for _ in range(2)]
    begun: list[int] = []
    given_up = [workers.submit(lambda: begun.append(1)) for _ in range(5)]
    assert all(future.cancel() for future in given_up)
    device.talking.set()
    for future in busy:
        future.result()
    workers.call(device.sign)  # behind all of them

    assert [] == begun


def test_a_wrong_pin_is_tried_once(device: Device, workers: Workers[int]) -> None:
    """
    When the PIN is refused at reopening no thread tries it again, and calls say so.
    """
    lose(device, workers)
    device.refusal = PinError("the PIN is wrong")
    eventually(lambda: _refusal(device, workers) == "key-pin")
    attempts = len(device.attempts)
    device.refusal = None  # whoever tries now succeeds
    time.sleep(1.2)

    assert attempts == len(device.attempts)
    refused("key-pin", lambda: workers.call(device.sign))


def test_another_object_is_looked_at_again(device: Device, workers: Workers[int]) -> None:
    """
    A key that is not there when the device is back is refused, until it is there.
    """
    lose(device, workers)
    device.refusal = KeyObjectError("another key")
    eventually(lambda: _refusal(device, workers) == "key-object")
    device.refusal = None

    eventually(lambda: workers.available)


def test_a_device_that_fails_in_every_call_is_not_stormed(
    device: Device, workers: Workers[int]
) -> None:
    """
    Sessions that open well and fail in their first call are opened ever more rarely.
    """

    def fail(_: int) -> None:
        raise KeyUnavailableError("general error")

    before = len(device.attempts)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        refused("key-unavailable", lambda: workers.call(fail))
    # Each thread at once, after 0.2 s, 0.4 s and 0.8 s.
    assert 2 <= len(device.attempts) - before <= 12


def test_closed_is_closed(device: Device) -> None:
    """
    Closing gives every session back, ends every thread, and refuses from then on.
    """
    threads = threading.active_count()
    workers = Workers("the device", device.connect, device.disconnect, 3)
    eventually(lambda: len(device.open) == 3)

    workers.close()

    assert (set(), threads) == (device.open, threading.active_count())
    assert "closed" in refused("key-unavailable", lambda: workers.call(device.sign)).message


def _refusal(device: Device, workers: Workers[int]) -> str:
    try:
        workers.call(device.sign)
    except (KeyUnavailableError, KeyObjectError, PinError) as e:
        return e.code
    return ""
