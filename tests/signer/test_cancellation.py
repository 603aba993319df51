"""Callers that go away: whatever was signed is logged, and nothing else is released."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import pytest

from signer.client import AsyncClient, Signed
from signer.errors import ServiceError, ServiceUnreachableError
from signer.v1 import signer_pb2
from tests.signer.asking import (
    PATIENCE_S,
    REPOSITORY,
    SIGN,
    SIGN_BATCH,
    digest,
    eventually,
    item,
    order,
)
from tests.signer.running import InProcess, Process, running, serving
from tests.signer.spoiling import (
    CountingKey,
    GatedStore,
    SlowStore,
    count_signatures,
    put_store,
)
from tests.signer.world import World
from verifier.entry import Entry

CALLS = 300
LONGEST_S = 0.03  # a call over a slow store is answered well within


def check_no_loose_signature(service: InProcess, key: CountingKey) -> None:
    """Check that each signature that `key` made is in an entry, with its message as the body."""
    eventually(lambda: service.tree_size >= 1 + len({message for message, _ in key.signed}))
    rows = service.ledger.store.rows(1, service.tree_size)

    assert sorted(key.signed) == sorted((r.body, Entry.parse(r.entry).signature) for r in rows)


async def outcome(call: Any, how: str, delay_s: float) -> Any:
    """Await a call that its caller gives up after `delay_s`, and return what came of it."""
    timer = asyncio.get_running_loop().call_later(delay_s, call.cancel)
    if how != "cancelled":
        timer.cancel()
    try:
        return await call
    except asyncio.CancelledError:
        return "cancelled"
    except grpc.RpcError as e:
        return e.code().name
    finally:
        timer.cancel()


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
@pytest.mark.parametrize("store", [SlowStore, None], ids=["slow", "fast"])
def test_given_up_sign(world: World, how: str, store: type[SlowStore] | None) -> None:
    """
    A Sign that is given up at any moment leaves no signature without a leaf.
    """
    chance = random.Random(7)

    async def ask(service: InProcess) -> list[Any]:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            sign, outcomes = channel.unary_unary(SIGN), []
            for start in range(0, CALLS, 10):
                # The first of ten is given up at once, and the last one never.
                delays = [0.0, *(chance.uniform(0, LONGEST_S) for _ in range(8)), PATIENCE_S]
                calls = [
                    sign(
                        order(start + n).SerializeToString(),
                        metadata=service.metadata,
                        timeout=delay_s if how == "deadline" else None,
                    )
                    for n, delay_s in enumerate(delays)
                ]
                outcomes += await asyncio.gather(
                    *(outcome(call, how, delays[n]) for n, call in enumerate(calls))
                )
            return outcomes

    with running(world) as service:
        key = count_signatures(service)
        if store is not None:
            put_store(service, store)
        outcomes = service.ask(ask(service))
        check_no_loose_signature(service, key)
        answered = [(n, o) for n, o in enumerate(outcomes) if isinstance(o, bytes)]
        verifier = service.verifier
        for n, answer in answered:
            [signature] = signer_pb2.SignResponse.FromString(answer).signatures
            verified = verifier.verify(signature.bundle, digest(n), REPOSITORY)
            assert signature.record.entry == service.ledger.record(verified.index).entry
        last = service.asking(lambda client: client.sign(digest(CALLS), REPOSITORY))

        assert {"cancelled" if how == "cancelled" else "DEADLINE_EXCEEDED"} == {
            o for o in outcomes if isinstance(o, str)
        }
        assert CALLS / 10 <= len(answered) <= CALLS * 9 / 10
        assert service.tree_size - 1 == service.verify(last).index


def test_given_up_batch(world: World) -> None:
    """
    A batch that is given up while it is signed or committed is logged as a whole.
    """
    chance = random.Random(8)

    async def ask(service: InProcess) -> None:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            for start in range(0, 2000, 100):
                request = signer_pb2.SignBatchRequest(repository=REPOSITORY)
                for n in range(start, start + 100):
                    request.items.add(digest=digest(n))
                stream = channel.unary_stream(SIGN_BATCH)(
                    request.SerializeToString(), metadata=service.metadata
                )
                await asyncio.sleep(chance.uniform(0.001, LONGEST_S))
                stream.cancel()

    with running(world) as service:
        key = count_signatures(service)
        put_store(service, SlowStore)
        service.ask(ask(service))
        check_no_loose_signature(service, key)
        last = service.asking(lambda client: client.sign(digest(5000), REPOSITORY))

        assert service.tree_size - 2 in range(100, 2001, 100)
        assert service.tree_size - 1 == service.verify(last).index


def test_one_of_a_hundred_goes_away(world: World) -> None:
    """
    Of a hundred calls that wait for one commit, one is cancelled and the others are answered.
    """

    async def ask(client: AsyncClient, store: GatedStore) -> list[Any]:
        calls = [asyncio.create_task(client.sign(digest(n), REPOSITORY)) for n in range(100)]
        await asyncio.to_thread(store.entered.wait)
        calls[55].cancel()
        await asyncio.sleep(0.05)
        store.gate.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    with running(world) as service:
        store = put_store(service, GatedStore)
        answers = service.asking(lambda client: ask(client, store))
        cancelled = answers.pop(55)

        assert isinstance(cancelled, asyncio.CancelledError)
        assert {*range(1, 101)} > set(service.indices(answers))
        assert 99 == len(answers)
        assert 101 == service.tree_size


def test_one_of_a_hundred_single_calls_goes_away(world: World) -> None:
    """
    A cancelled call does not take those with it that share its connection and its commit.
    """

    async def ask(service: InProcess, store: GatedStore) -> list[Any]:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            sign = channel.unary_unary(SIGN)
            calls = [
                sign(order(n).SerializeToString(), metadata=service.metadata) for n in range(100)
            ]
            await asyncio.to_thread(store.entered.wait)
            calls[55].cancel()
            await asyncio.sleep(0.05)
            store.gate.set()
            return [await outcome(call, "answered", 0) for call in calls]

    with running(world) as service:
        key = count_signatures(service)
        store = put_store(service, GatedStore)
        outcomes = service.ask(ask(service, store))

        assert ["cancelled"] == [o for o in outcomes if not isinstance(o, bytes)]
        check_no_loose_signature(service, key)


def test_stopped_with_a_call_under_way(world: World) -> None:
    """
    A service that is told to stop answers what is under way, and then ends with 0.
    """
    with running(world) as service:
        store = put_store(service, GatedStore)

        async def ask(client: AsyncClient) -> Signed:
            call = asyncio.create_task(client.sign(digest(1), REPOSITORY))
            await asyncio.to_thread(store.entered.wait)
            service.terminate()
            await asyncio.sleep(0.1)
            store.gate.set()
            return await call

        signed = service.asking(ask)

        assert (1, 0) == (service.verify(signed).index, service.wait())


def test_stopped_after_its_callers_went_away(world: World) -> None:
    """
    A service that is told to stop logs what it signed, even if nobody waits for it.
    """

    async def ask(service: InProcess, store: GatedStore) -> None:
        async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
            call = channel.unary_unary(SIGN)(
                order(1).SerializeToString(), metadata=service.metadata
            )
            await asyncio.to_thread(store.entered.wait)
            call.cancel()
        service.terminate()

    with running(world) as service:
        key = count_signatures(service)
        store = put_store(service, GatedStore)
        service.ask(ask(service, store))
        store.gate.set()

        assert (0, 1) == (service.wait(), len(key.signed))
    with running(world) as service:
        assert key.signed[0][0] == service.ledger.record(1).body


def test_terminated_under_load(world: World) -> None:
    """
    A process that gets SIGTERM under load ends with 0, and has all that it acknowledged.
    """
    acknowledged: list[Signed] = []

    async def load(service: Process) -> int:
        async with AsyncClient(service.addresses.grpc, service.token) as client:
            stopped, enough = False, asyncio.Event()

            async def caller(start: int) -> None:
                n = start
                while not stopped:
                    try:
                        acknowledged.append(await client.sign(digest(n), REPOSITORY))
                        batch = [item(n + 1), item(n + 2)]
                        acknowledged.extend(await client.sign_batch(REPOSITORY, batch))
                    except (ServiceError, ServiceUnreachableError):
                        return
                    n += 3
                    if len(acknowledged) >= 300:
                        enough.set()

            callers = [asyncio.create_task(caller(100_000 * n)) for n in range(16)]
            await enough.wait()
            code = await asyncio.to_thread(service.stop)
            stopped = True
            await asyncio.gather(*callers)
            return code

    with serving(world) as service:
        code = asyncio.run(load(service))

    with running(world) as service:
        entries = [service.ledger.record(signed.record.index) for signed in acknowledged]
        indices = service.indices(acknowledged)

    assert 0 == code
    assert [signed.record for signed in acknowledged] == entries
    assert len(set(indices)) == len(indices) >= 300
