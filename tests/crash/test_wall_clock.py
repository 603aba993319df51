"""A service whose machine's clock is set under it, forward and back, while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger import labels
from ledger.opening import open_ledger
from tests.crash.caller import Caller
from tests.crash.service import Service
from verifier import dsse
from verifier.digest import Digest
from verifier.statement import EVENT_PREFIX, Statement

# Of Debian's package faketime. It leaves the time since boot alone, as everybody must.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Clock:
    """The wall clock of one service: so many seconds from that of the machine."""

    def __init__(self, service: Service, file: Path) -> None:
        self._file = file
        self.set(0)
        service.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Set it; from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}")
        fresh.rename(self._file)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A founded service, not running."""
    with Service(tmp_path / "service") as service:
        yield service


async def sign(service: Service, image: int) -> tuple[str, int]:
    """Ask for one image; return the code of the refusal, if any, and the size of the ledger."""
    code = ""
    async with Caller(service) as caller:
        try:
            await caller.sign(Digest.of(b"%d" % image))
        except grpc.aio.AioRpcError as e:
            code = str(dict(e.trailing_metadata() or ()).get("sealbook-code", e.code()))
        return code, (await caller.status()).tree_size


async def accept(service: Service, reason: str) -> int:
    """Have the clock accepted, and return where that was logged."""
    async with Caller(service) as caller:
        return await caller.accept_clock(reason)


@pytest.mark.skipif(not LIBRARIES, reason="faketime is not installed (tests/debian does)")
def test_clock_is_set(service: Service, tmp_path: Path) -> None:
    """
    A clock that leaps by more than 300 seconds, back or forward, stops the logging and nothing
    else, until it is right again or an operator accepts it, which is logged. No time in the
    ledger ever goes back.
    """
    clock = Clock(service, tmp_path / "offset")
    service.start()
    told = [asyncio.run(sign(service, 1))]
    for offset, image in ((-1000, 2), (-200, 3), (5000, 4)):
        clock.set(offset)
        told.append(asyncio.run(sign(service, image)))
    assert [("", 2), ("clock-jumped", 2), ("", 3), ("clock-jumped", 3)] == told

    assert 3 == asyncio.run(accept(service, "the battery was changed"))
    told = [asyncio.run(sign(service, 4))]
    clock.set(0)
    told.append(asyncio.run(sign(service, 5)))
    assert 5 == asyncio.run(accept(service, "it was not"))
    told.append(asyncio.run(sign(service, 5)))
    assert [("", 5), ("clock-jumped", 5), ("", 7)] == told

    # A start takes the clock as it is, and finds it far behind the last entry.
    assert 0 == service.stop()
    service.start()
    # Each stop logs the segment of the audit trail that tells of what was done before.
    assert ("clock-jumped", 8) == asyncio.run(sign(service, 6))
    clock.set(5000)
    assert 0 == service.stop()
    service.start()
    assert ("", 10) == asyncio.run(sign(service, 6))
    assert 0 == service.stop()

    with open_ledger(service.config.home, service.log_keys()) as ledger:
        rows = ledger.store.rows(0, ledger.head.tree_size)
        times = [row.time for row in rows]
        assert sorted(times) == times
        assert times[-1] == ledger.head.time
        # What the leap forward dated ahead stays ahead: the accepted clock is behind it.
        assert times[3] - times[2] >= 4900
        assert [times[4]] * 2 == times[5:7]
        accepted = [
            i for i, row in enumerate(rows) if kind(row.labels) == EVENT_PREFIX + "clock-accepted"
        ]
        assert [3, 5] == accepted
        events = [Statement.parse(dsse.parse_pae(rows[i].body or b"")[1]) for i in accepted]
        assert [None, 3] == [event.predicate["previous"] for event in events]
        assert "the battery was changed" == events[0].predicate["reason"]


def kind(row: bytes) -> str:
    """Return the type of what a row's labels are of."""
    return labels.decode(row)["predicate_type"][0]
