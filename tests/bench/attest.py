"""`python -m tests.bench.attest`: what one large attestation costs a service, and other callers.

As a program it is the one who attests, so that its work is on its own account: it
makes an SBOM of the given size, says so, waits for a line, attests, and says how
long that took.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from signer.client import AsyncClient, Client
from tests.bench.load import REPOSITORY
from tests.crash.service import ROOT, Service
from verifier.digest import Digest

SIZE = 10 << 20  # bytes
_TYPE = "https://cyclonedx.org/bom"
_BEFORE_S = 2.0  # of Sign alone, as what to compare with
_PEAK = re.compile(r"^Vm(HWM|RSS):\s+(\d+) kB$", re.MULTILINE)
_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs


class Attested(NamedTuple):
    """What it took. `above_bytes` is memory above idle; the others wait as callers of Sign do."""

    seconds: float
    above_bytes: float
    longest_sign_ms: float
    longest_alone_ms: float
    signs: float


def median(runs: Sequence[Attested]) -> Attested:
    """Return the median of each figure."""
    return Attested(*(statistics.median(values) for values in zip(*runs, strict=True)))


def measure(service: Service, size: int = SIZE) -> Attested:
    """Attest an SBOM of `size` bytes to a running service while another caller signs."""
    with tempfile.TemporaryDirectory(prefix="sealbook-attest-") as scratch:
        _small(service)  # what is loaded once is not the attestation's
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.bench.attest",
                service.addresses.grpc,
                scratch,
                str(size),
            ],
            cwd=ROOT,
            env={"SEALBOOK_TOKEN": service.token, "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            other.stdout.readline()
            return asyncio.run(_beside(service, other))


async def _beside(service: Service, other: subprocess.Popen[str]) -> Attested:
    assert other.stdout is not None
    assert other.stdin is not None
    async with AsyncClient(service.addresses.grpc, service.token) as client:
        alone = await _signing(client, time.perf_counter() + _BEFORE_S, None)
        idle = _idle(service.pid)
        answer = asyncio.create_task(asyncio.to_thread(other.stdout.readline))
        other.stdin.write("go\n")
        other.stdin.flush()
        waits = await _signing(client, None, answer)
        told = json.loads(await answer)
    above = _memory(service.pid)["HWM"] - idle
    return Attested(told["seconds"], above, 1e3 * max(waits), 1e3 * max(alone), len(waits))


async def _signing(
    client: AsyncClient, until: float | None, other: asyncio.Task[str] | None
) -> list[float]:
    """Sign one image after the other, and return how long each took."""
    waits = []
    while not (other is not None and other.done()):
        begun = time.perf_counter()
        if until is not None and begun >= until:
            break
        await client.sign(Digest.of(random.randbytes(16)), REPOSITORY)
        waits.append(time.perf_counter() - begun)
    return waits


def _small(service: Service) -> None:
    with Client(service.addresses.grpc, service.token) as client:
        client.attest([Digest.of(b"small")], REPOSITORY, _TYPE, _sbom(100_000))


def _idle(pid: int) -> int:
    """Return the present memory of a process, from which its peak counts anew."""
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)
    return _memory(pid)["RSS"]


def _memory(pid: int) -> dict[str, int]:
    """Return most and present memory of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return {name: int(kib) << 10 for name, kib in _PEAK.findall(status)}


def _sbom(size: int) -> bytes:
    """Return a CycloneDX document of about this size, full of numbers."""
    chance = random.Random(1)
    components, made = [], 0
    while made < size:
        n = len(components)
        component = {
            "bom-ref": f"pkg:deb/debian/lib{n}@1.{n}",
            "type": "library",
            "name": f"lib{n}",
            "version": f"1.{n}",
            "hashes": [{"alg": "SHA-256", "content": f"{chance.getrandbits(256):064x}"}],
            "evidence": {
                "identity": {"field": "purl", "confidence": chance.random()},
                "occurrences": [{"line": k, "offset": chance.random()} for k in range(8)],
            },
        }
        components.append(component)
        made += len(json.dumps(component)) + 2
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}
    return json.dumps(document).encode()


def main(argv: list[str]) -> int:
    """Attest when told to."""
    target, scratch, size = argv
    path = Path(scratch, "bom.json")
    path.write_bytes(_sbom(int(size)))
    with Client(target, os.environ["SEALBOOK_TOKEN"]) as client:
        client.checkpoint()
        print("ready", flush=True)
        sys.stdin.readline()
        begun = time.perf_counter()
        client.attest([Digest.of(path.read_bytes())], REPOSITORY, _TYPE, path)
        print(json.dumps({"seconds": time.perf_counter() - begun}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
