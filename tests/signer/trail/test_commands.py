"""`sealbook audit-log verify`: on the service's machine, from outside, and over copies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.signer.access.known import known
from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import running
from tests.signer.world import World, found_in


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A service that signed, and was stopped."""
    world = found_in(tmp_path_factory.mktemp("stopped") / "service")
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
    return world


@pytest.fixture
def world(stopped: World, tmp_path: Path) -> World:
    """A copy of it."""
    shutil.copytree(stopped.directory, tmp_path / "service", ignore=shutil.ignore_patterns("run"))
    return World(tmp_path / "service")


def test_stopped(world: World) -> None:
    """
    Everything of a service that was stopped is covered by its ledger.
    """
    done = world.command("audit-log", "verify")

    assert 0 == done.returncode, done.stdout
    assert done.stdout.startswith("4 lines in 2 segments: 1 decisions, 1 outcomes with 1 entries, ")
    assert "entries 0 to 0 are from before the trail" in done.stdout
    assert "proven by" not in done.stdout
    assert done.stdout.endswith("nothing is wrong\n")


def test_nothing_is_changed(world: World) -> None:
    """
    A check changes no file of the trail or the ledger.
    """
    watched = [world.directory / "trail", world.directory / "ledger" / "ledger.db"]
    files = [f for path in watched for f in (path.iterdir() if path.is_dir() else [path])]
    before = {file: file.read_bytes() for file in files}
    world.command("audit-log", "verify")

    assert before == {file: file.read_bytes() for file in files}


def test_finding(world: World) -> None:
    """
    What is wrong is told with its place and code, as JSON too, and the exit code says it.
    """
    path = world.directory / "trail" / "1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    done = world.command("audit-log", "verify")
    as_json = world.command("audit-log", "verify", "--json")

    assert 1 == done.returncode
    assert "finding: segment 1, line 2: expected line 1 of the trail, found 2 (chain-broken)" in (
        done.stdout
    )
    *findings, last = map(json.loads, as_json.stdout.splitlines())
    assert ["chain-broken", "outcome-undecided"] == [finding["code"] for finding in findings]
    assert 2 == last["findings"]


def test_open_segment(tmp_path: Path) -> None:
    """
    Of a running service it is said what the ledger does not cover yet.
    """
    with running(found_in(tmp_path / "service")) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        service.server._trail.flush()
        done = service.command("audit-log", "verify")

    assert 0 == done.returncode, done.stdout
    assert "lines from 0 on, since 20" in done.stdout
    assert "within a minute" in done.stdout


def test_from_outside(tmp_path: Path) -> None:
    """
    An auditor checks a running service over the network, by the trust file that they pinned.
    """
    session = tmp_path / "session"
    session.write_text("test|auditor|*|session|")
    session.chmod(0o600)
    world = found_in(tmp_path / "service")
    with running(world, known) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        where = ("--service", service.addresses.grpc, "--token-file", session)
        trust = ("--trust", world.directory / "trust.json")
        done = world.command("audit-log", "verify", *where, *trust)
        unpinned = world.command("audit-log", "verify", *where)
        session.write_text("test|developer|*|session|")
        nobody = world.command("audit-log", "verify", *where, *trust)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "1 decisions, 1 outcomes with 1 entries" in done.stdout
    assert 2 == unpinned.returncode
    assert 1 == nobody.returncode
    assert "(permission-denied)" in nobody.stderr


def test_copies(world: World, tmp_path: Path) -> None:
    """
    An export and a copy of the trail are enough; another ledger's are not.
    """
    out = tmp_path / "www"
    assert 0 == world.command("ledger", "export", "--bodies", out).returncode
    copies = (out, "--trail", world.directory / "trail", "--trust", world.directory / "trust.json")
    assert 0 == world.command("audit-log", "verify", *copies).returncode

    other = found_in(tmp_path / "other")
    with running(other) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
    done = world.command("audit-log", "verify", *copies[:2], other.directory / "trail", *copies[3:])
    assert 1 == done.returncode
    assert "(entry-differs)" in done.stdout
