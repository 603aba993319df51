"""Clients that are closed: whoever waits is told, and nobody waits for good."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

import grpc
import pytest

from signer.client import AsyncClient
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest
from tests.signer.running import InProcess, running
from tests.signer.spoiling import GatedStore, put_store
from tests.signer.world import World
from verifier.errors import SealbookError


async def outcomes_of(calls: Sequence[asyncio.Task[Any]]) -> list[object]:
    """Return the code of each call's error, or what else came of it, within a while."""
    done, waiting = await asyncio.wait(calls, timeout=20)
    for call in waiting:
        call.cancel()
    await asyncio.wait(calls)
    outcomes: list[object] = []
    for call in calls:
        if call not in done:
            outcomes.append("it waits for good")
        elif call.cancelled():
            outcomes.append("it looks as if its caller had cancelled it")
        else:
            error = call.exception()
            outcomes.append(error.code if isinstance(error, SealbookError) else repr(error))
    return outcomes


def test_closed_under_way(world: World) -> None:
    """
    A client that is closed fails the calls that are under way, and those that wait behind them.
    """
    with running(world) as service:
        store = put_store(service, GatedStore)

        async def do() -> list[object]:
            client = AsyncClient(service.addresses.grpc, service.token)
            calls = [asyncio.create_task(client.sign(digest(1), REPOSITORY))]
            await asyncio.to_thread(store.entered.wait)
            calls.append(asyncio.create_task(client.sign(digest(2), REPOSITORY)))
            await asyncio.sleep(0)
            await client.close()
            return await outcomes_of(calls)

        outcomes = service.ask(do())
        store.gate.set()

    assert ["unreachable"] * 2 == outcomes


def test_closed_under_way_from_another_thread(world: World) -> None:
    """
    A thread that waits for an answer is told when another one closes the client.
    """
    outcomes: list[object] = []
    with running(world) as service:
        store = put_store(service, GatedStore)
        client = service.client()

        def sign() -> None:
            try:
                outcomes.append(client.sign(digest(1), REPOSITORY))
            except SealbookError as e:
                outcomes.append(e)

        thread = threading.Thread(target=sign, daemon=True)
        thread.start()
        assert store.entered.wait(PATIENCE_S)
        client.close()
        thread.join(20)
        store.gate.set()

    assert ["SealbookError"] == [
        "SealbookError" if isinstance(o, SealbookError) else repr(o) for o in outcomes
    ]


def test_closed_at_once(service: InProcess) -> None:
    """
    A client that is closed before its first call got to run fails it, and all that come later.
    """

    async def do() -> list[object]:
        client = AsyncClient(service.addresses.grpc, service.token)
        calls = [asyncio.create_task(client.sign(digest(1), REPOSITORY))]
        await asyncio.sleep(0)
        await client.close()
        calls.append(asyncio.create_task(client.sign(digest(1), REPOSITORY)))
        return await outcomes_of(calls)

    assert ["unreachable"] * 2 == service.ask(do())


class SilentService:
    """A service that never answers; `asked` says that somebody waits."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._server = grpc.aio.server()
        handlers = {
            "GetCheckpoint": grpc.unary_unary_rpc_method_handler(self._wait),
            "GetBundles": grpc.unary_stream_rpc_method_handler(self._wait_streaming),
        }
        for name in ("sealbook.v1.Ledger", "sealbook.v1.Signer"):
            generic = grpc.method_handlers_generic_handler(name, handlers)
            self._server.add_generic_rpc_handlers((generic,))
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def __aenter__(self) -> Self:
        """Start it."""
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self._server.stop(0)

    async def _wait(self, *_: object) -> bytes:
        self.asked.set()
        await asyncio.sleep(PATIENCE_S)
        return b""

    async def _wait_streaming(self, *_: object) -> AsyncIterator[bytes]:
        yield await self._wait()


@pytest.mark.parametrize("question", ["checkpoint", "bundles"])
def test_closed_while_it_asks(question: str) -> None:
    """
    A question that is under way when the client is closed fails like any other call.
    """

    async def do() -> list[object]:
        async with SilentService() as silent:
            client = AsyncClient(silent.target, "token")
            work = client.checkpoint() if question == "checkpoint" else client.bundles(digest(1))
            call = asyncio.create_task(work)
            await silent.asked.wait()
            await client.close()
            return await outcomes_of([call])

    assert ["unreachable"] == asyncio.run(do())
