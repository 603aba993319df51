"""Going down: in order when it is told to, at once when nobody knows what is on the disk."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ledger.anchor import clear_failure
from ledger.clock import LedgerClock
from ledger.errors import CheckNeededError, StorageFailedError, StorageFullError
from ledger.ledger import Ledger
from signer.client import AsyncClient, Signed
from signer.config import Config
from signer.server import Server
from tests.signer.asking import PATIENCE_S, REPOSITORY, SIGN, digest, item, order
from tests.signer.commands import ROOT
from tests.signer.running import InProcess, running, serving
from tests.signer.spoiling import FailingStore, GatedStore, count_signatures, put_store
from tests.signer.world import World


def test_health_while_going_down(world: World) -> None:
    """
    While the last calls are answered, the service says over gRPC and HTTP that it is not ready.
    """
    with running(world) as service:
        store = put_store(service, GatedStore)
        request = health_pb2.HealthCheckRequest()

        async def ask(client: AsyncClient) -> tuple[Signed, list[int], httpx.Response]:
            call = asyncio.create_task(client.sign(digest(1), REPOSITORY))
            await asyncio.to_thread(store.entered.wait)
            async with grpc.aio.insecure_channel(service.addresses.grpc) as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(request)
                statuses = [(await watch.read()).status]
                service.terminate()
                statuses.append((await watch.read()).status)
                async with httpx.AsyncClient() as http:
                    ready = await http.get(f"http://{service.addresses.http}/readyz")
                watch.cancel()
            store.gate.set()
            return await call, statuses, ready

        signed, statuses, ready = service.asking(ask)
        kinds = health_pb2.HealthCheckResponse

        assert [kinds.SERVING, kinds.NOT_SERVING] == statuses
        assert (503, "not ready\n") == (ready.status_code, ready.text)
        assert (1, 0) == (service.verify(signed).index, service.wait())


def test_disk_full(world: World) -> None:
    """
    While there is no space, calls are refused with nothing logged; then the service goes on.
    """
    with running(world) as service:
        key, store = count_signatures(service), put_store(service, FailingStore)
        store.error = StorageFullError("commit: no space left for the database")
        single = service.raw(order(1).SerializeToString())
        batch = service.asking(lambda c: c.sign_batch(REPOSITORY, [item(2), item(3)]))
        size, made = service.tree_size, len(key.signed)
        store.error = None
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))

        assert ("RESOURCE_EXHAUSTED", "storage-full") == (single.status, single.code)
        assert ["storage-full"] * 2 == [answer.code for answer in batch]
        assert (1, 3) == (size, made)
        assert (1, 2) == (service.verify(signed).index, service.tree_size)


BREAK_STORE = """
import sys
from ledger.errors import StorageFailedError
from ledger.store.sqlite import SqliteStore
from signer.cli import main
commit = SqliteStore.commit
def fail(store, batch):
    if batch.old_size > 1:
        raise StorageFailedError("commit: disk I/O error")
    commit(store, batch)
SqliteStore.commit = fail
sys.exit(main(["serve", "--config", sys.argv[1]]))
"""


def test_storage_failure_ends_the_process(world: World) -> None:
    """
    A process whose storage failed ends with 74; the next start demands a look at the disk first,
    and what was acknowledged is there.
    """
    with running(world) as service:
        first = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        store = put_store(service, FailingStore)
        store.error = StorageFailedError("commit: disk I/O error")
        failed = service.raw(order(2).SerializeToString())

        assert failed.status in ("INTERNAL", "UNAVAILABLE", "CANCELLED")
        assert "disk" not in failed.details
        assert 74 == service.wait()
    with pytest.raises(CheckNeededError):
        Server(Config.load(world.config))
    clear_failure(world.directory / "anchor")
    with running(world) as service:
        second = service.asking(lambda client: client.sign(digest(2), REPOSITORY))

        assert first.record == service.ledger.record(1)
        assert 2 == service.verify(second).index


def test_bug_while_appending_ends_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An append that fails as nobody foresaw leaves nobody waiting, and ends the process too.
    """

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with running(world) as service:
        monkeypatch.setattr(Ledger, "commit", fail)
        failed = service.raw(order(1).SerializeToString())

        assert failed.status in ("INTERNAL", "UNAVAILABLE", "CANCELLED")
        assert 74 == service.wait()


def test_exit_code_of_the_command(world: World) -> None:
    """
    `sealbook serve` itself ends with 74 when the storage failed.
    """
    with subprocess.Popen(
        [sys.executable, "-c", BREAK_STORE, world.config],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split("gRPC on ")[1].split(",")[0]

        def sign(n: int) -> None:
            with grpc.insecure_channel(address) as channel:
                metadata = [("authorization", f"Bearer {world.token}")]
                call = channel.unary_unary("/sealbook.v1.Signer/Sign")
                call(order(n).SerializeToString(), metadata=metadata, timeout=PATIENCE_S)

        sign(1)
        with pytest.raises(grpc.RpcError):
            sign(2)
        _, log = process.communicate(timeout=PATIENCE_S)

    assert (74, True) == (process.returncode, "storage-failed" in log)


def test_interrupted(world: World) -> None:
    """
    Ctrl-C ends the service as SIGTERM does.
    """
    with serving(world) as service:
        service.process.send_signal(2)
        service.process.communicate(timeout=PATIENCE_S)

        assert 0 == service.process.returncode


def test_health_watch_does_not_keep_it_alive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A health check that watches for good does not keep a service from ending.
    """
    monkeypatch.setattr("signer.server._GRACE_S", 0.5)
    with running(world) as service, grpc.insecure_channel(service.addresses.grpc) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        next(watch)
        service.terminate()

        assert 0 == service.wait()
        with pytest.raises(grpc.RpcError):
            list(watch)


def _clock_behind(service: InProcess, _: pytest.MonkeyPatch) -> None:
    service.ledger._clock = LedgerClock(lambda: 0, lambda: 0)


def _frozen(service: InProcess, _: pytest.MonkeyPatch) -> None:
    service.ledger._head = service.ledger.head._replace(frozen=True)


def _queue_full(_: InProcess, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("ledger.sequencer._MAX_WAITING", 0)


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (_clock_behind, "UNAVAILABLE", "clock-jumped"),
        (_frozen, "FAILED_PRECONDITION", "ledger-frozen"),
        (_queue_full, "RESOURCE_EXHAUSTED", "queue-full"),
    ],
)
def test_ledger_that_takes_no_more(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[InProcess, pytest.MonkeyPatch], None],
    status: str,
    code: str,
) -> None:
    """
    A ledger that takes no more entries refuses with its code, and goes on answering questions.
    """
    with running(world) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        spoil(service, monkeypatch)
        answer = service.raw(order(2).SerializeToString())
        again = service.asking(lambda client: client.sign(digest(1), REPOSITORY))

        assert (status, code) == (answer.status, answer.code)
        assert (signed.record, 2) == (again.record, service.tree_size)


def test_more_calls_than_it_takes(world: World) -> None:
    """
    Calls beyond 512 at once are refused at once, and the others are answered.
    """

    async def ask(service: InProcess, store: GatedStore) -> list[Any]:
        # Channels of their own: one connection has at most 256 streams.
        own = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            grpc.aio.insecure_channel(service.addresses.grpc, options=own) for _ in range(3)
        ]
        refusals = asyncio.Semaphore(0)

        async def call(n: int) -> str:
            sign = channels[n % 3].unary_unary(SIGN)
            try:
                await sign(order(n).SerializeToString(), metadata=service.metadata)
            except grpc.RpcError as e:
                refusals.release()
                return e.code().name
            return "OK"

        calls = [asyncio.create_task(call(n)) for n in range(540)]
        for _ in range(28):
            await asyncio.wait_for(refusals.acquire(), PATIENCE_S)
        store.gate.set()
        outcomes = await asyncio.gather(*calls)
        for channel in channels:
            await channel.close()
        return outcomes

    with running(world) as service:
        outcomes = service.ask(ask(service, put_store(service, GatedStore)))

        assert {"OK": 512, "RESOURCE_EXHAUSTED": 28} == Counter(outcomes)
        assert 513 == service.tree_size
