"""A machine that was cloned, anchor and all: only a witness can tell, and it does."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.service import ORIGIN, Service
from tests.crash.witnesses import Witnesses
from verifier.digest import Digest
from verifier.evidence import FORK, ROLLBACK, SPLIT_VIEW, Evidence

BEFORE = 4  # entries at the moment of the cloning


def images(name: str, count: int) -> list[Digest]:
    """Return digests that nobody else asks for."""
    return [Digest.of(f"{name} {i}".encode()) for i in range(count)]


async def sign(service: Service, journal: Journal, digests: list[Digest]) -> None:
    """Have each digest signed, in one commit."""
    journal.asked.update(digests)
    async with Caller(service) as caller:
        for digest, answer in zip(digests, await caller.sign_batch(digests), strict=True):
            journal.acknowledge(digest, answer.record, answer.note)


@pytest.mark.parametrize(
    ("ours", "theirs", "claim"), [(3, 1, ROLLBACK), (2, 2, SPLIT_VIEW), (1, 3, FORK)]
)
def test_clone(tmp_path: Path, ours: int, theirs: int, claim: str) -> None:
    """
    A clone that signs on its own stops at once, whichever of the two trees is longer: a witness
    has seen the other one. It publishes nothing, its status says why, and it leaves evidence
    that anybody can check: two checkpoints of its own key that contradict each other. The
    original goes on.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy) as service,
    ):
        witnesses.watch(service.log_key)
        journal = Journal(service)
        service.start()
        asyncio.run(sign(service, journal, images("before", BEFORE - 1)))
        assert 0 == service.stop()
        with service.twin(tmp_path / "clone") as clone:
            clone.start(as_clone_of(service))
            asyncio.run(wait_for_witnesses(clone))
            service.start()
            asyncio.run(sign(service, journal, images("ours", ours)))
            asyncio.run(clone_signs_in_vain(clone, images("theirs", theirs)))
            [file] = (clone.config.home.anchor / "evidence").iterdir()
            evidence = Evidence.parse(file.read_bytes())
            assert claim == evidence.claim
            assert ORIGIN in evidence.verify(service.trust)
            assert "witness-ahead" in clone.log()

            asyncio.run(sign(service, journal, images("later", 2)))
            asyncio.run(check(service, journal))
            assert 0 == clone.stop()
        assert 0 == service.stop()


def test_clone_that_starts_late(tmp_path: Path) -> None:
    """
    A clone that starts when the original has gone on is found out before it signs anything.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy) as service,
    ):
        witnesses.watch(service.log_key)
        journal = Journal(service)
        service.start()
        asyncio.run(sign(service, journal, images("before", BEFORE - 1)))
        assert 0 == service.stop()
        with service.twin(tmp_path / "clone") as clone:
            service.start()
            asyncio.run(sign(service, journal, images("ours", 2)))
            clone.start(as_clone_of(service))
            asyncio.run(wait_for_alarm(clone))
            [file] = (clone.config.home.anchor / "evidence").iterdir()
            evidence = Evidence.parse(file.read_bytes())

            assert ROLLBACK == evidence.claim
            assert ORIGIN in evidence.verify(service.trust)
            assert 0 == clone.stop()
        assert 0 == service.stop()


def as_clone_of(service: Service) -> tuple[str, ...]:
    """Return the program that takes its database for the one of `service`."""
    database = service.config.home.database
    return (sys.executable, "-m", "tests.crash.cloned", str(database))


async def wait_for_witnesses(service: Service) -> None:
    """Return when two witnesses have cosigned for this process."""
    async with Caller(service) as caller:
        await caller.wait_until(lambda now: sum(w.cosigned_at > 0 for w in now.witnesses) >= 2)


async def wait_for_alarm(service: Service) -> None:
    """Return when the service has found out."""
    async with Caller(service) as caller:
        await caller.wait_until(lambda now: now.alarm == "witness-ahead")


async def clone_signs_in_vain(clone: Service, digests: list[Digest]) -> None:
    """See the clone refuse, with its readers still where the cloning was."""
    async with Caller(clone) as caller:
        before, size = await caller.checkpoint(), (await caller.status()).tree_size
        for _ in range(2):
            assert ["witness-ahead"] * len(digests) == await caller.refusals(digests)
        status = await caller.status()
        assert "witness-ahead" == status.alarm
        assert (size, size + len(digests)) == (status.published_size, status.tree_size)
        assert before == await caller.checkpoint()


async def check(service: Service, journal: Journal) -> None:
    """Hold the original to its word."""
    async with Caller(service) as caller:
        await journal.check(caller, everything=True)
        assert "" == (await caller.status()).alarm
