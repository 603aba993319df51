"""The client library: calls travel together, and one caller's fault is not another's."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

import grpc
import pytest

from signer.client import AsyncClient, Client, Signed
from signer.errors import ServiceError
from tests.signer.asking import OTHER_REPOSITORY, PATIENCE_S, REPOSITORY, digest, item, refused
from tests.signer.lying import CountingService
from tests.signer.running import InProcess, running
from tests.signer.spoiling import GatedStore, put_store
from tests.signer.world import World
from verifier.repository import Repository


def counted(service: InProcess, work: Any) -> tuple[list[Any], list[Any]]:
    """Run `work` with a client of a service that counts, and return answers and requests."""

    async def do() -> tuple[list[Any], list[Any]]:
        async with (
            CountingService(service) as counting,
            AsyncClient(counting.target, service.token) as client,
        ):
            answers = await asyncio.gather(*work(client), return_exceptions=True)
            return answers, counting.asked

    return service.ask(do())


def test_coalescing(service: InProcess) -> None:
    """
    Calls that are made at the same time travel together, and each gets its own answer.
    """
    answers, asked = counted(service, lambda c: [c.sign(digest(n), REPOSITORY) for n in range(64)])

    assert [digest(n) for n in range(64)] == [service.verify(a).digest for a in answers]
    assert len(asked) <= 3
    assert 64 == sum(len(request.items) for request in asked)


def test_more_than_a_batch(service: InProcess) -> None:
    """
    More calls than fit one batch travel in several, in their order.
    """
    answers, asked = counted(
        service, lambda c: [c.sign(digest(n), REPOSITORY) for n in range(1000, 1600)]
    )

    assert 600 == len(set(service.indices(answers)))
    assert [256, 256, 88] == [len(request.items) for request in asked]


def test_one_call_alone(service: InProcess) -> None:
    """
    A call that is made alone does not wait for company.
    """
    answers, asked = counted(service, lambda c: [c.sign(digest(100), REPOSITORY)])

    assert ([1], 1) == ([len(request.items) for request in asked], len(answers))


def test_what_travels_together(service: InProcess) -> None:
    """
    Only calls with the same repository, key and reason travel together.
    """

    def work(client: AsyncClient) -> list[Any]:
        return [
            client.sign(digest(n), repository, key=key, reason=reason)
            for n in range(2000, 2004)
            for repository in (REPOSITORY, OTHER_REPOSITORY)
            for key in ("", "release")
            for reason in ("", "because")
        ]

    answers, asked = counted(service, work)
    for n, answer in enumerate(answers):
        service.verify(answer, (REPOSITORY, OTHER_REPOSITORY)[n // 4 % 2])

    assert [4] * 8 == [len(request.items) for request in asked]
    assert 8 == len({(r.repository, r.key, r.reason) for r in asked})


def test_each_has_its_own_refusal(service: InProcess) -> None:
    """
    A malformed call is refused alone, whoever travels with it.
    """

    def work(client: AsyncClient) -> list[Any]:
        calls = [client.sign(digest(n), REPOSITORY) for n in range(3000, 3010)]
        return [*calls, client.sign("latest", REPOSITORY), client.sign(digest(1), REPOSITORY)]

    answers, asked = counted(service, work)
    bad = answers.pop(10)

    assert "bad-digest" == bad.code
    assert 11 == len(service.indices(answers))
    assert 1 == len(asked)


# Each of these keeps a whole batch from being sent or answered.
ONE_OF_MANY: dict[str, dict[str, Any]] = {
    "negative size": {"size": -1},
    "size of another type": {"size": "9"},
    "enormous size": {"size": 2**64},
    "annotation that is no text": {"annotations": {"k": 5}},
    "annotations of another type": {"annotations": 5},
    "lone surrogate": {"tag": "\ud800"},
    "tag that is no text": {"tag": 5},
}


@pytest.mark.parametrize("name", ONE_OF_MANY)
def test_one_callers_mistake(service: InProcess, name: str) -> None:
    """
    A call that cannot even be sent fails alone, whoever waits with it.
    """

    def work(client: AsyncClient) -> list[Any]:
        good = [client.sign(digest(n), REPOSITORY) for n in range(10)]
        return [*good, client.sign(digest(10), REPOSITORY, **ONE_OF_MANY[name])]

    answers, _ = counted(service, work)
    bad = answers.pop()

    assert isinstance(bad, Exception)
    assert 10 == len(set(service.indices(answers)))


def test_too_large_together(service: InProcess) -> None:
    """
    Calls that are fine alone and over the limit together are sent again one by one.
    """
    long = {f"k{i}": "v" * 1000 for i in range(15)}

    def work(client: AsyncClient) -> list[Any]:
        return [client.sign(digest(n), REPOSITORY, annotations=long) for n in range(4000, 4080)]

    answers, _ = counted(service, work)

    assert 80 == len(set(service.indices(answers)))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"repository": "team/app"}, "bad-repository"),
        ({"key": "none"}, "unknown-key"),
        ({"reason": "x" * 1025}, "over-limit"),
    ],
)
def test_refused_as_a_whole(service: InProcess, more: dict[str, Any], code: str) -> None:
    """
    What refuses a whole batch is told to each of its callers, and to nobody else.
    """

    def work(client: AsyncClient) -> list[Any]:
        bad = [client.sign(digest(n), **{"repository": REPOSITORY, **more}) for n in range(3)]
        good = [client.sign(digest(n), REPOSITORY) for n in range(3)]
        return [call for pair in zip(bad, good, strict=True) for call in pair]

    answers, _ = counted(service, work)

    assert [code] * 3 == [answer.code for answer in answers[::2]]
    assert 3 == len(service.indices(answers[1::2]))


def test_refusal(service: InProcess) -> None:
    """
    A refusal comes with the service's own code, message and hint.
    """
    with service.client() as client:
        error = refused("bad-repository", lambda: client.sign(digest(1), "team/app"))
        assert "'team/app'" in error.message
        assert "write the host too" in error.hint
        assert "(bad-repository)" not in error.message
        wrong = refused("unknown-entry", lambda: client.entry(10**6))
    with Client(service.addresses.grpc, "wrong") as stranger:
        refused("unauthenticated", lambda: stranger.sign(digest(1), REPOSITORY))
        refused("unauthenticated", stranger.checkpoint)

    assert isinstance(wrong, ServiceError)


def test_unreachable() -> None:
    """
    Where nobody listens there is no answer, and the hint says what to do.
    """
    with Client("127.0.0.1:1", "token", timeout_s=PATIENCE_S) as client:
        for call in (lambda: client.sign(digest(1), REPOSITORY), client.checkpoint):
            assert "sealbook serve" in refused("unreachable", call).hint


def test_deadline(world: World) -> None:
    """
    A service that does not answer in time is unreachable, and calling again is safe.
    """
    with running(world) as service:
        store = put_store(service, GatedStore)
        with service.client(timeout_s=0.3) as client:
            refused("unreachable", lambda: client.sign(digest(1), REPOSITORY))
        store.gate.set()
        with service.client() as client:
            signed = client.sign(digest(1), REPOSITORY)

        assert (1, 2) == (service.verify(signed).index, service.tree_size)


def test_sixteen_threads(service: InProcess) -> None:
    """
    One client serves many threads, each with its own answers.
    """
    with service.client() as client, concurrent.futures.ThreadPoolExecutor(16) as pool:

        def caller(start: int) -> list[Signed]:
            where = Repository(f"registry.example/team/{start % 4}")
            return [client.sign(digest(n), where) for n in range(start, start + 20)]

        answers = list(pool.map(caller, range(10_000, 26_000, 1000)))

    for thread, signed in zip(range(10_000, 26_000, 1000), answers, strict=True):
        where = Repository(f"registry.example/team/{thread % 4}")
        found = [service.verify(answer, where).digest for answer in signed]
        assert [digest(n) for n in range(thread, thread + 20)] == found


def test_questions(service: InProcess) -> None:
    """
    The client reads what the ledger holds: entries, proofs, bundles, labels over many pages.
    """
    where = Repository("registry.example/team/questions")
    with service.client() as client:
        answers = client.sign_batch(where, [item(n) for n in range(150)])
        [first] = [client.entry(answers[0].record.index)]
        proof, note = client.inclusion_proof(answers[0].record.index)
        found = list(client.search("repository", where))
        bundles = client.bundles(digest(0), where)

        assert answers[0].record.entry == first.record.entry
        assert [answer.record for answer in answers] == found
        assert note == client.checkpoint()
        assert answers[0]._replace(proof=proof, note=note).bundle() == bundles[0]
        assert where == service.verifier.verify(bundles[0], digest(0), where).repository


def test_bad_target() -> None:
    """
    A target that is no address is unreachable, not a crash.
    """
    with Client("no such host:1", "token", timeout_s=20) as client:
        refused("unreachable", client.checkpoint)


def test_service_that_speaks_something_else(service: InProcess) -> None:
    """
    A service that is no gRPC service at all is refused as one that cannot be reached.
    """
    with Client(service.addresses.http, service.token, timeout_s=20) as client:
        refused("unreachable", client.checkpoint)


def test_service_without_the_method() -> None:
    """
    A gRPC service that is another one is told from ours by its status.
    """

    async def do() -> None:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with AsyncClient(f"127.0.0.1:{port}", "token") as client:
                await client.checkpoint()
        finally:
            await server.stop(0)

    refused("unimplemented", lambda: asyncio.run(do()))
