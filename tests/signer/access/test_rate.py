"""How many calls are taken: by each, by strangers, by all; in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.access.rate import _MOST_BUCKETS, Rates
from signer.config.access import RateSection
from tests.signer.access.known import FROM_ELSEWHERE, bearer, behind_a_proxy, known
from tests.signer.asking import SIGN, order, refused
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

GOOD = order(1).SerializeToString()


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def rates(clock: Clock, **more: float) -> Rates:
    """Return rates of 10 a second each, with bursts of 5, and 40 for all, with bursts of 20."""
    limits = {"each_per_s": 10, "each_burst": 5, "all_per_s": 40, "all_burst": 20, **more}
    return Rates(RateSection.model_validate(limits), clock)


def taken(take: Callable[[str], None], *names: str) -> int:
    """Return how many calls are taken before one is refused."""
    for n, name in enumerate(names):
        try:
            take(name)
        except Exception:  # noqa: BLE001  which one, others say
            return n
    return len(names)


def test_burst_and_rate() -> None:
    """
    So many at once, then so many a second, and no more however long one waited.
    """
    clock = Clock()
    take = rates(clock).take

    assert 5 == taken(take, *["a"] * 9)
    refused("too-many-calls", lambda: take("a"))
    clock.now += 0.25
    assert 2 == taken(take, *["a"] * 9)
    clock.now += 3600
    assert 5 == taken(take, *["a"] * 9)
    assert 5 == taken(take, *["b"] * 9)


def test_all() -> None:
    """
    Many principals together have no more than the bound for all, strangers a quarter of it; and
    neither takes what is the other's.
    """
    one = rates(Clock())

    assert 5 == taken(one.take_of_stranger, *(f"192.0.2.{n}" for n in range(30)))
    assert 20 == taken(one.take, *(f"p{n}" for n in range(30)))
    refused("too-many-calls", lambda: one.take_of_stranger("192.0.2.99"))


@pytest.mark.parametrize(
    "addresses",
    [
        ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1", "2001:db8::a:b:c:d", "2001:db8::"],
        ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1:2::9", "2001:db8:1:2:a:b:c:d"],
        ["::1", "::2", "::ffff", "::1:2:3:4"],
    ],
)
def test_networks(addresses: list[str]) -> None:
    """
    All of an IPv6 network of 64 bits is one stranger.
    """
    one = rates(Clock(), each_burst=1)
    one.take_of_stranger(addresses[0])

    for address in addresses[1:]:
        refused("too-many-calls", lambda a=address: one.take_of_stranger(a))  # type: ignore[misc]
    one.take_of_stranger("2001:db9::1")


def test_memory() -> None:
    """
    A hundred thousand names take no more memory than a few thousand, and who called last is
    remembered.
    """
    clock = Clock()
    one = rates(clock, all_per_s=1e6, all_burst=10**6)
    take, regular = one.take, 0
    tracemalloc.start()
    try:
        for n in range(_MOST_BUCKETS):
            take(f"principal {n}")
        before = tracemalloc.get_traced_memory()[0]
        for n in range(100_000):
            take(f"another {n}")
            if n % 1000 == 0:
                regular += taken(take, "regular")
                clock.now += 0.01
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert _MOST_BUCKETS == one.buckets
    assert after < before * 1.5
    assert 5 < regular < 5 + 10 * 1.01


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("abc")), max_size=60))
def test_never_more(calls: list[tuple[float, str]]) -> None:
    """
    In no stretch of time are more taken than a burst and what the rate adds.
    """
    clock = Clock()
    one = rates(clock)
    times: dict[str, list[float]] = {"a": [], "b": [], "c": []}
    for wait, name in calls:
        clock.now += wait / 10
        if taken(one.take, name):
            times[name].append(clock.now)
    for got in times.values():
        for i, begin in enumerate(got):
            for n, end in enumerate(got[i:], 1):
                assert n <= 5 + 10 * (end - begin) + 1e-6


def slow(directory: Path) -> World:
    """Found a service that takes few calls."""
    world = behind_a_proxy(found_in(directory))
    with world.config.open("a") as file:
        file.write("\n[access.rate]\neach_per_s = 0.001\neach_burst = 3\n")
    return world


def test_calls(tmp_path: Path) -> None:
    """
    One caller too fast is told so, and when to come again, over both protocols; others are
    answered, and so is whoever may call more from the same address.
    """

    def say(service: InProcess, who: list[tuple[str, str]], n: int) -> list[str]:
        return [service.raw(GOOD, SIGN, who).code for _ in range(n)]

    with running(slow(tmp_path / "service"), known) as service:
        url = f"http://{service.addresses.http}"
        one, another = bearer("developer", name="one"), bearer("developer", name="another")
        assert ["", "", "", "too-many-calls"] == say(service, one, 4)
        limited = service.raw(GOOD, SIGN, one)
        assert "RESOURCE_EXHAUSTED" == limited.status
        assert "1000" == dict(limited.metadata)["grpc-retry-pushback-ms"]
        over_http = httpx.post(url + "/v1/sign", json={}, headers=dict(one))
        assert (429, "1") == (over_http.status_code, over_http.headers["retry-after"])
        assert ["", ""] == say(service, another, 2)
        wrong = [("authorization", "Bearer wrong"), FROM_ELSEWHERE]
        assert [*["unauthenticated"] * 3, "too-many-calls"] == say(service, wrong, 4)
        assert [""] == say(service, [*another, FROM_ELSEWHERE], 1)
        assert 429 == httpx.get(url + "/healthz", headers=dict([FROM_ELSEWHERE])).status_code
        gone = [("x-forwarded-for", "198.51.100.7")]
        unknown = [service.raw(b"", "/x/y", gone).code for _ in range(4)]
        assert [*["unknown-method"] * 3, "too-many-calls"] == unknown
        stray = httpx.get(url + "/nothing", headers=dict(gone))
        assert 429 == stray.status_code
