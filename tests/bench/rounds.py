"""Rounds of load: each does every measurement once, so that what disturbs, disturbs all.

A figure is the median of its runs, by rate. When somebody else used the machine
meanwhile there are more rounds, while the time allows it, and of each figure
the quietest runs count.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.bench import h2load, ledgers, rekor
from tests.bench.load import Run, Task
from tests.crash.service import ROOT, Service

_QUIET = 0.1  # of the machine's CPU, used by others
_TIMEOUT_S = 120

Kind = tuple[str, int]  # what is called, and how many calls are in flight


class Homes(NamedTuple):
    """How much to measure of keys: `calls` in each of `runs`, and `openings` of each key."""

    runs: int
    calls: int
    openings: int


class Logins(NamedTuple):
    """How much to measure of logins: rounds, and the calls of each run, one or many in flight."""

    rounds: int
    one: int
    many: int


class Registry(NamedTuple):
    """How much to measure of a registry: images signed by us and by cosign, copies, their bytes."""

    images: int
    cosign: int
    copies: int
    copied: int


class Pulls(NamedTuple):
    """How much to measure of pull time: processes, questions to the daemon, reviews of pods."""

    processes: int
    asks: int
    reviews: int


class Effort(NamedTuple):
    """How much to measure: `calls` in each run, by kind."""

    rounds: int
    most_rounds: int
    budget_s: float  # no round beyond `rounds` begins later
    calls: dict[Kind, int]
    bundles: int
    revocations: int
    verify_s: float
    processes: int
    starts: int
    attest: int  # bytes of an SBOM
    install: bool  # h2load and wrk, when they are missing
    ledger: ledgers.Size
    homes: Homes
    logins: Logins
    registry: Registry
    pulls: Pulls


FULL = Effort(
    rounds=3,
    most_rounds=5,
    budget_s=100,
    calls={
        ("sign", 1): 500,
        ("sign", 16): 2000,
        ("sign", 64): 4000,
        ("batch", 1): 40,
        ("batch", 4): 60,
        ("sign-forms", 1): 300,
        ("sign-forms", 64): 2000,
        ("batch-forms", 4): 30,
        ("coalesce", 64): 4000,
        ("rerun", 1): 500,
        ("rerun", 16): 2000,
        ("rerun", 64): 4000,
        ("rekor", 1): 500,
        ("rekor", 64): 10_000,
    },
    bundles=300,
    revocations=100,
    verify_s=1.5,
    processes=15,
    starts=5,
    attest=10 << 20,
    install=True,
    ledger=ledgers.FULL,
    homes=Homes(runs=5, calls=3000, openings=5),
    logins=Logins(rounds=9, one=500, many=2000),
    registry=Registry(images=500, cosign=100, copies=5, copied=512 << 20),
    pulls=Pulls(processes=15, asks=300, reviews=50),
)
# wrk ends when the last request is sent, so that there must be more than clients.
_QUICK_CALLS = {"batch": 4, "batch-forms": 4, "rekor": 256}
QUICK = Effort(
    rounds=1,
    most_rounds=1,
    budget_s=0,
    calls={kind: _QUICK_CALLS.get(kind[0], 64) for kind in FULL.calls},
    bundles=10,
    revocations=3,
    verify_s=0.05,
    processes=2,
    starts=1,
    attest=1 << 20,
    install=False,
    ledger=ledgers.QUICK,
    homes=Homes(runs=1, calls=64, openings=1),
    logins=Logins(rounds=1, one=64, many=64),
    registry=Registry(images=4, cosign=1, copies=1, copied=1 << 20),
    pulls=Pulls(processes=2, asks=10, reviews=3),
)


class Rounds:
    """Measures one running service under load."""

    def __init__(self, service: Service, effort: Effort, step: Callable[[str], None]) -> None:
        """Tell `step` what is being done; `run` does it."""
        self._service = service
        self._effort = effort
        self._step = step
        self._all: dict[Kind, list[Run]] = {}
        self.done = 0

    def run(self) -> None:
        """Do as many rounds as are needed and may be."""
        h2, wrk = (one.find(install=self._effort.install) for one in (h2load, rekor))
        end = time.monotonic() + self._effort.budget_s
        while self.done < self._effort.rounds or (
            self.disturbed and self.done < self._effort.most_rounds and time.monotonic() < end
        ):
            self.done += 1
            for kind, calls in self._effort.calls.items():
                self._step(f"round {self.done}: {kind[0]}, {kind[1]} in flight")
                if kind[0] == "rerun":
                    run = h2load.rerun(h2, self._service, kind[1], calls) if h2 else None
                elif kind[0] == "rekor":
                    salt = f"{kind} {self.done}"
                    run = rekor.post(wrk, self._service, kind[1], calls, salt) if wrk else None
                else:
                    run = self._load(kind, calls)
                if run is not None:
                    self._all.setdefault(kind, []).append(run)

    @property
    def kinds(self) -> list[Kind]:
        """What was measured."""
        return list(self._all)

    def median(self, kind: Kind) -> Run:
        """Return the run in the middle of those that count."""
        runs = sorted(self._kept(kind), key=lambda run: run.rate)
        return runs[len(runs) // 2]

    def spread(self, kind: Kind) -> tuple[float, float]:
        """Return the slowest and the fastest rate of the runs that count."""
        rates = [run.rate for run in self._kept(kind)]
        return min(rates), max(rates)

    @property
    def disturbed(self) -> bool:
        """Whether others used the machine while a run that counts was made."""
        return any(run.others > _QUIET for kind in self._all for run in self._kept(kind))

    def disturbance(self) -> str:
        """Say how quiet the machine was."""
        kept = [run.others for kind in self._all for run in self._kept(kind)]
        said = (
            f"{self.done} rounds; of each figure the {self._effort.rounds} quietest runs count, "
            "and the middle one of them is the figure. Others, the kernel's own threads among "
            f"them, used {statistics.median(kept):.0%} of the machine's CPU meanwhile, at worst "
            f"{max(kept):.0%}."
        )
        if self.disturbed:
            said += " **The machine was not quiet: the figures are worse than they could be.**"
        return said

    def _kept(self, kind: Kind) -> list[Run]:
        return sorted(self._all[kind], key=lambda run: run.others)[: self._effort.rounds]

    def _load(self, kind: Kind, calls: int) -> Run:
        return load(self._service, kind, calls, f"{kind} {self.done}")


def load(
    service: Service, kind: Kind, calls: int, salt: str, token: str | None = None, **tls: str
) -> Run:
    """Put a running service under load, from a process of its own; `tls` as in `Task`."""
    token = token or service.token
    task = Task(*kind, calls, salt, service.addresses.grpc, token, service.pid, **tls)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(task._asdict()),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return Run(**json.loads(done.stdout))
