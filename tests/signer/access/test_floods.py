"""Floods (F10 to F12): whoever is known is still answered, and the service hardly grows.

Each flood comes from a process of its own, while a client signs. How much slower that gets is
printed, and asserted with much slack: the machine that tests run on has other things to do. The
long version has less.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from tests.signer.asking import PATIENCE_S, SIGN, eventually, order
from tests.signer.flooding import KINDS
from tests.signer.running import Process, serving
from tests.signer.world import found_in

ROOT = Path(__file__).parents[3]
TIMES = 5  # how much slower a client may get
MOST_GROWTH = 100 << 20
CALLS = 40


class Size(NamedTuple):
    """For how long, and how much slack there is."""

    calls: int
    slack: int


SHORT, LONG = Size(CALLS, 10), Size(20_000, 4)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service in a process of its own, as warm as it gets."""
    with serving(found_in(tmp_path_factory.mktemp("floods") / "service")) as service:
        with client(service) as call:
            for _ in range(3):
                signing(call, CALLS)
        yield service


class Client:
    """Signs, on one connection."""

    def __init__(self, channel: grpc.Channel, service: Process) -> None:
        self._sign = channel.unary_unary(SIGN)
        self._metadata = service.metadata
        self._next = iter(range(time.monotonic_ns(), sys.maxsize))

    def __call__(self) -> float:
        """Sign another image, and return how many seconds it took."""
        request = order(next(self._next)).SerializeToString()
        started = time.monotonic()
        self._sign(request, metadata=self._metadata, timeout=PATIENCE_S)
        return time.monotonic() - started


@contextmanager
def client(service: Process) -> Iterator[Client]:
    """Give a client with a connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(service.addresses.grpc, own) as channel:
        yield Client(channel, service)


def signing(call: Client, calls: int) -> float:
    """Sign so many images one after the other, and return the p99 in seconds."""
    return sorted(call() for _ in range(calls))[calls * 99 // 100 - 1]


def size_of(service: Process) -> int:
    """Return how many bytes of memory a service has."""
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) << 10


@contextmanager
def flood(kind: str, address: str) -> Iterator[None]:
    """Flood an address."""
    command = [sys.executable, "-m", "tests.signer.flooding", kind, address]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as flooding:
        try:
            assert flooding.stdout is not None
            assert "flooding\n" == flooding.stdout.readline()
            yield
            assert flooding.poll() is None
        finally:
            flooding.kill()


@pytest.mark.parametrize(
    "size",
    [SHORT, pytest.param(LONG, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
    ids=["short", "long"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_flood(service: Process, kind: str, size: Size) -> None:
    """
    Whoever signs meanwhile is answered within five times the time, whoever comes anew is let in,
    it is as before within 5 s, and the service grows by 100 MB at most.
    """
    address = service.addresses.http if kind.endswith("http") else service.addresses.grpc
    with client(service) as call:
        usual, before = signing(call, CALLS), size_of(service)
        with flood(kind, address):
            during = signing(call, size.calls)
            grown = size_of(service) - before
            with client(service) as another:
                another()
        ended = time.monotonic()
        eventually(lambda: signing(call, CALLS) <= TIMES * usual)
        recovered = time.monotonic() - ended
    print(
        f"\n{kind}: p99 {1e3 * usual:.1f} ms, {1e3 * during:.1f} ms while flooded, "
        f"as before after {recovered:.1f} s, {grown / 1e6:+.1f} MB"
    )

    assert during <= TIMES * size.slack * max(usual, 0.005)
    assert recovered <= 5 * size.slack
    assert grown <= MOST_GROWTH
