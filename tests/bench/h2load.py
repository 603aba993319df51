"""h2load against Sign: the load client that costs next to nothing, but says one thing only.

It sends the same request every time. Sealbook answers a re-run with the entry
that it has, so this measures transport, guard, lookup, proof and bundle, and no
new signature. What it measures is never the figure for signing.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from urllib.request import urlopen

from signer.v1 import signer_pb2
from tests.bench import programs
from tests.bench.cpu import Cpu
from tests.bench.load import REPOSITORY, Run
from tests.bench.programs import children_s
from tests.crash.service import Service
from verifier.digest import Digest

_PACKAGE = "nghttp2-client"  # Debian's


_SEGMENTS = 3  # of the audit trail: each minute ends with an entry


def find(*, install: bool) -> str | None:
    """Return where h2load is, after trying to get it if `install`."""
    return programs.find("h2load", _PACKAGE, install=install)


def rerun(program: str, service: Service, in_flight: int, calls: int) -> Run:
    """Ask for one digest `calls` times, on one connection with `in_flight` streams."""
    request = signer_pb2.SignRequest(digest=Digest.of(b"h2load"), repository=REPOSITORY)
    message = request.SerializeToString()
    with tempfile.TemporaryDirectory(prefix="sealbook-h2load-") as scratch:
        body, log = Path(scratch, "body"), Path(scratch, "log")
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)  # gRPC's framing
        command = [
            program,
            *("--clients=1", "--threads=1", f"--max-concurrent-streams={in_flight}"),
            *(f"--data={body}", "--header=content-type: application/grpc", "--header=te: trailers"),
            f"--header=authorization: Bearer {service.token}",
            f"http://{service.addresses.grpc}/sealbook.v1.Signer/Sign",
        ]
        _run([*command, "--requests=20"])
        answered, tree_size = _answered(service)
        before = Cpu.now(children_s(), service.pid)
        _run([*command, f"--requests={calls}", f"--log-file={log}"])
        spent = Cpu.now(children_s(), service.pid).since(before)
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    # HTTP says 200 for refusals too, so the service itself is asked what it did.
    assert {"200"} == {status for _, status, _ in lines}
    answered_since, grown_to = _answered(service)
    assert answered + calls == answered_since
    assert grown_to - tree_size <= _SEGMENTS
    starts, taken = [int(line[0]) for line in lines], [int(line[2]) for line in lines]
    last = max(start + took for start, took in zip(starts, taken, strict=True))
    spent = spent._replace(seconds=(last - min(starts)) / 1e6)
    return Run.of(calls, [took / 1e6 for took in taken], spent)


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=120, check=True)


def _answered(service: Service) -> tuple[int, int]:
    """Return how many calls of Sign the service has answered, and its tree size."""
    with urlopen(f"http://{service.addresses.http}/metrics") as page:
        lines = page.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    answered = values['sealbook_sign_calls_total{result="answered"}']
    return int(float(answered)), int(float(values["sealbook_tree_size"]))
