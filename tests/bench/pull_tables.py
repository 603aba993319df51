"""The figures of pull time, on a host and in a cluster, as bars and tables."""

from __future__ import annotations

import statistics

from tests.bench import admission, pull
from tests.bench.offline import Process
from tests.bench.report import Bar, Table, number

_HOST = """\
The bundle is in the cache on disk, and its service is away; a status file, no policy. The \
verifier is the file that `sealbook pull install containerd` writes, from spawn to exit: Python, \
settings, trust, the bundle judged again. Memory is the peak of what is resident. At the socket \
of the warm daemon a question lasts from connecting to the answer, and there the bundle was judged \
within ten seconds before."""
_CLUSTER = """\
`sealbook admission serve` as a process, asked over TLS on loopback, beside a service that has the \
bundles; asking, webhook and service share the cores. A review lasts from the request to its \
answer, one after the other on one connection, but for the 200, each of which makes its own. \
Fetches are what the service was asked for meanwhile."""


def bars(host: pull.Measured, cluster: admission.Measured) -> tuple[Bar, ...]:
    """Return what must hold at pull time."""
    reviews = f"{admission.AT_ONCE} reviews at once of {admission.DISTINCT} images, nothing cached"
    pod = f"admission of a pod with {admission.IMAGES} images"
    return (
        Bar("containerd's verifier, cold, median", 0.12, "s", host.cold.median_s, at_most=True),
        Bar("the same, memory", 40, "MB", host.cold.peak_bytes / 1e6, at_most=True),
        Bar("the warm daemon, p50 at its socket", 5, "ms", _p50_ms(host.asked), at_most=True),
        Bar(f"{pod}, cached, p50", 5, "ms", cluster.cached_ms, at_most=True),
        Bar(f"{pod}, bundles from the service, p50", 60, "ms", cluster.asked_ms, at_most=True),
        Bar(reviews, 3, "s", cluster.burst_s, at_most=True),
        Bar("the same, answered", admission.AT_ONCE, "", cluster.answered),
        Bar("the same, fetches", admission.DISTINCT, "", cluster.fetches, at_most=True),
    )


def tables(host: pull.Measured, cluster: admission.Measured) -> tuple[Table, Table]:
    """Return what was measured."""
    return _host(host), _cluster(cluster)


def _host(host: pull.Measured) -> Table:
    columns = ("what", "median, ms", "fastest, ms", "slowest, ms", "memory, MB")
    asked = sorted(1e3 * seconds for seconds in host.asked)
    rows = [
        _process("the verifier, by itself", host.cold),
        _process("the verifier, asking the warm daemon", host.warm),
        _process("a Python that does nothing", host.nothing),
        (
            "a question at the daemon's socket",
            *(number(ms) for ms in (_p50_ms(host.asked), asked[0], asked[-1])),
            "",
        ),
    ]
    return Table("Pull time on a host", columns, rows, _HOST)


def _process(what: str, process: Process) -> tuple[str, ...]:
    times = (process.median_s, process.fastest_s, process.slowest_s)
    return (what, *(number(1e3 * seconds) for seconds in times), number(process.peak_bytes / 1e6))


def _cluster(cluster: admission.Measured) -> Table:
    columns = ("what", "p50, ms", "slowest, ms", "fetches", "webhook's memory, MB")
    rows = [
        _reviews("a pod, cached", cluster.cached),
        _reviews("a pod, bundles from the service", cluster.asked),
        (
            f"all of {admission.AT_ONCE} reviews at once",
            "",
            number(1e3 * cluster.burst_s),
            str(cluster.fetches),
            number(cluster.largest / 1e6),
        ),
    ]
    return Table("Pull time in a cluster", columns, rows, _CLUSTER)


def _reviews(what: str, taken: list[float]) -> tuple[str, ...]:
    return (what, number(_p50_ms(taken)), number(1e3 * max(taken)), "", "")


def _p50_ms(taken: list[float]) -> float:
    return 1e3 * statistics.median(taken)
