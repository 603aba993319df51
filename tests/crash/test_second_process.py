"""Two services over one ledger: one of them is refused, or stops at its first append."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger.errors import LedgerBusyError
from ledger.opening import open_ledger
from signer.server import EX_IOERR
from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.service import Service
from tests.crash.signed import check_never_twice, signed_trees
from verifier.digest import Digest

REFUSED = 1  # the exit code of a start that was refused


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that runs."""
    with Service(tmp_path / "service") as service:
        service.start()
        yield service


def sign(service: Service, journal: Journal, *images: int) -> None:
    """Have these images approved, one after the other."""

    async def do() -> None:
        async with Caller(service) as caller:
            for image in images:
                digest = Digest.of(b"%d" % image)
                journal.asked.add(digest)
                answer = await caller.sign(digest)
                journal.acknowledge(digest, answer.record, answer.note)

    asyncio.run(do())


def check(service: Service, journal: Journal) -> None:
    """Hold the service to everything that was ever promised."""

    async def do() -> None:
        async with Caller(service) as caller:
            await journal.check(caller, everything=True)

    asyncio.run(do())


def sign_in_vain(service: Service, image: int) -> None:
    """Ask for one image, and see the call fail."""

    async def do() -> None:
        async with Caller(service) as caller:
            with pytest.raises(grpc.aio.AioRpcError):
                await caller.sign(Digest.of(b"%d" % image))

    asyncio.run(do())


def start_in_vain(service: Service, code: str) -> None:
    """See the start of another process refused with this code, and in time."""
    service.spawn()
    assert REFUSED == service.wait()
    assert f"({code})" in service.log()


def test_second_service(service: Service) -> None:
    """
    A second service over a ledger that is served is refused, also while the first stands still.
    """
    journal = Journal(service)
    sign(service, journal, 1, 2)
    start_in_vain(service.twin(), "ledger-busy")
    service.pause()
    start_in_vain(service.twin(), "ledger-busy")
    service.resume()

    sign(service, journal, 3)
    check(service, journal)
    assert 0 == service.stop()


def test_paused_and_killed(service: Service) -> None:
    """
    Once the paused one is killed the next takes over, with all that was acknowledged, and the
    dead one cannot wake up.
    """
    journal = Journal(service)
    sign(service, journal, 1, 2)
    service.pause()
    with pytest.raises(LedgerBusyError):
        open_ledger(service.config.home, service.log_keys())
    service.kill()
    service.start()

    sign(service, journal, 1, 2, 3)
    check(service, journal)
    assert 4 == max(journal.notes)
    assert 0 == service.stop()


def test_paused_while_its_lock_was_taken_away(service: Service) -> None:
    """
    A service that wakes up late, after somebody removed its lock files and another one went on
    writing, answers nothing: its first append finds the head moved, and it ends.
    """
    journal, home = Journal(service), service.config.home
    sign(service, journal, 1, 2)
    service.pause()
    locks = [*service.directory.rglob("*.lock")]
    assert home.lock in locks
    for lock in locks:
        lock.unlink()
    with service.twin() as second:
        second.start()
        sign(second, journal, 3, 4)
        service.resume()
        sign_in_vain(service, 5)
        assert EX_IOERR == service.wait()
        assert "head-moved" in service.log()

        journal.asked.add(Digest.of(b"5"))
        sign(second, journal, 6)
        check(second, journal)
        assert 0 == second.stop()
    check_never_twice(signed_trees([home.directory, home.anchor], service.log_key))


def test_copy_started_elsewhere(service: Service, tmp_path: Path) -> None:
    """
    A copy of a service's whole directory is not started, whether the first one runs or not.
    """
    assert 0 == service.stop()
    copy = service.twin(tmp_path / "copy")

    start_in_vain(copy, "ledger-copied")
    service.start()
    start_in_vain(copy, "ledger-copied")
    assert 0 == service.stop()
