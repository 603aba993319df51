"""A service that dies at each named step of an append: nothing promised is lost, nothing forks."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger.errors import RollbackError
from ledger.opening import open_ledger
from tests.crash import dying
from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.service import ORIGIN, Service
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.note import Note

FIRST = [Digest.of(b"first %d" % i) for i in range(3)]  # an append each
BATCH = [Digest.of(b"batch %d" % i) for i in range(60)]  # one append, in which it dies
BEFORE = 1 + len(FIRST)  # entries; the genesis event is one
AFTER = BEFORE + len(BATCH)
NOTE = re.compile(rf"{ORIGIN}\n[0-9]+\n[0-9A-Za-z+/]+=\n\n— {ORIGIN} [^\n]+\n".encode())


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A founded service, not running."""
    with Service(tmp_path / "service") as service:
        yield service


@pytest.mark.parametrize(
    ("step", "expected_size"),
    [
        ("commit", BEFORE),
        ("inside", BEFORE),
        ("anchor", AFTER),
        ("half-anchor", AFTER),
        ("sign", AFTER),
        ("answer", AFTER),
    ],
)
def test_death_at(service: Service, tmp_path: Path, step: str, expected_size: int) -> None:
    """
    A service that dies at a step of an append leaves all of the batch or nothing of it, and no
    signed checkpoint of a tree that was not committed; what it had acknowledged is there, and
    whoever asks again is answered from one entry.
    """
    journal = Journal(service)
    service.start(mortal(step, count=len(FIRST) + 1))
    asyncio.run(acknowledge(service, journal, FIRST))
    asyncio.run(ask_in_vain(service, journal))

    # Nobody has the files open: now, and only now, they may be read past SQLite.
    left = shutil.copytree(service.config.home.directory, tmp_path / "left")
    on_disk = b"".join(path.read_bytes() for path in sorted(left.glob("ledger.db*")))
    if step == "inside":
        assert all(digest.encode() in on_disk for digest in BATCH), "this would prove nothing"
    with open_ledger(service.config.home, service.log_keys()) as ledger:
        assert expected_size == ledger.head.tree_size
        for note in NOTE.findall(on_disk):
            signed = Checkpoint.parse(Note.parse(note.decode()).text)
            assert signed.tree_size <= expected_size
            assert ledger.root_at(signed.tree_size) == signed.root

    service.start()
    asyncio.run(ask_again(service, journal, expected_size))
    assert 0 == service.stop()


def test_recovered_entries_are_anchored(service: Service) -> None:
    """
    An entry that a crash left in the ledger but not in the anchor is given out only once the
    anchor knows it: a database from before that entry is a rollback from then on.
    """
    home, journal = service.config.home, Journal(service)
    service.start()
    asyncio.run(acknowledge(service, journal, FIRST))
    assert 0 == service.stop()
    old = home.database.read_bytes()
    service.start(mortal("anchor", count=1))
    asyncio.run(ask_in_vain(service, journal))
    service.start()
    asyncio.run(acknowledge(service, journal, BATCH))
    service.kill()
    home.database.write_bytes(old)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (home.directory / name).unlink(missing_ok=True)

    with pytest.raises(RollbackError):
        open_ledger(home, service.log_keys()).close()


def mortal(step: str, count: int) -> tuple[str, ...]:
    """Return the program that dies at `step` of its `count`-th append."""
    return (sys.executable, "-m", "tests.crash.dying", step, str(count))


async def acknowledge(service: Service, journal: Journal, digests: list[Digest]) -> None:
    """Have each digest signed, one after the other."""
    async with Caller(service) as caller:
        for digest in digests:
            journal.asked.add(digest)
            answer = await caller.sign(digest)
            journal.acknowledge(digest, answer.record, answer.note)


async def ask_in_vain(service: Service, journal: Journal) -> None:
    """Ask for `BATCH` in one call, in which the service dies."""
    journal.asked.update(BATCH)
    async with Caller(service) as caller:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.sign_batch(BATCH)
    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
    assert dying.EXIT_CODE == service.wait(), service.log()[-4000:]


async def ask_again(service: Service, journal: Journal, expected_size: int) -> None:
    """Hold the service to what it acknowledged, and ask for everything once more."""
    async with Caller(service) as caller:
        await journal.check(caller)
        assert expected_size == max(journal.notes)
        answers = await caller.sign_batch([*BATCH, *FIRST])
        for digest, answer in zip([*BATCH, *FIRST], answers, strict=True):
            journal.acknowledge(digest, answer.record, answer.note)
        await journal.check(caller, everything=True)
        assert max(journal.notes) == AFTER
