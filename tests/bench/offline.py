"""What needs no service: verifying in a warm process, and whole processes from cold."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from signer.client import Client, Item, Signed
from tests.bench.load import BATCH, REPOSITORY
from tests.crash.service import ROOT, Service
from verifier.digest import Digest
from verifier.errors import SealbookError

_HERE = Path(__file__).parent
_VERIFY_RUNS = 3


class Verifying(NamedTuple):
    """Bundles a second on one core."""

    distinct: float
    shared: float


class Process(NamedTuple):
    """Whole processes: median, fastest and slowest time, and the peak of resident memory."""

    median_s: float
    fastest_s: float
    slowest_s: float
    peak_bytes: int

    @classmethod
    def of(cls, runs: list[list[float]]) -> Process:
        """Sum up runs of [seconds, bytes]."""
        times = [seconds for seconds, _ in runs]
        peak = max(int(size) for _, size in runs)
        return cls(statistics.median(times), min(times), max(times), peak)


def make_bundles(service: Service, directory: Path, count: int) -> None:
    """Sign `count` images one by one, and as many in batches; keep their bundles."""
    for name in ("distinct", "shared"):
        (directory / name).mkdir()
    shutil.copy(service.directory / "trust.json", directory)
    with Client(service.addresses.grpc, service.token) as client:
        for i in range(count):
            digest = Digest.of(b"distinct %d" % i)
            _keep(directory / "distinct", digest, client.sign(digest, REPOSITORY))
        digests = [Digest.of(b"shared %d" % i) for i in range(min(count, BATCH))]
        answers = client.sign_batch(REPOSITORY, [Item(digest) for digest in digests])
        for digest, answer in zip(digests, answers, strict=True):
            _keep(directory / "shared", digest, answer)


def verifying(directory: Path, seconds: float) -> Verifying:
    """Return the best of a few runs: on one core, whatever disturbs only slows it down."""
    command = [sys.executable, "-m", "tests.bench.judge", str(directory), str(seconds)]
    runs = [
        json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(_VERIFY_RUNS)
    ]
    return Verifying(*(max(run[name] for run in runs) for name in Verifying._fields))


def processes(directory: Path, count: int) -> tuple[Process, Process]:
    """Time `python -m verifier` on a bundle, and beside it a Python that does nothing."""
    bundle = min((directory / "distinct").iterdir())
    verify = [
        *(sys.executable, "-m", "verifier", "--trust", str(directory / "trust.json")),
        *("--repository", REPOSITORY, bundle.name, str(bundle)),
    ]
    commands = [verify, [sys.executable, "-c", "pass"]]
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(_HERE / "cold.py"), str(count)],
        input=json.dumps(commands),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    verified, nothing = json.loads(done.stdout)
    return Process.of(verified), Process.of(nothing)


def _keep(directory: Path, digest: Digest, signed: Signed | SealbookError) -> None:
    if isinstance(signed, SealbookError):
        raise signed
    (directory / digest).write_bytes(signed.bundle())
