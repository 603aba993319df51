"""Rotation while callers sign: none of them is refused, and every bundle counts, now and later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

import grpc
import pytest

from signer.attest.attesting import Attesting
from signer.client import AsyncClient, Signed
from signer.client.answer import key_of
from signer.flows import Flows
from signer.keys import SigningKey
from signer.keys.memory import MemoryKey
from signer.keys.messages import Approving
from signer.v1 import signer_pb2
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest, eventually, refused
from tests.signer.revoking import sign
from tests.signer.rotating import announce, events, install, retire, rotate, switch
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier.trust import TrustRoot
from verifier.verify import Verifier

_CALLERS = 8
_ENOUGH = 20  # signatures between two steps


class Load:
    """Callers who sign one image after the other, and what each got under which trust file."""

    def __init__(self, service: InProcess) -> None:
        self._service = service
        self._numbers = iter(range(1, 1_000_000))
        self._over = threading.Event()
        self.trust = [service.trust]
        self.signed: dict[int, tuple[Signed, TrustRoot]] = {}
        self.failed: list[Exception] = []

    def step(self, do: Callable[..., object], *args: Any, **more: Any) -> None:
        """Do something, in the midst of signatures."""
        do(self._service, *args, **more)
        self.trust.append(self._service.trust)
        enough = len(self.signed) + _ENOUGH
        eventually(lambda: len(self.signed) >= enough or self.failed)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let callers sign meanwhile."""
        done = asyncio.run_coroutine_threadsafe(self._run(), self._service._loop)
        try:
            yield
        finally:
            self._over.set()
            done.result(PATIENCE_S)

    async def _run(self) -> None:
        await asyncio.gather(*(self._call() for _ in range(_CALLERS)))

    async def _call(self) -> None:
        async with AsyncClient(self._service.addresses.grpc, self._service.token) as client:
            while not self._over.is_set():
                n, trust = next(self._numbers), self.trust[-1]
                try:
                    answer = await client.sign(digest(n), REPOSITORY, idempotency_key=f"job-{n}")
                except Exception as e:  # noqa: BLE001  whatever it is, it is one too many
                    self.failed.append(e)
                else:
                    self.signed[n] = answer, trust


def test_rotation_under_load(world: World) -> None:
    """
    While a key rotates twice and its versions retire, no Sign fails; every bundle is good under
    the trust file of its time and under the newest, and no key signed at or after its end.
    """
    with running(world) as service:
        load = Load(service)
        with load.going_on():
            for version in (1, 2):
                load.step(announce)
                load.step(install)
                load.step(switch)
                load.step(retire, version=version)
                load.step(install)
        retired = events(service, "key-retired").values()
        ends = {said["key"]: said["valid_through_tree_size"] for said in retired}

    verifiers = {trust.version: Verifier(trust) for trust in load.trust}
    newest = verifiers[world.trust.version]
    by_key: dict[str, int] = {}
    assert [] == load.failed
    for n, (answer, trust) in load.signed.items():
        index = newest.verify(answer.bundle(), digest(n), REPOSITORY).index
        if key_of(answer.record).hint in trust.keys:
            verifiers[trust.version].verify(answer.bundle(), digest(n), REPOSITORY)
        else:  # it was asked for before, and signed after, a key took its turn
            assert trust.version < world.trust.version
        hint = key_of(answer.record).hint
        by_key[hint] = max(index, by_key.get(hint, 0))
    assert 3 == len(by_key)
    assert 2 == len(ends)
    assert all(by_key[hint] < end for hint, end in ends.items())


@pytest.mark.parametrize("step", ["signer.making.signed", "signer.signing.Signing._dated"])
def test_retiring_waits_for_what_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """
    Whoever has been given a key, and has not signed yet or not appended yet, gets their answer,
    and it comes before the key's end.
    """
    there, go_on = threading.Event(), threading.Event()
    real = resolve_name(step)

    async def held(*args: Any) -> Any:
        if not there.is_set():
            there.set()
            await asyncio.to_thread(go_on.wait, PATIENCE_S)
        return await real(*args)

    monkeypatch.setattr(step, held)
    with running(world) as service, ThreadPoolExecutor(2) as pool:
        straggler = pool.submit(sign, service, 1)
        assert there.wait(PATIENCE_S)
        rotate(service)
        retiring = pool.submit(retire, service)
        # Long enough for what does not wait; what does, waits until we let it.
        threading.Event().wait(0.5)
        go_on.set()
        answer, retired = straggler.result(PATIENCE_S), retiring.result(PATIENCE_S)

        assert answer.record.index < retired.key.valid_through_tree_size


def test_upload_that_outlasts_its_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who began to upload before a key was retired, and ended after, gets nothing by it; the same
    again is signed by the key that took its place.
    """
    taken, go_on = threading.Event(), threading.Event()
    checked = Attesting._checked

    def noted(*args: Any) -> Any:
        job = checked(*args)
        taken.set()
        return job

    def pieces() -> Iterator[bytes]:
        start = signer_pb2.AttestRequest.Start(
            digests=[digest(1)], repository=REPOSITORY, predicate_type="https://example.com/said"
        )
        yield signer_pb2.AttestRequest(start=start).SerializeToString()
        go_on.wait(PATIENCE_S)
        yield signer_pb2.AttestRequest(predicate=b"{}").SerializeToString()

    monkeypatch.setattr(Attesting, "_checked", noted)
    with running(world) as service, grpc.insecure_channel(service.addresses.grpc) as channel:
        attest = channel.stream_unary("/sealbook.v1.Signer/Attest")
        uploading = attest.future(pieces(), metadata=service.metadata, timeout=PATIENCE_S)
        assert taken.wait(PATIENCE_S)
        rotate(service, "attest")
        size = retire(service, "attest").key.valid_through_tree_size
        go_on.set()
        with pytest.raises(grpc.RpcError) as caught:
            uploading.result(PATIENCE_S)
        assert "key-retired" == dict(caught.value.trailing_metadata())["sealbook-code"]
        assert grpc.StatusCode.UNAVAILABLE is caught.value.code()
        answer = attest(pieces(), metadata=service.metadata, timeout=PATIENCE_S)
        index = signer_pb2.AttestResponse.FromString(answer).signature.record.index

        assert size < index


def test_order_of_retiring(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is under way ends before a retired key refuses; and after that, what it signed meanwhile.
    """
    refuses: list[bool] = []
    real = Flows.settle

    async def settle(self: Flows) -> None:
        refuses.append(old.ended)
        await real(self)

    monkeypatch.setattr(Flows, "settle", settle)
    with running(world) as service:
        old = service.server.keys.keys["release"]
        rotate(service)
        retire(service)

    assert [False, True] == refuses


def test_retired_key_refuses() -> None:
    """
    Whoever still holds a key that was retired gets no signature by it, and is told to ask again.
    """
    key = SigningKey("release", MemoryKey.generate("ecdsa-p256"))
    key.sign(Approving(b"before"))
    key.ended = True

    error = refused("key-retired", lambda: key.sign(Approving(b"after")))
    assert "again" in error.hint


def test_two_at_once(world: World) -> None:
    """
    Two operators who rotate at once make one key, two who switch or retire log one event.
    """
    with running(world) as service, ThreadPoolExecutor(4) as pool:
        announced = list(pool.map(announce, [service] * 4))
        install(service)
        switched = list(pool.map(lambda _: switch(service, version=2), range(4)))
        retired = list(pool.map(lambda _: retire(service, version=1), range(4)))

        assert 1 == len({answer.index for answer in announced})
        assert [False, True, True, True] == sorted(answer.known for answer in switched)
        assert [False, True, True, True] == sorted(answer.known for answer in retired)
        for kind in ("key-added", "key-activated", "key-retired"):
            assert 1 == len(events(service, kind))
