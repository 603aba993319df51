"""A service that dies at each named step of an append: nothing promised is lost, nothing forks."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger.errors import RollbackError
from ledger.opening import open_ledger
from ledger.publication import PublicationFile
from tests.crash import dying
from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.service import ORIGIN, Service
from tests.crash.signed import check_never_twice, signed_trees
from tests.crash.witnesses import Witnesses
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.merkle import Hash

FIRST = [Digest.of(b"first %d" % i) for i in range(3)]  # an append each
BATCH = [Digest.of(b"batch %d" % i) for i in range(60)]  # one append, in which it dies
BEFORE = 1 + len(FIRST)  # entries; the genesis event is one
AFTER = BEFORE + len(BATCH)

STEPS = {
    "commit": BEFORE,
    "inside": BEFORE,
    "anchor": AFTER,
    "half-anchor": AFTER,
    "anchored": AFTER,
    "sign": AFTER,
    "signed": AFTER,
    "answer": AFTER,
}
# What readers could see when it died; the entries themselves are all durable by then.
PUBLISHING = {
    "signed": BEFORE,
    "ask": BEFORE,
    "publish": BEFORE,
    "half-publish": BEFORE,
    "rename": BEFORE,
    "renamed": AFTER,
    "published": AFTER,
    "answer": AFTER,
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A founded service, not running."""
    with Service(tmp_path / "service") as service:
        yield service


@pytest.mark.parametrize(("step", "expected_size"), STEPS.items())
def test_death_at(service: Service, tmp_path: Path, step: str, expected_size: int) -> None:
    """
    A service that dies at a step of an append leaves all of the batch or nothing of it, and no
    signed checkpoint of a tree that was not committed; what it had acknowledged is there, and
    whoever asks again is answered from one entry.
    """
    die_and_come_back(service, tmp_path, step, expected_size)


@pytest.mark.parametrize(("step", "expected_published"), PUBLISHING.items())
def test_death_while_publishing(tmp_path: Path, step: str, expected_published: int) -> None:
    """
    A service that dies while witnesses are asked, or while it publishes, shows after its restart
    what it had shown, and then all that is durable, with the witnesses' signatures.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy) as service,
    ):
        witnesses.watch(service.log_key)
        trees = die_and_come_back(service, tmp_path, step, AFTER, expected_published)
        for note in witnesses.cosigned(ORIGIN):
            checkpoint = Checkpoint.parse(note.text)
            assert trees.get(checkpoint.tree_size, {checkpoint.root}) == {checkpoint.root}
        assert [] == witnesses.failures


def die_and_come_back(
    service: Service,
    tmp_path: Path,
    step: str,
    expected_size: int,
    expected_published: int | None = None,
) -> dict[int, set[Hash]]:
    """Let `service` die at `step`, see what it left, start it again, and hold it to its word.

    Returns every tree that it has ever signed.
    """
    home, journal = service.config.home, Journal(service)
    asks = expected_published is not None
    service.start(mortal(step, count=len(FIRST) + 1))
    asyncio.run(acknowledge(service, journal, FIRST))
    asyncio.run(ask_in_vain(service, journal))

    # Nobody has the files open: now, and only now, they may be read past SQLite.
    left = tmp_path / "left"
    shutil.copytree(home.directory, left / "ledger")
    shutil.copytree(home.anchor, left / "anchor")
    if step == "inside":
        on_disk = b"".join(path.read_bytes() for path in (left / "ledger").iterdir())
        assert all(digest.encode() in on_disk for digest in BATCH), "this would prove nothing"
    if asks:
        published = PublicationFile(home.anchor).load()
        assert published is not None
        assert expected_published == published.checkpoint.tree_size
    trees = signed_trees([left], service.log_key)
    with open_ledger(home, service.log_keys(), asks=asks) as ledger:
        assert expected_size == ledger.head.tree_size
        for size, roots in trees.items():
            assert size <= expected_size
            assert {ledger.root_at(size)} == roots

    service.start()
    asyncio.run(ask_again(service, journal, expected_size))
    assert 0 == service.stop()
    trees = signed_trees([left, home.directory, home.anchor], service.log_key)
    assert BEFORE in trees, "this would prove nothing"
    check_never_twice(trees)
    return trees


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
