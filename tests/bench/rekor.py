"""wrk against the Rekor side: clients with a signature of their own, over HTTP.

Every request is another one, made and signed before the clock starts. wrk sends
bytes and counts, so that nearly all of the machine is the service's.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from signer.keys.memory import MemoryKey
from tests.bench import programs
from tests.bench.cpu import Cpu
from tests.bench.load import Run
from tests.bench.machine import tree_size
from tests.bench.programs import children_s
from tests.crash.service import Service
from verifier._strict import b64encode

_SCRIPT = Path(__file__).with_suffix(".lua")
_KEYS = 16  # whose signatures they are
_SLOWEST = {1: 100, 64: 1000}  # a second; slower than that, a run ends before all is sent
_TIMEOUT_S = 120


def find(*, install: bool) -> str | None:
    """Return where wrk is, after trying to get it if `install`."""
    return programs.find("wrk", "wrk", install=install)


def post(program: str, service: Service, clients: int, calls: int, salt: str) -> Run:
    """Have up to `calls` signatures logged, each client with one request under way."""
    token = (service.directory / "append-token").read_text().strip()
    with tempfile.TemporaryDirectory(prefix="sealbook-wrk-") as scratch:
        prepared = Path(scratch, "requests")
        requests = [_http(body, token) for body in bodies(calls, salt)]
        prepared.write_bytes(b"".join(b"%d %b" % (len(one), one) for one in requests))
        size = tree_size(service)
        before = Cpu.now(children_s(), service.pid)
        done = subprocess.run(
            [
                program,
                *("--threads", "1", "--connections", str(clients), "--timeout", "20s"),
                *("--duration", f"{max(1, calls // _SLOWEST[clients])}s"),
                *("--script", _SCRIPT, f"http://{service.addresses.http}", "--", prepared),
            ],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        spent = Cpu.now(children_s(), service.pid).since(before)
    told = json.loads(done.stdout.splitlines()[-1])
    assert 0 == told["failed"], done.stdout
    answered = told["answered"]
    # Those under way when the time was over have landed, or will.
    assert 0 <= tree_size(service) - size - answered <= clients, done.stdout
    spent = spent._replace(seconds=told["seconds"])
    return Run(
        answered,
        spent.seconds,
        told["p50_ms"],
        told["p99_ms"],
        spent.client_s,
        spent.service_s,
        spent.others,
    )


def bodies(count: int, salt: str) -> Iterator[bytes]:
    """Yield `count` requests, as cosign 3 prints them."""
    keys = itertools.cycle([MemoryKey.generate("ecdsa-p256") for _ in range(_KEYS)])
    for n, key in zip(range(count), keys, strict=False):
        message = f"{salt} {n}".encode()
        digest = hashlib.sha256(message).digest()
        yield (
            f'{{"hashedRekordRequestV002":{{"digest":"{b64encode(digest)}","signature":'
            f'{{"content":"{b64encode(key.sign(message))}","verifier":{{"publicKey":{{'
            f'"rawBytes":"{b64encode(key.public.spki)}"}},'
            f'"keyDetails":"{key.public.algorithm.key_details}"}}}}}}}}'
        ).encode()


def _http(body: bytes, token: str) -> bytes:
    """Return the request as cosign sends it."""
    basic = b64encode(f"append:{token}".encode())
    return (
        "POST /api/v2/log/entries HTTP/1.1\r\nHost: ledger.example\r\nUser-Agent: sigstore-go\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Basic {basic}\r\n"
        "Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode() + body
