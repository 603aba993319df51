"""Mirrors under `kill -9`, and the death of a disk: what was acknowledged is there again."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
from pathlib import Path

import pytest

from tests.crash.caller import Caller
from tests.crash.journal import Journal
from tests.crash.mirrors import Load, MirrorProcess, level, stay
from tests.crash.service import Service
from tests.ledger.mirroring import content
from tests.signer.commands import one, spawn

SYNCHRONOUS = "\n[mirror]\nsynchronous = true\ndeadline_s = 20\n"
LOAD_S = (0.05, 0.8)


@pytest.mark.parametrize(
    "rounds", [5, pytest.param(40, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_either_side_is_killed(tmp_path: Path, rounds: int) -> None:
    """
    However often service and mirror are killed under load, in the end the mirror holds what the
    service does, byte for byte, and nothing that was acknowledged is lost.
    """
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with (
        Service(tmp_path / "service") as service,
        MirrorProcess(service, tmp_path / "mirror") as mirror,
    ):
        stay(service)
        journal = Journal(service)
        service.start()
        for _ in range(rounds):
            if not mirror.runs:
                mirror.start()
            dead = dice.choice(["service", "mirror", "both"])
            asyncio.run(load_and_kill(service, mirror, journal, dead, dice.uniform(*LOAD_S)))
        if not mirror.runs:
            mirror.start()
        size = asyncio.run(settle(service, mirror, journal))

        assert 0 == service.stop()  # with one entry more: the last segment of its audit trail
        assert 0 == mirror.stop(), mirror.log()
        ours = content(service.config.home.database)
        theirs = content(mirror.directory / "ledger.db")
        kept = [row for row in theirs.pop("checkpoint") if row[0] < len(ours["entry"])]
        assert ours.pop("checkpoint") == kept
        assert ours == theirs
        assert size == journal.events + len(journal.asked)
        assert len(journal.signatures) > 10 * rounds, "hardly any load: this proves little"


async def load_and_kill(
    service: Service, mirror: MirrorProcess, journal: Journal, dead: str, after_s: float
) -> None:
    """Load the service, and kill it or its mirror in the middle of that; the service is back."""
    async with Caller(service) as caller:
        load = Load(journal)
        load.start(caller)
        await asyncio.sleep(after_s)
        if dead != "service":
            mirror.kill()
        if dead != "mirror":
            service.kill()
        await load.stop()
    if dead != "mirror":
        await asyncio.to_thread(service.start)


async def settle(service: Service, mirror: MirrorProcess, journal: Journal) -> int:
    """Ask again for whatever has no answer, hold the service to all it said; return its size."""
    await level(service, mirror)
    async with Caller(service) as caller:
        for digest in sorted(journal.unanswered):
            answer = await caller.sign(digest)
            journal.acknowledge(digest, answer.record, answer.note)
        size = await level(service, mirror)
        await journal.check(caller, everything=True)
    return size


@pytest.mark.parametrize("lost", ["ledger", "ledger and anchor"])
def test_death_of_a_disk(tmp_path: Path, lost: str) -> None:
    """
    A service with a synchronous mirror is killed under load, and its disk is gone: backup and
    mirror bring every acknowledged signature back at its index, and the service goes on without
    a fork; also when the anchor is gone with the disk.
    """
    with (
        Service(tmp_path / "service", more=SYNCHRONOUS) as service,
        MirrorProcess(service, tmp_path / "mirror") as mirror,
    ):
        stay(service)
        journal = Journal(service)
        config = ("--config", service.directory / "sealbook.toml")
        service.start()
        mirror.start()
        backup = tmp_path / "backup.db"
        asyncio.run(load_and_back_up(service, journal, backup, config))
        acknowledged = max(record.index for record in journal.signatures.values())
        mirror.kill()  # it has not folded its log in: a restore reads it all the same
        shutil.rmtree(service.config.home.directory)
        if lost != "ledger":
            shutil.rmtree(service.config.home.anchor)

        alone = spawn("ledger", "restore", backup, *config)
        newest = ("--newest",) if lost != "ledger" else ()
        done = one(
            spawn(
                "ledger", "restore", backup, "--from", mirror.directory, "--json", *config, *newest
            )
        )

        assert 1 == alone.returncode
        assert ("ledger-rollback" if lost == "ledger" else "anchor-missing") in alone.stderr
        assert done["tree_size"] > acknowledged
        assert (0, True) == (done["left_out"], done["from_mirror"] > 0)
        service.start()
        mirror.start()
        size = asyncio.run(settle(service, mirror, journal))
        assert size == journal.events + len(journal.asked)
        assert len(journal.signatures) > 100, "hardly any load: this proves little"
        assert 0 == mirror.stop(), mirror.log()
        assert 0 == service.stop()


async def load_and_back_up(
    service: Service, journal: Journal, backup: Path, config: tuple[object, ...]
) -> None:
    """Load a service, back it up in the middle of that, and kill it when it has gone on."""
    async with Caller(service) as caller:
        load = Load(journal)
        load.start(caller)
        await load.until(50)
        made = one(await asyncio.to_thread(spawn, "ledger", "backup", backup, "--json", *config))
        await load.until(made["tree_size"] + 100)
        service.kill()
        await load.stop()


def test_backup_of_a_killed_service(tmp_path: Path) -> None:
    """
    What a killed service had committed is in a backup that is taken before it starts again.
    """
    with Service(tmp_path / "service") as service:
        journal = Journal(service)
        config = ("--config", service.directory / "sealbook.toml")
        service.start()
        asyncio.run(load_and_kill_alone(service, journal))
        made = one(spawn("ledger", "backup", tmp_path / "b.db", "--json", *config))
        info = one(spawn("ledger", "info", "--json", *config))

        assert made["tree_size"] == info["tree_size"]
        assert made["tree_size"] > max(record.index for record in journal.signatures.values())
        assert info["wal_bytes"] > 0
        assert not info["serving"]


async def load_and_kill_alone(service: Service, journal: Journal) -> None:
    """Load a service that has no mirror, and kill it in the middle of that."""
    async with Caller(service) as caller:
        load = Load(journal)
        load.start(caller)
        await load.until(20)
        service.kill()
        await load.stop()


def test_without_its_mirror(tmp_path: Path) -> None:
    """
    With a synchronous mirror nothing is acknowledged that only this machine holds; when the mirror
    is there, the same request finds its entry.
    """
    more = SYNCHRONOUS.replace("20", "0.3")
    with (
        Service(tmp_path / "service", more=more) as service,
        MirrorProcess(service, tmp_path / "mirror") as mirror,
    ):
        stay(service)
        journal = Journal(service)
        service.start()
        asyncio.run(load_for(service, journal, 1.0))
        assert not journal.signatures
        mirror.start()
        size = asyncio.run(settle(service, mirror, journal))
        assert size == journal.events + len(journal.asked)


async def load_for(service: Service, journal: Journal, seconds: float) -> None:
    """Load a service for some time."""
    async with Caller(service) as caller:
        load = Load(journal)
        load.start(caller)
        await asyncio.sleep(seconds)
        await load.stop()
