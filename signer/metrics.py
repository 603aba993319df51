"""What Prometheus may scrape: a fixed set of series, whatever callers send."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.sequencer import Sequencer
from signer.audit_trail.trail import Trail
from signer.expiry import Ending
from signer.keys.ring import KeyRing
from signer.publish.rows import Counts
from signer.pulls.store import Outcome
from signer.refusal import codes

_OTHER = "other"
_UNSIGNED = "unsigned"
_UPLOADS = ("POST /api/v1/log/entries", "POST /api/v2/log/entries")
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The series of one service."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start at zero."""
        self._clock = clock
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "sealbook_sign_seconds",
            "Time from request to answer of Sign and SignBatch",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._calls = Counter(
            "sealbook_sign_calls",
            "Calls of Sign and SignBatch",
            ["result"],
            registry=self._registry,
        )
        for result in ("answered", "refused"):
            self._calls.labels(result)  # so that both are there from the first scrape on
        self._uploads = Counter(
            "sealbook_uploads",
            "Signatures of others, uploaded to be logged",
            ["result"],
            registry=self._registry,
        )
        for result in ("answered", "refused"):
            self._uploads.labels(result)
        self._refusals = Counter(
            "sealbook_refusals", "Calls that were refused", ["code"], registry=self._registry
        )
        self._codes = codes()
        for code in (*self._codes, _OTHER):
            self._refusals.labels(code)
        self._attestations = Counter(
            "sealbook_attest_calls",
            "Calls of Attest",
            ["result"],
            registry=self._registry,
        )
        for result in ("answered", "refused"):
            self._attestations.labels(result)
        self._signatures = Counter(
            "sealbook_signatures", "Signatures answered with", registry=self._registry
        )

    def watch(self, ledger: Ledger, sequencer: Sequencer, keys: KeyRing) -> None:
        """Read tree, queue and key health of these at every scrape."""

        def gauge(name: str, help_: str, value: Callable[[], float]) -> None:
            Gauge(name, help_, registry=self._registry).set_function(value)

        gauge("sealbook_tree_size", "Durable entries", lambda: ledger.head.tree_size)
        gauge(
            "sealbook_published_size",
            "Entries under the published checkpoint",
            lambda: ledger.published.checkpoint.tree_size,
        )
        gauge(
            "sealbook_checkpoint_age_seconds",
            "Age of the published checkpoint",
            lambda: max(0.0, self._clock() - ledger.published.signed_at),
        )
        gauge("sealbook_queue_depth", "Entries that wait", lambda: sequencer.depth)
        self._registry.register(_KeyStates(keys))

    def watch_status(self, age_s: Callable[[], float]) -> None:
        """Read at every scrape how old the status file is, without which verifiers stop."""
        Gauge(
            "sealbook_status_age_seconds", "Age of the status file", registry=self._registry
        ).set_function(age_s)

    def watch_endings(self, endings: Callable[[], Iterable[Ending]]) -> None:
        """Read at every scrape what ends, and when; names are the configuration's."""
        self._registry.register(_Endings(endings))

    def watch_config(self, refused: Callable[[], bool]) -> None:
        """Read at every scrape whether the configuration was changed to what cannot be loaded."""
        Gauge(
            "sealbook_config_refused",
            "1 while the configuration that was to be loaded last is not the one in force",
            registry=self._registry,
        ).set_function(lambda: float(refused()))

    def watch_trail(self, trail: Trail, dropped: Callable[[], int]) -> None:
        """Read at every scrape whether the audit trail is written, and what syslog did not take."""
        Gauge(
            "sealbook_trail_writable",
            "1 while the audit trail can be written, without which nothing is signed",
            registry=self._registry,
        ).set_function(lambda: float(trail.writable))
        Gauge(
            "sealbook_trail_unlogged_segments",
            "Finished segments of the audit trail that are no entries yet",
            registry=self._registry,
        ).set_function(lambda: float(len(trail.unlogged)))
        Gauge(
            "sealbook_trail_syslog_dropped",
            "Lines of the audit trail that syslog did not take",
            registry=self._registry,
        ).set_function(lambda: float(dropped()))

    def watch_tls(self, refused: Callable[[], bool]) -> None:
        """Read at every scrape whether TLS files were replaced by what cannot be used."""
        Gauge(
            "sealbook_tls_refused",
            "1 while the TLS files that are there are not those in force",
            registry=self._registry,
        ).set_function(lambda: float(refused()))

    def watch_publishing(
        self,
        alarmed: Callable[[], bool],
        witnesses: Mapping[str, Callable[[], float]],
        mirrored: Mirrored,
    ) -> None:
        """Read at every scrape who stands behind what is published; names are the policy's."""
        Gauge(
            "sealbook_alarm", "1 while nothing is published any more", registry=self._registry
        ).set_function(lambda: float(alarmed()))
        Gauge(
            "sealbook_mirror_size", "Entries that the mirror holds", registry=self._registry
        ).set_function(lambda: float(mirrored.tree_size))
        cosigned = Gauge(
            "sealbook_witness_size",
            "Entries under the witness's newest cosignature",
            ["witness"],
            registry=self._registry,
        )
        for name, tree_size in witnesses.items():
            cosigned.labels(name).set_function(tree_size)

    def watch_publications(
        self,
        counts: Callable[[], Counts],
        age_s: Callable[[Counts], float],
        tries: Mapping[str, Callable[[], int]],
    ) -> None:
        """Read at every scrape what waits to be attached to images, and what came of tries."""
        self._registry.register(_Publications(counts, age_s, tries))

    def watch_pulls(self, counts: Callable[[], Mapping[tuple[Outcome, str], int]]) -> None:
        """Read at every scrape what hosts told of their pulls; codes are those that we know."""
        self._registry.register(_Pulls(counts))

    def count_refusal(self, code: str, what: str) -> None:
        """Count a refusal by its code; of an upload, that too."""
        self._refusals.labels(code if code in self._codes else _OTHER).inc()
        if what in _UPLOADS:
            self.count_upload(answered=False)

    def count_upload(self, *, answered: bool) -> None:
        """Count an upload of somebody's signature."""
        self._uploads.labels("answered" if answered else "refused").inc()

    @contextmanager
    def attesting(self) -> Iterator[None]:
        """Count one call, which lasts as long as the upload does."""
        result = "refused"
        try:
            yield
            result = "answered"
            self._signatures.inc()
        finally:
            self._attestations.labels(result).inc()

    @contextmanager
    def signing(self) -> Iterator[Callable[[int], None]]:
        """Time one call; tell the yielded function how many signatures it answered with."""
        start = time.perf_counter()
        result = "refused"

        def signed(count: int) -> None:
            nonlocal result
            result = "answered"
            self._signatures.inc(count)

        try:
            yield signed
        finally:
            self._seconds.observe(time.perf_counter() - start)
            self._calls.labels(result).inc()

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _KeyStates(Collector):
    """The keys that sign now, whichever these are."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def collect(self) -> Iterable[Metric]:
        """Yield a row for each key."""
        healthy = GaugeMetricFamily(
            "sealbook_key_healthy", "1 while the key never failed", labels=["key"]
        )
        available = GaugeMetricFamily(
            "sealbook_key_available", "1 while where the key lives answers", labels=["key"]
        )
        version = GaugeMetricFamily(
            "sealbook_key_version", "Version of the key that signs", labels=["key"]
        )
        for key in self._keys.keys.values():
            healthy.add_metric([key.name], float(key.healthy))
            available.add_metric([key.name], float(key.available))
            version.add_metric([key.name], float(key.version))
        return healthy, available, version


class _Publications(Collector):
    """What waits to be attached to images."""

    def __init__(
        self,
        counts: Callable[[], Counts],
        age_s: Callable[[Counts], float],
        tries: Mapping[str, Callable[[], int]],
    ) -> None:
        self._counts = counts
        self._age_s = age_s
        self._tries = tries

    def collect(self) -> Iterable[Metric]:
        """Yield the queue, and the results of tries."""
        counts = self._counts()
        yield GaugeMetricFamily(
            "sealbook_publish_waiting", "Images that wait for their registry", counts.waiting
        )
        yield GaugeMetricFamily(
            "sealbook_publish_oldest_seconds",
            "How long the one that was asked for first has waited",
            self._age_s(counts),
        )
        results = CounterMetricFamily(
            "sealbook_publish_tries", "Images, by what came of trying", labels=["result"]
        )
        for result, count in self._tries.items():
            results.add_metric([result], count())
        yield results


class _Pulls(Collector):
    """What hosts told of their pulls."""

    def __init__(self, counts: Callable[[], Mapping[tuple[Outcome, str], int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Yield a row for each outcome and code that was told."""
        pulls = CounterMetricFamily(
            "sealbook_pulls",
            "Pulls that hosts told of, by what was decided and why",
            labels=["outcome", "code"],
        )
        # What is allowed without a word, and what is not signed, are there from the first scrape.
        first = {(Outcome.ALLOWED, ""): 0, (Outcome.WARNED, _UNSIGNED): 0}
        first[Outcome.REFUSED, _UNSIGNED] = 0
        for (outcome, code), count in (first | dict(self._counts())).items():
            pulls.add_metric([outcome.name.lower(), code], count)
        yield pulls


class _Endings(Collector):
    """What ends, and when."""

    def __init__(self, endings: Callable[[], Iterable[Ending]]) -> None:
        self._endings = endings

    def collect(self) -> Iterable[Metric]:
        """Yield a row for each."""
        ends = GaugeMetricFamily(
            "sealbook_expires_timestamp_seconds", "When it ends, POSIX seconds", labels=["what"]
        )
        for ending in self._endings():
            ends.add_metric([ending.what], ending.at)
        return (ends,)
