"""Bad times: rows T1 to T7.

A position in the ledger is the only time of a signature that this verifier believes. Clocks
decide whether a trust or status file still counts, and marks how old a position is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.verifier.catalogue.case import Case
from tests.verifier.making import EXPIRES, ISSUED, NOW, World
from tests.verifier.old_log import Foreign
from tests.verifier.pinned import DOCUMENT, parse
from tests.verifier.statuses import DAY, Ledger
from verifier.trust.status import StatusPayload

# What a time may not be, in whichever file: one spelling, in UTC, to the second.
SPELLINGS = {
    "nothing": "",
    "date": "2026-11-23",
    "naive": "2026-11-23T21:06:41",
    "zone": "2026-11-23T21:06:41+00:00",
    "other zone": "2026-11-23T21:06:41-01:00",
    "lower case": "2026-11-23t21:06:41z",
    "space": "2026-11-23 21:06:41Z",
    "space at the end": "2026-11-23T21:06:41Z ",
    "newline at the end": "2026-11-23T21:06:41Z\n",
    "fraction": "2026-11-23T21:06:41.000Z",
    "comma": "2026-11-23T21:06:41,5Z",
    "no seconds": "2026-11-23T21:06Z",
    "basic form": "20261123T210641Z",
    "week date": "2026-W48-1T21:06:41Z",
    "ordinal date": "2026-327T21:06:41Z",
    "short month": "2026-1-23T21:06:41Z",
    "leap second": "2026-12-31T23:59:60Z",
    "24 o'clock": "2026-11-23T24:00:00Z",
    "minute 60": "2026-11-23T21:60:41Z",
    "day 0": "2026-11-00T21:06:41Z",
    "month 13": "2026-13-01T21:06:41Z",
    "February 29": "2026-02-29T00:00:00Z",
    "February 29, 2100": "2100-02-29T00:00:00Z",
    "April 31": "2026-04-31T00:00:00Z",
    "year 0": "0000-01-01T00:00:00Z",
    "year 10000": "10000-01-01T00:00:00Z",
    "signed year": "+2026-11-23T21:06:41Z",
    "Arabic digits": "\u0662\u0660\u0662\u0666-11-23T21:06:41Z",
    "full-width digits": "\uff12026-11-23T21:06:41Z",
    "seconds": "1764115200",
    "a word": "now",
}


def trusted(row: str, name: str, code: str, **fields: Any) -> Case:
    """Read the good trust file with other values in these fields."""
    return Case(row, f"trust file: {name}", partial(parse, DOCUMENT | fields), code)


STATUS = json.loads(Ledger().payload().json())


def status(row: str, name: str, code: str, **fields: Any) -> Case:
    """Read the payload of a good status file with other values in these fields."""
    data = json.dumps(STATUS | fields).encode()
    return Case(row, f"status file: {name}", partial(StatusPayload.read, data), code)


def _spellings() -> Iterator[Case]:
    """T4: what is no time, or no day, in any calendar of ours."""
    for name, text in SPELLINGS.items():
        yield trusted("T4", name, "malformed", issued=text)
        yield status("T4", name, "malformed", marks=[[0, text]])
    for name, value in {"null": None, "number": 1764115200, "true": True}.items():
        yield trusted("T4", name, "malformed", expires=value)
        yield status("T4", name, "malformed", marks=[[0, value]])
    yield trusted("T4", "before 1970", "yes", issued="1969-12-31T23:59:59Z")
    yield trusted("T4", "year 1", "yes", issued="0001-01-01T00:00:00Z")
    yield trusted("T4", "after 2106", "yes", expires="2106-02-07T06:28:16Z")
    yield trusted("T4", "year 9999", "yes", expires="9999-12-31T23:59:59Z")
    yield trusted("T4", "February 29, 2028", "yes", expires="2028-02-29T00:00:00Z")


FILES = (
    trusted("T1", "expires when it is issued", "malformed", expires=DOCUMENT["issued"]),
    trusted("T1", "expires before", "malformed", expires="2000-01-01T00:00:00Z"),
    trusted("T3", "without a date", "malformed", issued=""),
    status("T1", "next update when it is issued", "malformed", next_update=STATUS["issued"]),
    status("T1", "next update before", "malformed", next_update="2000-01-01T00:00:00Z"),
    status("T3", "no marks", "yes", marks=[]),
    status("T3", "a mark without a time", "malformed", marks=[[3]]),
    status("T3", "a mark without a size", "malformed", marks=[["2025-06-01T00:00:00Z"]]),
    status("T7", "marks that go on", "yes", marks=[
        [3, "2025-06-01T00:00:00Z"], [3, "2025-06-02T00:00:00Z"], [7, "2025-06-03T00:00:00Z"]]),
    status("T7", "a time twice", "malformed", marks=[
        [3, "2025-06-01T00:00:00Z"], [7, "2025-06-01T00:00:00Z"]]),
    status("T7", "times that go back", "malformed", marks=[
        [3, "2025-06-02T00:00:00Z"], [7, "2025-06-01T00:00:00Z"]]),
    status("T7", "sizes that go back", "malformed", marks=[
        [7, "2025-06-01T00:00:00Z"], [3, "2025-06-02T00:00:00Z"]]),
    status("T7", "a mark of tomorrow", "malformed", marks=[[3, "2026-01-01T00:00:00Z"]]),
    status("T7", "size -1", "bad-integer", marks=[[-1, "2025-06-01T00:00:00Z"]]),
    status("T7", "size 2**63", "bad-integer", marks=[[2**63, "2025-06-01T00:00:00Z"]]),
    status("T7", "size true", "malformed", marks=[[True, "2025-06-01T00:00:00Z"]]),
    status("T7", "size 3.0", "malformed", marks=[[3.0, "2025-06-01T00:00:00Z"]]),
    status("T7", "2,049 marks", "over-limit", marks=[[3, "2025-06-01T00:00:00Z"]] * 2049),
)  # fmt: skip


def clock(row: str, name: str, now: float, code: str) -> Case:
    """Ask about the good bundle at a time of day; the trust file is good for years."""
    world = World(now=now)
    judge = partial(world.verifier.verify, world.bundle.json(), world.digest, world.repository)
    return Case(row, name, judge, code)


CLOCKS = (
    clock("T1", "when it is issued", ISSUED, "yes"),
    clock("T1", "a second before it expires", EXPIRES - 1, "yes"),
    clock("T1", "a millisecond before it expires", EXPIRES - 0.001, "yes"),
    clock("T1", "when it expires", EXPIRES, "trust-expired"),
    clock("T1", "a second after", EXPIRES + 1, "trust-expired"),
    clock("T1", "30 years after", EXPIRES + 1e9, "trust-expired"),
    clock("T1", "a clock at the end of time", float("inf"), "trust-expired"),
)


def promised(row: str, name: str, code: str, at: int = NOW, now: float = NOW, **how: Any) -> Case:
    """Ask about a bundle of another maker's, in a log that promised it `at` a time."""
    made = Foreign()
    made.at, made.now, made.until = at, now, how.pop("until", 0)
    times = how.pop("stamps", None)
    bundle, root = made.bundle, made.root
    if times is None:
        return Case(row, name, partial(made.judge, bundle, root), code)
    return Case(row, name, partial(made.stamped, bundle, root, *times), code)


OTHERS = (
    promised("T2", "a log at our own time", "yes"),
    promised("T2", "a log 30 seconds ahead", "yes", at=NOW + 30),
    promised("T2", "a log 60 seconds ahead", "yes", at=NOW + 60),
    promised("T2", "a log 61 seconds ahead", "not-yet-valid", at=NOW + 61),
    promised("T2", "a log a year ahead", "not-yet-valid", at=NOW + 365 * DAY),
    promised("T2", "a log a second behind", "yes", at=NOW - 1),
    promised("T2", "a clock that gives no number", "not-yet-valid", now=float("nan")),
    promised("T3", "a promise without a time", "malformed", at=0),
    promised("T5", "two stamps inside the log's window", "yes", stamps=(NOW, NOW - 999)),
    promised("T5", "one stamp before it", "key-window", stamps=(NOW, NOW - 1001)),
    promised("T5", "one stamp before it, first", "key-window", stamps=(NOW - 1001, NOW)),
    promised("T5", "one stamp after it", "key-window", stamps=(NOW, NOW + 11), until=NOW + 10),
    promised("T5", "a promise after it, a stamp inside", "key-window",
             at=NOW + 11, stamps=(NOW,), until=NOW + 10, now=NOW + 20),
    promised("T5", "a promise before it, a stamp inside", "key-window",
             at=NOW - 1001, stamps=(NOW,)),
)  # fmt: skip


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*_spellings(), *FILES, *CLOCKS, *OTHERS)
