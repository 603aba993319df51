"""Admission: the webhook as a process, over TLS, beside a real service that has the bundles."""

from __future__ import annotations

import http.client
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from signer.client import Client
from signer.order import Item
from tests.crash.service import Service
from tests.pull.admission.cluster import Site, running
from tests.pull.admission.webhook import Client as Asking
from tests.pull.admission.webhook import review
from verifier.digest import Digest

REPOSITORY = "registry.example/shop/web"
IMAGES = 3  # of a pod
AT_ONCE, DISTINCT = 200, 20


class Measured(NamedTuple):
    """Seconds of each review of a pod of three images, and of 200 reviews of 20 images at once.

    `cached`: what was judged before; `asked`: each image new, bundles from the service.
    """

    cached: list[float]
    asked: list[float]
    burst_s: float
    answered: int
    fetches: int
    largest: int  # resident bytes of the webhook at the end

    @property
    def cached_ms(self) -> float:
        """The median."""
        return statistics.median(self.cached) * 1000

    @property
    def asked_ms(self) -> float:
        """The median."""
        return statistics.median(self.asked) * 1000


def measure(scratch: Path, reviews: int, step: Callable[[str], None]) -> Measured:
    """Measure in `scratch`, with so many reviews of a pod one after the other."""
    digests = [Digest.of(f"image {i}".encode()) for i in range(IMAGES * (reviews + 1) + DISTINCT)]
    with Service(scratch / "service-of-pods") as service:
        service.start()
        with Client(service.addresses.grpc, service.token) as client:
            for start in range(0, len(digests), 100):
                items = [Item(digest) for digest in digests[start : start + 100]]
                client.sign_batch(REPOSITORY, items)
        site = _site(scratch / "webhook", service)
        burst, rest = digests[:DISTINCT], digests[DISTINCT:]
        pods = [rest[start : start + IMAGES] for start in range(0, len(rest), IMAGES)]
        with running(site) as (asking, command):
            step("200 reviews at once")
            burst_s, answered = _burst(asking, burst)
            fetches = int(asking.series()["sealbook_admission_fetches_total source=service"])
            step("reviews, bundles from the service")
            _each(asking, pods[:1])  # the connection, and what is imported on use
            asked = _each(asking, pods[1:])
            step("reviews, remembered")
            cached = _each(asking, pods[1:])
            largest = _resident(command.pid)
        service.stop()
    return Measured(cached, asked, burst_s, answered, fetches, largest)


def _site(directory: Path, service: Service) -> Site:
    (directory / "trust").mkdir(parents=True)
    for name in ("trust.json", "status.json"):
        shutil.copy(service.directory / name, directory / "trust" / name)
    token = directory / "token"
    token.write_text(service.token)
    token.chmod(0o600)
    site = Site(directory, service=f"http://{service.addresses.http}")
    site.pull += f'token = "{token}"\n'
    return site


def _each(asking: Asking, pods: Sequence[Sequence[Digest]]) -> list[float]:
    """Ask about each pod, on one connection, as API servers keep theirs."""
    connection = http.client.HTTPSConnection("127.0.0.1", asking.port, context=asking.context)
    taken = []
    try:
        for pod in pods:
            body = review(*(f"{REPOSITORY}@{digest}" for digest in pod))
            begun = time.perf_counter()
            connection.request("POST", "/validate?timeout=10s", body)
            said = connection.getresponse().read()
            taken.append(time.perf_counter() - begun)
            assert b'"allowed": true' in said, said
    finally:
        connection.close()
    return taken


def _burst(asking: Asking, images: Sequence[Digest]) -> tuple[float, int]:
    """Ask 200 times at once; return how long all of it took, and how many were let run."""
    start = threading.Barrier(AT_ONCE + 1)

    def ask(i: int) -> bool:
        body = review(f"{REPOSITORY}@{images[i % len(images)]}", uid=f"uid-{i}")
        start.wait()
        allowed: bool = asking.ask("/validate?timeout=10s", body).response["allowed"]
        return allowed

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [pool.submit(ask, i) for i in range(AT_ONCE)]
        start.wait()
        begun = time.perf_counter()
        answered = sum(one.result() for one in answers)
        return time.perf_counter() - begun, answered


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError(pid)


def lines(found: Measured) -> list[str]:
    """Return what is told of it."""
    burst = f"{found.answered} allowed in {found.burst_s:.2f} s, {found.fetches} fetches"
    return [
        f"a pod with {IMAGES} images, remembered: p50 {found.cached_ms:.1f} ms",
        f"a pod with {IMAGES} images, bundles from the service: p50 {found.asked_ms:.1f} ms",
        f"{AT_ONCE} reviews at once of {DISTINCT} images: {burst}",
        f"largest: {found.largest >> 20} MiB",
    ]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        print("\n".join(lines(measure(Path(scratch), 50, print))))
