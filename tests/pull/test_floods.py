"""A service that floods, drips, lies, loops or hangs, before the whole gate.

Whatever it does, the image with a good signature elsewhere runs, in time and in bounded memory;
and the one without is refused for what the service did, never as "unsigned".
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pull.hostile import SLACK, HostileRegistry, answer, bounded, told
from tests.verifier.gates import Host, Shelf, junk, said
from tests.verifier.making import IMAGE
from verifier.pull.decision import Decision
from verifier.pull.settings import ServiceSettings
from verifier.pull.sources.service import ServiceSource

PATH = f"/v1/bundles/{IMAGE}"
HEAD = b"HTTP/1.1 200 X\r\n"
IN_TIME_S = 2.0


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that believes a ledger with one approval."""
    host = Host(tmp_path)
    host.book.approve()
    host.believe()
    return host


def thousand(host: Host) -> Iterable[bytes]:
    """1,000 bundles whose signatures are bad, all newer than the good one."""
    good = host.book.bundle(0)
    return told({"bundles": [json.loads(one) for one in [good, *junk(good, 1000)]], "next": 0})


def huge(_: Host) -> Iterable[bytes]:
    """Bundles of 5 MiB each."""
    return told({"bundles": [{"a": "x" * (5 << 20), "n": n} for n in range(8)], "next": 0})


def endless(_: Host) -> Iterable[bytes]:
    """A body that never ends."""
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    return itertools.chain([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(chunk))


def dripping(_: Host) -> Iterator[bytes]:
    """A byte at a time."""
    yield HEAD + b"Content-Length: 100000\r\n\r\n"
    for _n in range(2000):
        yield b" "
        time.sleep(0.05)


def hanging(_: Host) -> Iterator[bytes]:
    """Nothing at all."""
    time.sleep(IN_TIME_S * 2)
    yield b""


def lying(_: Host) -> Iterable[bytes]:
    """A page of somebody else, who says that it is all right."""
    return answer(200, body=b"<html>signed</html>")


def nothing_of_ours(_: Host) -> Iterable[bytes]:
    """A 404 that is not our service's."""
    return answer(404, body=b"nothing here")


def looping(_: Host) -> Iterable[bytes]:
    """A page that leads to itself."""
    return told({"bundles": [], "next": 1})


WAYS: list[Callable[[Host], Iterable[bytes]]] = [
    thousand,
    huge,
    endless,
    dripping,
    hanging,
    lying,
    nothing_of_ours,
    looping,
]


def decide(host: Host, hostile: HostileRegistry, *more: Any) -> Decision:
    """Ask a gate for whom the hostile service comes first."""
    service = ServiceSource(ServiceSettings(f"http://{hostile.address}"))
    gate = host.gate(service, *more)
    began = time.monotonic()
    decision = gate.decide(host.question, IN_TIME_S)
    assert time.monotonic() - began < IN_TIME_S * SLACK
    return decision


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_the_good_one_is_found(
    host: Host, hostile: HostileRegistry, way: Callable[[Host], Iterable[bytes]]
) -> None:
    """
    What another source has is found, in time.
    """
    hostile.sends[PATH] = lambda _: way(host)

    with bounded(seconds=IN_TIME_S * SLACK, mebibytes=400):
        found = decide(host, hostile, Shelf("file", host.book.bundle(0)))

    assert (True, "") == said(found)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_never_unsigned(
    host: Host, hostile: HostileRegistry, way: Callable[[Host], Iterable[bytes]]
) -> None:
    """
    Without it the answer is no, and the reason is what the service did.
    """
    hostile.sends[PATH] = lambda _: way(host)

    found = decide(host, hostile, Shelf("file"))

    assert not found.allowed
    assert found.code not in ("unsigned", "internal-error", "")


def test_the_newest_is_looked_at_first(host: Host, hostile: HostileRegistry) -> None:
    """
    What was signed after the flood is found in spite of it, in the same source.
    """
    good = host.book.bundle(0)
    page = [json.loads(one) for one in [*junk(good, 1000), good]]
    hostile.sends[PATH] = lambda _: told({"bundles": page, "next": 0})

    assert (True, "") == said(decide(host, hostile))
