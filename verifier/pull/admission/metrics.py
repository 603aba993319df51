"""What Prometheus may scrape of a webhook: a fixed set of series, whatever it is asked.

No image, repository or namespace is a label: those are for alerts and for the service's counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from verifier.errors import VerificationError
from verifier.pull.admission.judging import Judged
from verifier.pull.decision import Question, Source

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REVIEWS = ("allowed", "warned", "refused", "malformed", "late", "busy", "error", "stranger")
_IMAGES = ("allowed", "warned", "refused")
_SOURCES = ("file", "service", "registry", "layout")
_ALERTS = ("sent", "failed", "dropped", "repeated")
_OTHER = "other"
_MOST_CODES = 256


class Metrics:
    """The series of one webhook. Safe in many threads."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._reviews = dict.fromkeys(_REVIEWS, 0)
        self._images = {(result, ""): 0 for result in _IMAGES[:1]}
        self._fetches = dict.fromkeys((*_SOURCES, _OTHER), 0)
        self._alerts = dict.fromkeys(_ALERTS, 0)
        self._remembered = 0
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._codes: frozenset[str] = frozenset()

    def ended(self, result: str) -> None:
        """Count a review that was refused before there was a judgement, or without one."""
        with self._lock:
            self._reviews[result] += 1

    def answered(self, judged: Judged, seconds: float) -> None:
        """Count a review that was judged, and its images."""
        warned = any(one.allowed and one.code for one in judged.decisions)
        result = ("warned" if warned else "allowed") if judged.allowed else "refused"
        bucket = next((i for i, le in enumerate(_SECONDS) if seconds <= le), len(_SECONDS))
        with self._lock:
            self._reviews[result] += 1
            self._buckets[bucket] += 1
            self._sum += seconds
            for one in judged.decisions:
                self._remembered += one.remembered
                what = "refused" if not one.allowed else "warned" if one.code else "allowed"
                key = what, self._known(one.code)
                self._images[key] = self._images.get(key, 0) + 1

    def asked(self, source: str) -> None:
        """Count that a source is asked about an image."""
        with self._lock:
            self._fetches[source if source in self._fetches else _OTHER] += 1

    def alerted(self, result: str) -> None:
        """Count an alert: sent, failed, dropped since too many wait, or told before."""
        with self._lock:
            self._alerts[result] += 1

    def watch(self, name: str, help_: str, value: Callable[[], float]) -> None:
        """Show `value` as it is at each scrape."""
        self._gauges[name] = help_, value

    def text(self, *, ready: bool, under_way: int) -> str:
        """Return all series, in Prometheus' text format 0.0.4."""
        with self._lock:
            lines = list(self._lines())
        gauges = {
            "ready": ("Whether what we believe is there and fresh", float(ready)),
            "reviews_under_way": ("Reviews that are not answered yet", float(under_way)),
            **{name: (help_, value()) for name, (help_, value) in self._gauges.items()},
        }
        for name, (help_, value) in gauges.items():
            lines += _family(name, help_, "gauge", {"": value})
        return "\n".join(lines) + "\n"

    def _lines(self) -> Iterator[str]:
        reviews = {f'{{result="{result}"}}': n for result, n in self._reviews.items()}
        yield from _family("reviews_total", "Reviews, by their end", "counter", reviews)
        images = {
            f'{{result="{result}",code="{code}"}}': n
            for (result, code), n in sorted(self._images.items())
        }
        yield from _family("images_total", "Images, by what was decided", "counter", images)
        hits = {"": self._remembered}
        yield from _family("cache_hits_total", "Images that were remembered", "counter", hits)
        fetches = {f'{{source="{source}"}}': n for source, n in self._fetches.items()}
        yield from _family("fetches_total", "Times a source was asked", "counter", fetches)
        alerts = {f'{{result="{result}"}}': n for result, n in self._alerts.items()}
        yield from _family("alerts_total", "Alerts about refusals", "counter", alerts)
        buckets: dict[str, float] = {}
        count = 0
        for le, n in zip((*_SECONDS, "+Inf"), self._buckets, strict=True):
            count += n
            buckets[f'_bucket{{le="{le}"}}'] = count
        seconds = {**buckets, "_sum": self._sum, "_count": count}
        yield from _family("review_seconds", "From request to answer", "histogram", seconds)

    def _known(self, code: str) -> str:
        """Return `code` if it is one of ours: what else there is shares a series."""
        if code and code not in self._codes:
            # Modules with codes of their own are imported on use, so that there may be more now.
            self._codes = frozenset(sorted(_codes(VerificationError))[:_MOST_CODES])
        return code if not code or code in self._codes else _OTHER


class Counted:
    """A source that counts how often it is asked."""

    def __init__(self, source: Source, metrics: Metrics) -> None:
        """Ask `source`."""
        self._source = source
        self._metrics = metrics

    @property
    def name(self) -> str:
        """What the source is called."""
        return self._source.name

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield what the source does; raises like it."""
        self._metrics.asked(self.name)
        return self._source.bundles(question, left_s)


def _codes(kind: type[VerificationError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _codes(below)


def _family(name: str, help_: str, type_: str, values: Mapping[str, float]) -> list[str]:
    full = f"sealbook_admission_{name}"
    lines = [f"# HELP {full} {help_}", f"# TYPE {full} {type_}"]
    return lines + [f"{full}{labels} {value:.10g}" for labels, value in values.items()]
