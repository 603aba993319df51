"""`kill -9` of a service under load: what it acknowledged is kept, and its tree never forks."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from signer.client import AsyncClient
from signer.errors import ServiceUnreachableError
from tests.crash.caller import REPOSITORY, Caller
from tests.crash.journal import Journal
from tests.crash.mirrors import MirrorProcess, stay
from tests.crash.service import ROOT, Service
from tests.crash.signed import check_never_twice, signed_trees
from tests.crash.witnesses import Witnesses
from tests.ledger.mirroring import content
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.note import Note

SINGLE, COALESCING = 24, 8  # callers with one call under way each, by Sign and by SignBatch
LOAD_S = (0.01, 0.6)  # the service is killed at some moment between
BOOT_S = (0.0, 1.0)
BOOT_KILLS = 0.3  # of the rounds


SYNCHRONOUS = "\n[mirror]\nsynchronous = true\ndeadline_s = 20\n"
LONG = (pytest.mark.soak, pytest.mark.timeout(1800))


@pytest.mark.parametrize("rounds", [8, pytest.param(50, marks=LONG)])
def test_killed_under_load(tmp_path: Path, rounds: int) -> None:
    """
    However often the service is killed under load: each acknowledged signature is in the ledger
    at its index and verifies, the tree grew out of every checkpoint that was ever given out, and
    a request that got no answer gets one afterwards, without a second entry. Nothing that it
    ever wrote holds two signed trees of one size.
    """
    with Service(tmp_path / "service") as service:
        kill_again_and_again(service, rounds)


@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=LONG)])
def test_killed_while_witnesses_are_asked(tmp_path: Path, rounds: int) -> None:
    """
    The same of a service that answers only what two of three witnesses have seen: each
    checkpoint that it ever gave out bears their signatures, and so does what it shows at once
    after a restart.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy) as service,
    ):
        witnesses.watch(service.log_key)
        kill_again_and_again(service, rounds)
        assert [] == witnesses.failures


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=LONG)])
def test_killed_beside_witnesses_and_a_mirror(tmp_path: Path, rounds: int) -> None:
    """
    The same of a service that signs only what its mirror holds, and answers only what two of
    three witnesses have seen besides: in the end the mirror has all of it.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy, SYNCHRONOUS) as service,
        MirrorProcess(service, tmp_path / "mirror") as mirror,
    ):
        witnesses.watch(service.log_key)
        stay(service)
        mirror.start()
        kill_again_and_again(service, rounds)
        assert [] == witnesses.failures
        assert 0 == mirror.stop(), mirror.log()
        ours, theirs = service.config.home.database, mirror.directory / "ledger.db"
        assert content(ours)["entry"] == content(theirs)["entry"]


def kill_again_and_again(service: Service, rounds: int) -> None:
    """Load and kill `service` `rounds` times, at moments that a seed decides."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    journal = Journal(service)
    images = (Digest.of(b"%d" % i) for i in itertools.count())

    for _ in range(rounds):
        if dice.random() < BOOT_KILLS:
            kill_while_starting(service, dice.uniform(*BOOT_S))
        service.start()
        asyncio.run(check_and_kill(service, journal, images, dice.uniform(*LOAD_S)))
    service.start()
    asyncio.run(settle(service, journal, dice))

    newest = Checkpoint.parse(Note.parse(journal.notes[max(journal.notes)]).text)
    assert (newest.tree_size, newest.root.hex()) == by_pymerkle(service)
    assert 0 == service.stop()
    home = service.config.home
    trees = signed_trees([home.directory, home.anchor], service.log_key)
    assert len(trees) > 2 * rounds, "hardly any tree was signed: this proves little"
    check_never_twice(trees)
    assert len(journal.signatures) > 10 * rounds, "hardly any load: this proves little"


def kill_while_starting(service: Service, after_s: float) -> None:
    """Kill a service that has perhaps not opened its ledger yet, or is at it."""
    service.spawn()
    asyncio.run(asyncio.sleep(after_s))
    service.kill()


class Load:
    """Callers that ask for one digest after the other, until the service is killed under them."""

    def __init__(self, journal: Journal, digests: Iterator[Digest]) -> None:
        """Ask for `digests`, and write the answers into `journal`."""
        self._journal = journal
        self._digests = digests
        self.killed = asyncio.Event()

    async def sign(self, caller: Caller) -> None:
        """Call Sign. While the service lives every call must be answered."""
        for digest in self._next():
            try:
                answer = await caller.sign(digest)
            except grpc.aio.AioRpcError as e:
                if not self.killed.is_set() or e.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                self._journal.acknowledge(digest, answer.record, answer.note)

    async def sign_coalescing(self, client: AsyncClient) -> None:
        """The same through the client library, which joins its calls into SignBatch."""
        for digest in self._next():
            try:
                signed = await client.sign(digest, REPOSITORY)
            except ServiceUnreachableError:
                if not self.killed.is_set():
                    raise
            else:
                self._journal.acknowledge(digest, signed.record, signed.note)

    def _next(self) -> Iterator[Digest]:
        while not self.killed.is_set():
            digest = next(self._digests)
            self._journal.asked.add(digest)
            yield digest


async def check_and_kill(
    service: Service, journal: Journal, images: Iterator[Digest], after_s: float
) -> None:
    """Check what the last round left, load the service, and kill it in the middle of that."""
    async with (
        Caller(service) as caller,
        AsyncClient(service.addresses.grpc, service.token) as client,
    ):
        await journal.check(caller)
        if service.config.mirror.synchronous:  # it is back, and the load will not wait for it
            await caller.wait_until(lambda now: now.mirror_size == now.tree_size)
        # First what the last crash left without an answer, twice at once; then new ones.
        again = sorted(journal.unanswered)
        load = Load(journal, itertools.chain(again, again, images))
        callers = [
            *(asyncio.create_task(load.sign(caller)) for _ in range(SINGLE)),
            *(asyncio.create_task(load.sign_coalescing(client)) for _ in range(COALESCING)),
        ]
        await asyncio.sleep(after_s)
        load.killed.set()
        service.kill()
        await asyncio.gather(*callers)


async def settle(service: Service, journal: Journal, dice: random.Random) -> None:
    """Ask again for whatever has no answer, and hold the service to all it ever said."""
    async with Caller(service) as caller:
        await journal.check(caller)
        answered = dice.sample(sorted(journal.signatures), 10)
        for digest in [*sorted(journal.unanswered), *answered]:
            answer = await caller.sign(digest)
            journal.acknowledge(digest, answer.record, answer.note)
        await journal.check(caller, everything=True)
        assert max(journal.notes) == journal.events + len(journal.asked)


def by_pymerkle(service: Service) -> tuple[int, str]:
    """Return tree size and root as an implementation that is not ours computes them."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger.crosscheck", "--json", str(service.config.home.directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    return found["tree_size"], found["root"]
