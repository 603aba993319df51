"""A disk that answers with an error: the service ends at the first one, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest

from ledger.anchor import failure_note
from ledger.errors import CheckNeededError
from ledger.opening import open_ledger
from signer.server import EX_IOERR
from tests.crash.caller import Caller
from tests.crash.injecting import Fault, failing
from tests.crash.journal import Journal
from tests.crash.service import SEALBOOK, Service
from tests.crash.witnesses import Witnesses
from verifier.digest import Digest

CALLS = 6
FOLDING = (sys.executable, "-m", "tests.crash.folding")
DIGESTS = [Digest.of(b"image %d" % i) for i in range(CALLS)]
WRITE = re.compile(r"[0-9]+ +pwrite64\(")

# The first commit after a start writes and syncs the log's header too.
FEW = [
    Fault("log", "pwrite64", 1),
    Fault("log", "pwrite64", 8),
    Fault("log", "fsync", 1),
    Fault("log", "fsync", 2),
    Fault("log", "fsync", 3),
    Fault("anchor", "pwrite64", 1),
    Fault("anchor", "pwrite64", 2),
    Fault("anchor", "fdatasync", 1),
    Fault("anchor", "fdatasync", 2),
]
ALL = [
    *(Fault("log", "pwrite64", n) for n in range(2, 60)),
    *(Fault("log", "fsync", n) for n in range(4, CALLS + 2)),
    *(Fault("anchor", call, n) for call in ("pwrite64", "fdatasync") for n in range(3, CALLS + 1)),
]
FOLDED = [
    Fault("database", "pwrite64", 1),
    Fault("database", "fsync", 1),
    Fault("log", "fsync", 4),
]

PUBLICATION = [Fault("publication", "write", 2), Fault("publication", "fsync", 2)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A founded service, not running."""
    with Service(tmp_path / "service") as service:
        yield service


def name(fault: Fault) -> str:
    return f"{fault.file}-{fault.syscall}-{fault.nth}"


@pytest.mark.parametrize("fault", FEW, ids=name)
def test_io_error(service: Service, tmp_path: Path, fault: Fault) -> None:
    """
    At the first write or sync that fails the service ends with code 74: it answers nothing more,
    writes nothing more, and leaves word. It starts again only once somebody has looked, and then
    has all that it acknowledged.
    """
    fail_and_come_back(service, tmp_path, fault)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_io_error(tmp_path: Path) -> None:
    """
    The same of every single write and sync of some commits.
    """
    for fault in ALL:
        with Service(tmp_path / name(fault)) as service:
            fail_and_come_back(service, tmp_path, fault)


@pytest.mark.parametrize("fault", FOLDED, ids=name)
def test_io_error_in_the_database(service: Service, tmp_path: Path, fault: Fault) -> None:
    """
    The same when what fails is the copying of the write-ahead log into the database, which is a
    matter of no commit, and which SQLite by itself would keep quiet about.
    """
    fail_and_come_back(service, tmp_path, fault, FOLDING)


@pytest.mark.parametrize("fault", PUBLICATION, ids=name)
def test_io_error_in_the_publication(tmp_path: Path, fault: Fault) -> None:
    """
    The same when what fails is the keeping of what readers may see, behind the witnesses.
    """
    with (
        Witnesses(tmp_path / "witnesses") as witnesses,
        Service(tmp_path / "service", witnesses.policy) as service,
    ):
        witnesses.watch(service.log_key)
        fail_and_come_back(service, tmp_path, fault)


def fail_and_come_back(
    service: Service, tmp_path: Path, fault: Fault, program: Sequence[str] = SEALBOOK
) -> None:
    """Let one system call of `service` fail under some Sign calls, and hold it to its word."""
    home, journal = service.config.home, Journal(service)
    service.start(program)
    with failing(service, fault, tmp_path / f"{name(fault)}.trace") as trace:
        asyncio.run(sign_until_it_fails(service, journal))
        assert EX_IOERR == service.wait(), service.log()[-4000:]
    assert trace.injected >= 1
    if fault.file != "database":  # closing copies the log into it once more
        assert [] == [line for line in trace.after() if WRITE.match(line)]
    assert failure_note(home.anchor).exists()

    with pytest.raises(CheckNeededError) as caught:
        open_ledger(home, service.log_keys())
    assert "sealbook fsck" in caught.value.hint
    looked = service.command("fsck")
    assert (0, False) == (looked.returncode, failure_note(home.anchor).exists()), looked.stdout
    service.start()
    asyncio.run(ask_again(service, journal))
    assert 0 == service.stop()


async def sign_until_it_fails(service: Service, journal: Journal) -> None:
    """Sign one digest after the other; the one that fails is the last that is answered at all."""
    failed = False
    async with Caller(service) as caller:
        for digest in DIGESTS:
            journal.asked.add(digest)
            try:
                answer = await caller.sign(digest)
            except grpc.aio.AioRpcError:
                failed = True
            else:
                assert not failed, "a call was answered after the disk had failed"
                journal.acknowledge(digest, answer.record, answer.note)
    assert failed


async def ask_again(service: Service, journal: Journal) -> None:
    """Hold the service to what it acknowledged, and have the rest signed."""
    async with Caller(service) as caller:
        await journal.check(caller)
        for digest in itertools.chain(DIGESTS, DIGESTS):
            answer = await caller.sign(digest)
            journal.acknowledge(digest, answer.record, answer.note)
        await journal.check(caller, everything=True)
        assert 1 + CALLS == max(journal.notes)
