"""The figures of keys in their homes as bars and tables."""

from __future__ import annotations

from tests.bench.hsm import HSM, IN_FLIGHT, Homes
from tests.bench.report import Bar, Table, number

_SIGN = f"""\
Sign as above, {IN_FLIGHT} in flight, by services that differ in where the release key is. In each \
round every one of them has a run, one after the other, and a part is the median over the rounds \
of the rate beside that of the key in a file. What a device signs is verified each time, what is \
signed in this process one time in 64. SoftHSM (PKCS#11) is a library in the service's process; \
OpenBao is a server of its own on the same cores, in memory, without TLS. Signing again by \
ML-DSA-65 is a second bundle and a second entry for each image, in the same call."""
_OPENING = """\
A fresh process opens a key as a service does at its start: what its home has to load, the login, \
the look at its attributes, a signature that is verified. An encrypted file takes Argon2id with \
64 MiB and three passes."""


def bars(homes: Homes) -> tuple[Bar, ...]:
    """Return what keys must hold to."""
    found = [
        Bar(f"opening a key in {home}", 0.5, "s", seconds, at_most=True)
        for home, seconds in homes.opening_s.items()
    ]
    if HSM in homes.runs:
        part = 100 * homes.part(HSM)
        found.insert(0, Bar(f"Sign by {HSM}, {IN_FLIGHT} in flight", 85, "% of a file's", part))
    return tuple(found)


def tables(homes: Homes) -> tuple[Table, ...]:
    """Return what was measured."""
    columns = (
        "the release key is in",
        "a second",
        "of a file's",
        "call p50, ms",
        "call p99, ms",
        "service CPU, µs",
        "others' CPU",
    )
    rows = []
    for home in homes.runs:
        run = homes.median(home)
        rows.append(
            (
                home,
                number(run.rate),
                f"{homes.part(home):.0%}",
                number(run.p50_ms),
                number(run.p99_ms),
                number(1e6 * run.service_cpu_s / run.digests),
                f"{run.others:.0%}",
            )
        )
    opened = [(home, number(seconds)) for home, seconds in homes.opening_s.items()]
    return (
        Table("Keys in their homes", columns, rows, _SIGN),
        Table("Opening a key", ("the key is in", "median, s"), opened, _OPENING),
    )
