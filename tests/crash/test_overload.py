"""Ten times more calls than a service can hold: quick refusals, and no more memory."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from signer.guard import Guard
from signer.under_way import MOST_CALLS
from signer.v1 import signer_pb2, signer_pb2_grpc
from tests.crash.caller import REPOSITORY, Caller
from tests.crash.journal import Journal
from tests.crash.service import Service
from tests.ledger.making import GatedStore
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.digest import Digest

ROOM = 64  # entries that may wait, here
TIMES = 10
CONNECTIONS = 20  # each of them with as many calls under way as it may have
_TIMEOUT_S = 60


class Refusal(NamedTuple):
    """How a call was refused."""

    status: grpc.StatusCode
    code: str
    pushback_ms: str


QUEUE_FULL = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "queue-full", "1000")


def told(error: grpc.aio.AioRpcError) -> Refusal:
    """Return what a refused caller was told."""
    words = dict(error.trailing_metadata() or ())
    code, pushback = words.get("sealbook-code", ""), words.get("grpc-retry-pushback-ms", "")
    return Refusal(error.code(), str(code), str(pushback))


async def refusal(call: grpc.aio.UnaryUnaryCall) -> Refusal | None:
    """Wait for a call's end, and return how it was refused, if it was."""
    try:
        await call
    except grpc.aio.AioRpcError as e:
        return told(e)
    return None


@contextmanager
def gated(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, entries: int = 8192, calls: int = 512
) -> Iterator[tuple[InProcess, GatedStore]]:
    """Run a service that takes so much at once, and whose commits wait for the gate."""
    monkeypatch.setattr("ledger.sequencer._MAX_WAITING", entries)
    monkeypatch.setattr("signer.front.Guard", partial(Guard, most=calls))
    gates: list[GatedStore] = []

    def spoil(service: InProcess) -> None:
        gates.append(GatedStore(service.ledger.store))
        service.ledger._store = gates[0]

    with running(found_in(directory), spoil) as service:
        try:
            yield service, gates[0]
        finally:
            gates[0].gate.set()


def test_full_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When ten times more is asked for than may wait, the rest is refused at once, while not one
    commit gets through: with a code, and with the time after which to try again. What waited
    is answered, and so is whoever comes back.
    """

    async def run(
        service: InProcess, store: GatedStore
    ) -> tuple[Counter[Refusal], list[Refusal | None], list[Refusal | None]]:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            stub = signer_pb2_grpc.SignerStub(channel)

            def sign(i: int) -> asyncio.Task[Refusal | None]:
                request = signer_pb2.SignRequest(digest=Digest.of(b"%d" % i), repository=REPOSITORY)
                call = stub.Sign(request, metadata=service.metadata, timeout=_TIMEOUT_S)
                return asyncio.create_task(refusal(call))

            waiting = {sign(0)}
            assert await asyncio.to_thread(store.entered.wait, _TIMEOUT_S)
            refused: Counter[Refusal] = Counter()
            for start in range(1, TIMES * ROOM, ROOM):
                calls = waiting | {sign(i) for i in range(start, start + ROOM)}
                # The first one waits in the commit, ROOM for theirs; the others must be told now.
                while len(calls) > 1 + ROOM:
                    done, calls = await asyncio.wait(
                        calls, timeout=_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    assert done, "nobody is told"
                    refused.update(result for call in done if (result := call.result()))
                waiting = calls
            assert len(store.batches) == 0
            store.gate.set()
            first = await asyncio.gather(*waiting)
            again = await asyncio.gather(*(sign(i) for i in range(ROOM)))
            return refused, first, again

    with gated(tmp_path / "service", monkeypatch, entries=ROOM) as (service, store):
        refused, first, again = asyncio.run(run(service, store))

    assert [QUEUE_FULL] == list(refused)
    assert refused[QUEUE_FULL] >= (TIMES - 2) * ROOM
    assert [None] * (1 + ROOM) == first
    assert [None] * ROOM == again


def test_too_many_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    More calls under way than a service takes are refused at once, with a code and a time too.
    """
    room = 8

    async def run(service: InProcess, store: GatedStore) -> list[Refusal | None]:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            stub = signer_pb2_grpc.SignerStub(channel)
            calls = set()
            for i in range(TIMES * room):
                request = signer_pb2.SignRequest(digest=Digest.of(b"%d" % i), repository=REPOSITORY)
                call = stub.Sign(request, metadata=service.metadata, timeout=_TIMEOUT_S)
                calls.add(asyncio.create_task(refusal(call)))
            results = []
            while len(calls) > room:
                done, calls = await asyncio.wait(
                    calls, timeout=_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
                )
                assert done, "nobody is told"
                results += [call.result() for call in done]
            store.gate.set()
            return results + await asyncio.gather(*calls)

    with gated(tmp_path / "service", monkeypatch, calls=room) as (service, store):
        results = asyncio.run(run(service, store))
    assert {QUEUE_FULL: (TIMES - 1) * room, None: room} == Counter(results)


def memory_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_ten_times_too_many_calls(tmp_path: Path) -> None:
    """
    Ten times more calls at once than a service takes: each is answered, or refused as too many
    and told when to try again; what was answered is kept, and the memory does not follow.
    """
    with Service(tmp_path / "service") as service:
        service.start()
        journal = Journal(service)
        before = memory_kib(service.pid)
        answered, refused = asyncio.run(overload(service, journal))
        grown = memory_kib(service.pid) - before

        assert TIMES * MOST_CALLS == answered + sum(refused.values())
        assert {QUEUE_FULL} >= set(refused)
        assert answered >= MOST_CALLS
        assert grown < 128 << 10
        assert 0 == service.stop()


async def overload(service: Service, journal: Journal) -> tuple[int, Counter[Refusal]]:
    """Call Sign ten times too often, over some connections, and check what was answered."""
    refused: Counter[Refusal] = Counter()
    callers = [Caller(service) for _ in range(CONNECTIONS)]
    for caller in callers:  # which tells each connection how many calls it may have under way
        await caller.checkpoint()

    async def sign(i: int) -> None:
        digest = Digest.of(b"%d" % i)
        journal.asked.add(digest)
        try:
            answer = await callers[i % len(callers)].sign(digest)
        except grpc.aio.AioRpcError as e:
            refused[told(e)] += 1
        else:
            journal.acknowledge(digest, answer.record, answer.note)

    await asyncio.gather(*(sign(i) for i in range(TIMES * MOST_CALLS)))
    answered = len(journal.signatures)
    journal.unproven = set(sorted(journal.unproven)[::50])  # the others are compared only
    await journal.check(callers[0])
    for caller in callers:
        await caller.__aexit__()
    return answered, refused
