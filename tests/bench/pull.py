"""What a host waits for at pull time: containerd's verifier as a process, and the warm daemon.

A bundle that made a yes is in the cache on disk, and nobody else has it: a host that has run the
image before, and whose service is away. Alone: `python -m tests.bench.pull`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from signer.client import Client
from signer.order import Item
from tests.bench.offline import Process
from tests.crash.service import ROOT, SEALBOOK, Service
from verifier.digest import Digest
from verifier.pull import line
from verifier.pull.containerd import _DESCRIPTOR
from verifier.pull.decision import Question
from verifier.pull.installing.setups import verifier_script
from verifier.repository import Repository

REPOSITORY = Repository("registry.example/shop/web")
IMAGE = Digest.of(b"an image that ran here before")
_INDEX = "application/vnd.oci.image.index.v1+json"
_PATIENCE_S = 30
_FED = 'exec "$0" "$@" < {}'  # for a shell: the descriptor on standard input


class Measured(NamedTuple):
    """The verifier judging by itself, and asking the daemon; seconds at the daemon's socket."""

    cold: Process
    warm: Process
    nothing: Process  # a Python that does nothing
    asked: list[float]


def measure(scratch: Path, runs: int, asks: int, step: Callable[[str], None]) -> Measured:
    """Measure in `scratch`: so many processes, and questions at the socket."""
    # A socket's path is short, and `scratch` need not be.
    with tempfile.TemporaryDirectory(prefix="sealbook-pull-") as short:
        socket = Path(short) / "pull.sock"
        host = _host(scratch / "host", socket)
        with Service(scratch / "service-of-hosts") as service:
            service.start()
            with Client(service.addresses.grpc, service.token) as client:
                client.sign_batch(REPOSITORY, [Item(IMAGE)])
            for name in ("trust.json", "status.json"):
                shutil.copy(service.directory / name, host / "trust" / name)
            (host / "token").write_text(service.token)
            _settings(host, service, socket)
            _verify(host)  # from the service; kept from now on
            service.stop()
        nothing = [sys.executable, "-I", "-c", "pass"]
        step("the verifier of containerd")
        cold, idle = _processes(host, runs, [_verifying(host), nothing])
        with _daemon(host):
            step("the warm daemon")
            [warm] = _processes(host, runs, [_verifying(host)])
            asked = [_ask(host, socket) for _ in range(asks)]
    return Measured(cold, warm, idle, asked)


def _host(directory: Path, socket: Path) -> Path:
    """Return a directory with what `sealbook pull install containerd` writes to a host."""
    (directory / "trust").mkdir(parents=True)
    program = directory / "verifier"
    program.write_bytes(verifier_script(str(directory), sys.executable).content)
    program.chmod(0o755)
    descriptor = {"mediaType": _INDEX, "digest": IMAGE, "size": 491}
    (directory / "descriptor.json").write_text(json.dumps(descriptor))
    return directory


def _settings(host: Path, service: Service, socket: Path) -> None:
    (host / "token").chmod(0o600)
    (host / "pull.toml").write_text(
        f'trust = "trust"\nsources = ["service"]\ndeadline_s = 9\n'
        f'[service]\nurl = "http://{service.addresses.http}"\ntoken = "token"\n'
        f'[cache]\ndirectory = "cache"\n[daemon]\nsocket = "{socket}"\n'
    )


def _verifying(host: Path) -> Sequence[str]:
    """Return how the verifier is started."""
    image = ("-name", f"{REPOSITORY}:1.0", "-digest", IMAGE, "-stdin-media-type", _DESCRIPTOR)
    fed = _FED.format(host / "descriptor.json")
    return ["/bin/sh", "-c", fed, str(host / "verifier"), *image]


def _environment(host: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "SEALBOOK_PULL": str(host / "pull.toml")}


def _verify(host: Path) -> None:
    done = subprocess.run(
        _verifying(host), env=_environment(host), stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def _processes(host: Path, count: int, commands: Sequence[Sequence[str]]) -> list[Process]:
    """Time each of `commands`, `count` times in turn with the others."""
    given = json.dumps([[words, _environment(host)] for words in commands])
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(ROOT / "tests" / "bench" / "cold.py"), str(count)],
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Process.of(runs) for runs in json.loads(done.stdout)]


@contextmanager
def _daemon(host: Path) -> Iterator[None]:
    """Run the daemon meanwhile."""
    process = subprocess.Popen(
        [*SEALBOOK, "pull", "daemon", "--settings", str(host / "pull.toml")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.wait(_PATIENCE_S)


def _ask(host: Path, socket: Path) -> float:
    """Return how long one question took, from connecting to the answer."""
    asked = line.Asked(str(host / "pull.toml"), Question(IMAGE, REPOSITORY), _PATIENCE_S)
    begun = time.perf_counter()
    decision = line.ask(str(socket), asked, _PATIENCE_S)
    seconds = time.perf_counter() - begun
    assert decision.allowed, decision.line
    return seconds


if __name__ == "__main__":
    from tests.bench import admission, pull_tables
    from tests.bench.rounds import FULL

    with tempfile.TemporaryDirectory(prefix="sealbook-bench-") as scratch:
        size = FULL.pulls
        host = measure(Path(scratch), size.processes, size.asks, print)
        cluster = admission.measure(Path(scratch), size.reviews, print)
    for bar in pull_tables.bars(host, cluster):
        print(*bar.row(), sep=" | ")
    for table in pull_tables.tables(host, cluster):
        print(table.title, table.columns, *table.rows, sep="\n")
