"""How many calls are taken: a bucket of tokens for each principal, and one for all of them.

A bucket holds a burst, and is filled at a steady rate; a call takes one token. Whoever is not
known has a bucket by address, an IPv6 network of 64 bits being one, and all of these together a
quarter of the whole: strangers cannot take what belongs to those who are known.

There are so many buckets and no more. When one more is wanted, the one that was used longest
ago goes, and whoever had it starts with a full one: what holds then is the bound for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from signer.config.access import RateSection
from signer.errors import RateError

_MOST_BUCKETS = 4096
_STRANGERS = 4  # they get one part of so many
_GROUPS = 4  # of an IPv6 address, which are its network


class _Bucket:
    """So many calls a second, and so many at once."""

    __slots__ = ("at", "burst", "held", "per_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self.per_s, self.burst, self.held, self.at = per_s, burst, burst, now

    def take(self, now: float) -> bool:
        held = self.held + (now - self.at) * self.per_s
        self.at = now
        self.held = min(held, self.burst)
        if self.held < 1:
            return False
        self.held -= 1
        return True


class _Buckets:
    """A bucket for each name, up to a bound, and one for all of them."""

    def __init__(self, each: tuple[float, float], whole: tuple[float, float], now: float) -> None:
        self._each = each
        self._whole = _Bucket(*whole, now)
        self._named: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._named)

    def take(self, name: str, now: float) -> str:
        """Take a token of `name`; return who has none left, or nothing."""
        named = self._named
        bucket = named.pop(name, None)
        if bucket is None:
            bucket = _Bucket(*self._each, now)
            if len(named) >= _MOST_BUCKETS:
                del named[next(iter(named))]
        named[name] = bucket  # the last one now: the first is the one used longest ago
        if not bucket.take(now):
            return "the caller"
        return "" if self._whole.take(now) else "all callers together"


class Rates:
    """Token buckets in memory that does not grow. For one event loop."""

    def __init__(self, limits: RateSection, clock: Callable[[], float] = time.monotonic) -> None:
        """Take as many calls as `limits` say."""
        self._clock = clock
        self.set(limits)

    def set(self, limits: RateSection) -> None:
        """Take as many as `limits` say from now on; all buckets are full then."""
        each = limits.each_per_s, float(limits.each_burst)
        now = self._clock()
        self._known = _Buckets(each, (limits.all_per_s, float(limits.all_burst)), now)
        whole = limits.all_per_s / _STRANGERS, max(1.0, limits.all_burst / _STRANGERS)
        self._strangers = _Buckets(each, whole, now)

    def take(self, name: str) -> None:
        """Count one call of the principal `name`; raises `RateError` when it is one too many."""
        _refuse(self._known.take(name, self._clock()))

    def take_of_stranger(self, address: str) -> None:
        """Count one call of whoever is at `address`; raises `RateError` when it is too many."""
        network = address
        if ":" in address:
            network = _network(address)
        _refuse(self._strangers.take(network, self._clock()))

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return len(self._known) + len(self._strangers)


def _network(address: str) -> str:
    """Return the first 64 bits of an IPv6 address in its canonical spelling, as text."""
    head, gap, tail = address.partition("::")
    groups = head.split(":") if head else []
    if gap:
        behind = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(behind)) + behind
    return ":".join(groups[:_GROUPS])


def _refuse(who: str) -> None:
    if who:
        raise RateError(f"{who} made too many calls")
