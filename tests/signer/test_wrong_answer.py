"""Answers that are about something else, or do not hold, never reach the caller as signed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from signer.client import AsyncClient
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, item, refused
from tests.signer.lies import CONSISTENT, LIES, bad_path, consistent, payload
from tests.signer.lying import Lie, LyingService
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.errors import VerificationError


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that tells the truth, with a few entries."""
    with running(found_in(tmp_path_factory.mktemp("good") / "service")) as service:
        for repository in (REPOSITORY, OTHER_REPOSITORY):
            items = [item(n) for n in range(5)]
            service.asking(lambda c, r=repository, i=items: c.sign_batch(r, i))
        yield service


def ask(good: InProcess, lie: Lie, count: int = 3) -> list[Any]:
    """Ask a lying service about the first images, by one batch."""

    async def do() -> list[Any]:
        async with (
            LyingService(good, lie) as lying,
            AsyncClient(lying.target, good.token) as client,
        ):
            return await client.sign_batch(REPOSITORY, [item(n) for n in range(count)])

    return good.ask(do())


def test_truth(good: InProcess) -> None:
    """
    The same service, when it does not lie, is believed.
    """
    answers = ask(good, lambda _: None)

    assert [digest(n) for n in range(3)] == [good.verify(answer).digest for answer in answers]


@pytest.mark.parametrize("name", LIES)
def test_lie(good: InProcess, name: str) -> None:
    """
    An answer that is not what was asked for is `wrong-answer`, and not a crash.
    """
    count = 1 if name in CONSISTENT else 3

    refused("wrong-answer", lambda: ask(good, LIES[name], count))


def test_consistent_lie(good: InProcess) -> None:
    """
    A service that makes a tree of its own is not found out here: whom to trust is the verifier's.
    """
    [signed] = ask(good, lambda messages: consistent(messages, payload(messages)), count=1)

    with pytest.raises(VerificationError):
        good.verify(signed)


def test_garbage(good: InProcess) -> None:
    """
    An answer that is no message of the contract is refused too.
    """
    refused("wrong-answer", lambda: ask(good, lambda _: [b"\xff\xff"]))


def test_every_caller_is_told(good: InProcess) -> None:
    """
    Callers that travel together are all told that the answer was wrong.
    """

    async def do() -> list[Any]:
        async with (
            LyingService(good, bad_path) as lying,
            AsyncClient(lying.target, good.token) as client,
        ):
            calls = [client.sign(digest(n), REPOSITORY) for n in range(3)]
            return await asyncio.gather(*calls, return_exceptions=True)

    assert ["wrong-answer"] * 3 == [getattr(e, "code", repr(e)) for e in good.ask(do())]
