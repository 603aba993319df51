"""Renewals and races: what asks for the same thing at the same time ends in one order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from signer.client import AsyncClient, Signed
from tests.signer.asking import REPOSITORY, annotations, digest, refused
from tests.signer.running import InProcess, running
from tests.signer.spoiling import GatedAnchor, put_anchor
from tests.signer.world import World
from verifier.statement import SUPERSEDES


def sign(service: InProcess, n: int, **more: Any) -> Signed:
    """Have image `n` approved."""
    return service.asking(lambda client: client.sign(digest(n), REPOSITORY, **more))


def test_renew(service: InProcess) -> None:
    """
    A renewal is a new entry that names the one that it supersedes, the newest each time.
    """
    first = sign(service, 1)
    second, third = sign(service, 1, renew=True), sign(service, 1, renew=True)

    assert [first.record.index, first.record.index + 1, first.record.index + 2] == (
        service.indices([first, second, third])
    )
    assert [None, str(first.record.index), str(second.record.index)] == [
        annotations(signed).get(SUPERSEDES) for signed in (first, second, third)
    ]
    assert first.record == sign(service, 1).record


def test_renew_what_is_not_there(service: InProcess) -> None:
    """
    A renewal of what was never approved is an approval.
    """
    signed = sign(service, 2, renew=True)

    assert SUPERSEDES not in annotations(signed)
    assert signed.record == sign(service, 2).record


def test_renew_with_idempotency_key(service: InProcess) -> None:
    """
    A renewal that is tried again with its idempotency key is one renewal.
    """
    sign(service, 3)
    first = sign(service, 3, renew=True, idempotency_key="nightly-1")
    again = sign(service, 3, renew=True, idempotency_key="nightly-1")
    next_one = sign(service, 3, renew=True, idempotency_key="nightly-2")

    assert first.record == again.record
    assert str(first.record.index) == annotations(next_one)[SUPERSEDES]


@pytest.mark.parametrize("idempotency_key", ["", "nightly"])
def test_renewals_at_once(world: World, idempotency_key: str) -> None:
    """
    Renewals at the same time form one chain; with one idempotency key they are one.
    """

    async def ask(service: InProcess) -> list[Signed]:
        clients = [AsyncClient(service.addresses.grpc, service.token) for _ in range(20)]
        calls = [
            c.sign(digest(1), REPOSITORY, renew=True, idempotency_key=idempotency_key)
            for c in clients
        ]
        answers = await asyncio.gather(*calls)
        for client in clients:
            await client.close()
        return answers

    with running(world) as service:
        first = sign(service, 1)
        answers = service.ask(ask(service))
        service.indices(answers)
        entries = {signed.record.index: annotations(signed)[SUPERSEDES] for signed in answers}
        newest = service.tree_size

    assert {n: str(n - 1) for n in range(first.record.index + 1, newest)} == entries
    assert (len(entries) == 1) or not idempotency_key


@pytest.mark.parametrize("idempotency_key", ["", "job-1"])
def test_same_request_before_it_is_published(world: World, idempotency_key: str) -> None:
    """
    A request that comes while its twin is committed and not yet published gets the same answer.
    """
    with running(world) as service:
        anchor = put_anchor(service, GatedAnchor)

        async def ask(client: AsyncClient) -> list[Any]:
            def call(client: AsyncClient) -> asyncio.Task[Signed]:
                work = client.sign(digest(1), REPOSITORY, idempotency_key=idempotency_key)
                return asyncio.create_task(work)

            async with AsyncClient(service.addresses.grpc, service.token) as other:
                first = call(client)
                await asyncio.to_thread(anchor.entered.wait)
                second = call(other)
                await asyncio.wait([second], timeout=0.5)  # it may answer, it must not err
                anchor.gate.set()
                return await asyncio.gather(first, second, return_exceptions=True)

        first, second = service.asking(ask)

        assert [1, 1] == service.indices([first, second])
        assert first.record == second.record


def test_most_renewals(service: InProcess) -> None:
    """
    An approval can be renewed until there are 64 of it, and then it is refused and still there.
    """
    first = sign(service, 4)
    indices = {first.record.index}
    for _ in range(63):
        indices.add(sign(service, 4, renew=True).record.index)
    size = service.tree_size

    assert 64 == len(indices)
    assert "renewals" in refused("bad-request", lambda: sign(service, 4, renew=True)).message
    assert (size, first.record) == (service.tree_size, sign(service, 4).record)
