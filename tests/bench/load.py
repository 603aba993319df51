"""`python -m tests.bench.load`: one run of a load client, in a process of its own.

Reads a `Task` as JSON on standard input, and prints a `Run` as JSON. Requests
are made before the clock starts, answers are looked at after it has stopped, so
that the client costs little more than gRPC itself; `client_cpu_s` says how much.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import grpc

from signer.client import AsyncClient
from signer.v1 import signer_pb2
from tests.bench.cpu import Cpu, Spent
from verifier.digest import Digest
from verifier.repository import Repository

REPOSITORY = Repository("registry.example/team/app")
BATCH = 100  # digests a SignBatch
FORMS = ("bundle", "simplesigning")  # what a new key makes: two signatures, two entries
_WARM_CALLS = 20


class Task(NamedTuple):
    """What to do: `calls` in all, `in_flight` at any time.

    `kind` is "sign", "batch" (SignBatch of `BATCH`), the same two with "-forms" for
    all of `FORMS`, or "coalesce" (the client library, a digest a call). `salt` makes
    the digests of this run its own. With `ca`, `certificate` and `key`, paths of PEM files, the
    calls go over TLS, which both sides authenticate; kinds but "coalesce" can do that.
    """

    kind: str
    in_flight: int
    calls: int
    salt: str
    target: str
    token: str
    service_pid: int
    ca: str = ""
    certificate: str = ""
    key: str = ""


class Run(NamedTuple):
    """What it took. Latencies are of calls; `digests` are the images that all together approved."""

    digests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_s: float
    service_cpu_s: float
    others: float  # the part of the machine's CPU that neither client nor service used

    @classmethod
    def of(cls, digests: int, taken_s: Sequence[float], spent: Spent) -> Self:
        """Sum up calls that took `taken_s` each."""
        ordered = sorted(taken_s)
        return cls(
            digests,
            spent.seconds,
            1e3 * ordered[len(ordered) // 2],
            1e3 * ordered[len(ordered) * 99 // 100],
            spent.client_s,
            spent.service_s,
            spent.others,
        )

    @property
    def rate(self) -> float:
        """Digests a second."""
        return self.digests / self.seconds


_Call = Callable[[int], Awaitable[Any]]


async def run(task: Task) -> Run:
    """Do `task` against its service; raises if any answer is not what was asked for."""
    options = (("grpc.max_receive_message_length", 8 << 20),)
    async with (
        _channel(task, options) as channel,
        AsyncClient(task.target, task.token) as client,
    ):
        total = _WARM_CALLS + task.calls
        call, check = _KINDS[task.kind](task, channel, client, total)
        await _drive(call, range(_WARM_CALLS), task.in_flight)
        before = Cpu.now(time.process_time(), task.service_pid)
        taken, answers = await _drive(call, range(_WARM_CALLS, total), task.in_flight)
        spent = Cpu.now(time.process_time(), task.service_pid).since(before)
    return Run.of(check(answers), taken, spent)


def _channel(task: Task, options: Sequence[tuple[str, int]]) -> grpc.aio.Channel:
    if not task.ca:
        return grpc.aio.insecure_channel(task.target, options)
    ca, certificate, key = (
        Path(path).read_bytes() for path in (task.ca, task.certificate, task.key)
    )
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    return grpc.aio.secure_channel(task.target, credentials, options)


async def _drive(
    call: _Call, numbers: Sequence[int], in_flight: int
) -> tuple[list[float], list[Any]]:
    """Make a call for each number; return how long each took, and the answers."""
    left, taken, answers = iter(numbers), [], []

    async def caller() -> None:
        for n in left:
            start = time.perf_counter()
            answer = await call(n)
            taken.append(time.perf_counter() - start)
            answers.append(answer)

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return taken, answers


def _sign(
    task: Task, channel: grpc.aio.Channel, _: AsyncClient, total: int
) -> tuple[_Call, Callable[[list[bytes]], int]]:
    """Sign, with bytes going in and coming out."""
    digests, forms = list(_digests(task.salt, total)), _forms(task)
    requests = [
        signer_pb2.SignRequest(digest=d, repository=REPOSITORY, forms=forms).SerializeToString()
        for d in digests
    ]
    method: Any = channel.unary_unary("/sealbook.v1.Signer/Sign")
    metadata = (("authorization", f"Bearer {task.token}"),)

    async def call(n: int) -> Any:
        return await method(requests[n], metadata=metadata)

    def check(answers: list[bytes]) -> int:
        parsed = [signer_pb2.SignResponse.FromString(answer) for answer in answers]
        assert all(answer.checkpoint.note for answer in parsed)
        made = _distinct(s for answer in parsed for s in answer.signatures)
        return made // len(forms)

    return call, check


def _batch(
    task: Task, channel: grpc.aio.Channel, _: AsyncClient, total: int
) -> tuple[_Call, Callable[[list[list[bytes]]], int]]:
    """SignBatch, with bytes going in and coming out."""
    digests, forms = _digests(task.salt, total * BATCH), _forms(task)
    requests = [
        signer_pb2.SignBatchRequest(
            repository=REPOSITORY,
            forms=forms,
            items=[signer_pb2.SignBatchRequest.Item(digest=next(digests)) for _ in range(BATCH)],
        ).SerializeToString()
        for _ in range(total)
    ]
    method: Any = channel.unary_stream("/sealbook.v1.Signer/SignBatch")
    metadata = (("authorization", f"Bearer {task.token}"),)

    async def call(n: int) -> Any:
        return [message async for message in method(requests[n], metadata=metadata)]

    def check(answers: list[list[bytes]]) -> int:
        messages = [signer_pb2.SignBatchResponse.FromString(m) for a in answers for m in a]
        made = _distinct(s for m in messages for answer in m.answers for s in answer.signatures)
        return made // len(forms)

    return call, check


def _coalesce(
    task: Task, _: grpc.aio.Channel, client: AsyncClient, total: int
) -> tuple[_Call, Callable[[list[Any]], int]]:
    """Call `AsyncClient.sign`, which checks each answer itself."""
    digests = list(_digests(task.salt, total))

    async def call(n: int) -> Any:
        return await client.sign(digests[n], REPOSITORY, forms=FORMS[:1])

    def check(answers: list[Any]) -> int:
        return _distinct(answers)

    return call, check


_KINDS: dict[str, Callable[..., tuple[_Call, Callable[[Any], int]]]] = {
    "sign": _sign,
    "sign-forms": _sign,
    "batch": _batch,
    "batch-forms": _batch,
    "coalesce": _coalesce,
}


def _forms(task: Task) -> tuple[str, ...]:
    return FORMS if task.kind.endswith("-forms") else FORMS[:1]


def _digests(salt: str, count: int) -> Iterator[Digest]:
    return (Digest.of(f"{salt} {n}".encode()) for n in range(count))


def _distinct(signatures: Any) -> int:
    """Count entries, each of which must be another."""
    indices = [signature.record.index for signature in signatures]
    assert len(indices) == len(set(indices))
    return len(indices)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(Task(**json.load(sys.stdin))))._asdict()))
