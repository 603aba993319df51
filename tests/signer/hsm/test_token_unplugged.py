"""A token that is unplugged, again and again, while it signs."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import pytest

from signer.keys import CheckedKey
from signer.keys.home import DEADLINE_S
from tests.signer.asking import PATIENCE_S
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, SoftToken
from verifier.errors import SealbookError

pytestmark = NEEDS_SOFTHSM

A_SECOND = 50  # signatures
RESUMES_S = 5.0  # after the token's return


class Call(NamedTuple):
    """A signature that was asked for, when, how long that took, and what came of it."""

    began: float
    took: float
    code: str  # empty: it was made, and verifies


class Load:
    """Asks a key for signatures all the time, from several threads."""

    def __init__(self, key: CheckedKey) -> None:
        self.calls: list[Call] = []
        self._key = key
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(5)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, after: float, *, works: bool) -> float:
        """Return how long after `after` the first call began that worked, or did not."""
        while True:
            assert time.monotonic() - after < PATIENCE_S
            for call in self.calls[::-1]:
                if call.began > after and (call.code == "") == works:
                    return call.began + call.took - after
            time.sleep(0.01)

    def _ask(self) -> None:
        while not self._stop.wait(5 / A_SECOND):
            began = time.monotonic()
            code = ""
            try:
                self._key.public.verify(self._key.sign(b"message"), b"message")
            except SealbookError as e:
                code = e.code
            self.calls.append(Call(began, time.monotonic() - began, code))


def unplugged(token: SoftToken, times: int) -> None:
    """Unplug the token that often under load, and check what callers saw."""
    token.make("EC:prime256v1", "release", "01")
    with token.key("object=release") as key:
        load = Load(key)
        try:
            resumed = []
            load.until(time.monotonic(), works=True)
            for _ in range(times):
                gone = time.monotonic()
                token.vanish()
                load.until(gone, works=False)
                token.come_back()
                resumed.append(load.until(time.monotonic(), works=True))
        finally:
            load.stop()

    slowest = max(call.took for call in load.calls)
    print(f"{times} times: back after {max(resumed):.2f} s at most, calls took {slowest:.2f} s")
    assert {"", "key-unavailable"} == {call.code for call in load.calls}
    assert slowest < 10 * DEADLINE_S
    assert max(resumed) < 10 * RESUMES_S
    assert sorted(resumed)[times // 2] < RESUMES_S


def test_twenty_times(token: SoftToken) -> None:
    """
    Under 50 signatures a second a token goes and comes twenty times: each call is a signature or
    `key-unavailable`, in time, and service resumes by itself.
    """
    unplugged(token, 20)


@pytest.mark.soak
def test_two_hundred_times(token: SoftToken) -> None:
    """
    The same, two hundred times.
    """
    threads = threading.active_count()
    unplugged(token, 200)

    assert threads == threading.active_count()


def test_a_key_beside_it_goes_on(token: SoftToken) -> None:
    """
    While a key of a token that went away brings its library up again, a key in another token of
    the same library signs on, and nobody sees a failure.
    """
    token.make("EC:prime256v1", "release", "01")
    beside = SoftToken(token.directory, "beside")
    beside.make("EC:prime256v1", "release", "01")
    with token.key("object=release") as gone, beside.key("object=release") as steady:
        lost, load = Load(gone), Load(steady)
        try:
            token.vanish()
            lost.until(time.monotonic(), works=False)
            time.sleep(1.5)
            token.come_back()
            lost.until(time.monotonic(), works=True)
        finally:
            load.stop()
            lost.stop()

    assert {""} == {call.code for call in load.calls}
    assert len(load.calls) > A_SECOND / 2
