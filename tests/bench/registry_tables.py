"""The figures of images in a registry as bars and a table."""

from __future__ import annotations

import statistics

from tests.bench.registry import Copied, Done, Measured
from tests.bench.report import Bar, Table, number

_INCLUDES = """\
docker-registry, which has no referrers API, with files on the disk of the ledger; registry, \
service and command share the cores, without TLS. `sealbook sign` from spawn to exit, of small \
images of one platform in many repositories: each tag resolved, signed in two forms, both \
attached (`.sig`, and a bundle in the fallback index) and read back. cosign 3 signs such \
images one by one, by digest, with a key in a file, in one form and without a log. \
Inventory reads all that is attached to those images. Publish is the service attaching both forms \
of images that it has signed, from the first call until nothing waits any more, with the settling \
of both tags. \
A copy goes from that registry to an empty one, layers of random bytes, a process each, ours and \
skopeo's in turn; a part is the median over the rounds of what one took beside the other."""
_NONE = "Not measured: {} cannot be had here."


def bars(measured: Measured | None) -> tuple[Bar, ...]:
    """Return what must hold of images in a registry."""
    if measured is None:
        return ()
    found = [Bar("sealbook sign, images in a registry", 20, "a second", measured.signed.rate)]
    if measured.cosign is not None:
        times = measured.signed.rate / measured.cosign.rate
        found.append(Bar("the same, to a loop of `cosign sign --key`", 5, "times", times))
    found.append(Bar("inventory", 100, "manifests a second", measured.inventory.rate))
    if measured.copied is not None:
        part = measured.copied.part
        found.append(Bar("copy, time beside skopeo's", 1.2, "times", part, at_most=True))
    return tuple(found)


def table(measured: Measured | None) -> Table:
    """Return what was measured."""
    title = "Images in a registry"
    if measured is None:
        return Table(title, (), (), _NONE.format("docker-registry"))
    columns = ("what", "how many", "a second", "s", "command's CPU, ms", "service's CPU, ms")
    rows = [
        _row("`sealbook sign`", measured.signed, cpu=True),
        *([_row("`cosign sign`, one by one", measured.cosign)] if measured.cosign else ()),
        _row("`sealbook inventory`", measured.inventory),
        _row("Publish", measured.published),
        *(_copies(measured.copied) if measured.copied else ()),
    ]
    return Table(title, columns, rows, _INCLUDES)


def _row(name: str, done: Done, *, cpu: bool = False) -> tuple[str, ...]:
    each = [number(1e3 * used / done.count) for used in (done.client_s, done.service_s)]
    spent = each if cpu else ["", ""]
    return (name, f"{done.count:,}", number(done.rate), number(done.seconds), *spent)


def _copies(copied: Copied) -> list[tuple[str, ...]]:
    """Return the copies in MiB; of each program the median."""
    size = copied.size / 2**20
    rows = []
    for name, taken in (("`sealbook copy`", copied.ours), ("`skopeo copy`", copied.theirs)):
        seconds = statistics.median(taken)
        rows.append((f"{name}, MiB", number(size), number(size / seconds), number(seconds), "", ""))
    return rows
