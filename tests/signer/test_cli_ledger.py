"""`sealbook ledger`: info, backup, mirror, restore, freeze and accept-clock, on a service."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from ledger.copies.replica import Grower
from ledger.errors import StorageFullError
from signer.keys.secret_files import write_secret
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import check_refused, one
from tests.signer.running import running
from tests.signer.world import World, found_in, init
from verifier.checkpoint import Checkpoint
from verifier.note import Note


def test_info(tmp_path: Path) -> None:
    """
    The info is told by a running service, and by the database of a stopped one.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        text = world.command("ledger", "info").stdout
        serving = one(world.command("ledger", "info", "--json"))
        head = service.ledger.head
    last = service.ledger.head  # with the segment of the audit trail
    stopped = one(world.command("ledger", "info", "--json"))
    told = world.command("ledger", "info").stdout

    assert text.startswith("ledger.example: 2 entries, 2 published\n")
    assert head.tree_size + 1 == last.tree_size
    for value, at in ((serving, head), (stopped, last)):
        assert ("ledger.example", at.tree_size, at.tree_size, at.root.hex()) == (
            value["origin"],
            value["tree_size"],
            value["published_size"],
            value["root"],
        )
        assert {"tree_size": at.tree_size, "root": at.root.hex()} == value["anchor"]
        assert not value["frozen"]
        assert 0 < value["first_at"] <= value["last_at"]
        assert value["database_bytes"] > 4096
    assert (True, False) == (serving["serving"], stopped["serving"])
    assert "none runs here" in told


def test_info_without_a_ledger(world: World) -> None:
    """
    Without a database there is nothing to tell; without an anchor it says so.
    """
    shutil.rmtree(world.directory / "anchor")
    assert one(world.command("ledger", "info", "--json"))["anchor"] is None
    assert "MISSING" in world.command("ledger", "info").stdout

    shutil.rmtree(world.directory / "ledger")
    check_refused(world.command("ledger", "info"), "ledger-missing")


def test_backup_mirror_restore(tmp_path: Path) -> None:
    """
    A backup and a mirror bring a lost ledger back, by three commands.
    """
    world = init(tmp_path / "service")
    file, mirror = tmp_path / "b.db", tmp_path / "mirror"
    with running(world) as service:
        made = one(world.command("ledger", "backup", file, "--json"))
        bare = world.command("ledger", "backup", tmp_path / "c.db", "--directory", "ledger")
        answers = [service.asking(lambda c, i=i: c.sign(digest(i), REPOSITORY)) for i in range(3)]
    with running(world) as service:  # going down has logged what the audit trail had
        size = service.tree_size
        copied = one(world.command("ledger", "mirror", mirror, "--trust", "trust.json", "--json"))
        told = world.command("status").stdout
        info = one(world.command("ledger", "info", "--json"))
        refused = world.command("ledger", "restore", file, "--from", mirror)
    taken = world.command("ledger", "backup", file)
    in_the_way = world.command("ledger", "restore", file, "--from", mirror)
    shutil.rmtree(world.directory / "ledger")
    alone = world.command("ledger", "restore", file)
    restored = one(world.command("ledger", "restore", file, "--from", mirror, "--json"))

    # The founding, and the configuration that was changed since.
    assert (2, "ledger.example") == (made["tree_size"], made["origin"])
    assert "c.db: 2 entries of ledger.example" in bare.stdout
    assert (size, size) == (copied["tree_size"], info["mirror_size"])
    assert f"mirror      {size} entries" in told
    check_refused(refused, "ledger-busy")
    check_refused(taken, "transfer")
    check_refused(in_the_way, "transfer")
    assert f"the anchor has seen {size} entries" in check_refused(alone, "ledger-rollback")
    assert (size, size - 2, copied["root"]) == (
        restored["tree_size"],
        restored["from_mirror"],
        restored["root"],
    )
    with running(world) as service:
        again = [service.asking(lambda c, i=i: c.sign(digest(i), REPOSITORY)) for i in range(3)]
        assert [signed.record for signed in answers] == [signed.record for signed in again]
        assert size == service.tree_size


def test_freeze(tmp_path: Path) -> None:
    """
    A ledger freezes only under its own name; then its last entry says so, and nothing follows.
    """
    world = init(tmp_path / "service")
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        asked = check_refused(world.command("ledger", "freeze", "--reason", "why"), "bad-request")
        check_refused(
            world.command("ledger", "freeze", "--origin", "other.example", "--reason", "why"),
            "foreign-ledger",
        )
        before = service.tree_size
        frozen = one(
            world.command(
                "ledger", "freeze", "--origin", "ledger.example", "--reason", "moved", "--json"
            )
        )
        told = world.command("status").stdout
        refused = world.sign(digest(2))
        again = world.sign(digest(1), "--out", tmp_path)
        twice = world.command("ledger", "freeze", "--origin", "ledger.example", "--reason", "moved")
        info = one(world.command("ledger", "info", "--json"))

    assert f"would freeze ledger.example, which has {before} entries, for good" in asked
    assert "--origin ledger.example --reason TEXT" in asked
    # What the audit trail had to log came first.
    assert before + 1 == frozen["index"]
    assert before + 2 == Checkpoint.parse(Note.parse(frozen["note"]).text).tree_size
    assert "FROZEN" in told
    assert info["frozen"]
    check_refused(refused, "ledger-frozen")
    check_refused(twice, "ledger-frozen")
    assert 0 == again.returncode


def test_accept_clock(tmp_path: Path) -> None:
    """
    Taking the clock as right is an event with a reason.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        done = world.command("ledger", "accept-clock", "--reason", "chrony", "--json")
        found = service.ledger.record(one(done)["index"])
        none = world.command("ledger", "accept-clock", "--reason", "")

    assert "urn:sealbook:clock-accepted" in found.body.decode("utf-8", "replace")
    check_refused(none, "bad-request")


def test_without_a_service(world: World) -> None:
    """
    What only a running service can do says that none runs.
    """
    freeze = ("--origin", "ledger.example", "--reason", "why")
    check_refused(world.command("ledger", "freeze", *freeze), "unreachable")
    check_refused(world.command("ledger", "accept-clock", "--reason", "why"), "unreachable")


def test_mirror_that_may_not_go_on(tmp_path: Path) -> None:
    """
    A mirror that follows ends when going on would be wrong: of a service that lost entries, that
    forgot its token, or of a ledger that the trust file does not list.
    """
    world, mirror = init(tmp_path / "service"), tmp_path / "mirror"
    with running(world):  # which logs its configuration
        pass
    for name in ("ledger", "trail"):
        shutil.copytree(world.directory / name, tmp_path / "old" / name)
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        assert 0 == world.command("ledger", "mirror", mirror).returncode
        write_secret(tmp_path / "token", b"sealbook_" + b"x" * 40)
        stranger = world.command(
            "ledger", "mirror", mirror, "--follow", "--service", service.addresses.grpc,
            "--token-file", tmp_path / "token",
        )  # fmt: skip
        found_in(tmp_path / "other")
        other = tmp_path / "other" / "trust.json"
        untrusted = world.command("ledger", "mirror", mirror, "--follow", "--trust", other)
    for name in ("ledger", "trail"):
        shutil.rmtree(world.directory / name)
        shutil.copytree(tmp_path / "old" / name, world.directory / name)
    shutil.rmtree(world.directory / "anchor")
    assert 0 == world.command("ledger", "adopt").returncode
    with running(world):
        behind = world.command("ledger", "mirror", mirror, "--follow", "--json")

    check_refused(stranger, "unauthenticated")
    check_refused(untrusted, "untrusted-log")
    check_refused(behind, "ledger-rollback")
    assert "ledger-rollback" == json.loads(behind.stdout.splitlines()[-1])["error"]


def test_mirror_waits_for_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A mirror whose disk is full goes on when there is space, and ends on SIGTERM.
    """
    world, append, calls = init(tmp_path / "service"), Grower.append, []

    def full(grower: Grower, *args: Any, **more: Any) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise StorageFullError("commit: no space left for the database")
        append(grower, *args, **more)
        os.kill(os.getpid(), signal.SIGTERM)

    with running(world), monkeypatch.context() as patch:
        patch.setattr(Grower, "append", full)
        done = world.command("ledger", "mirror", tmp_path / "mirror", "--follow")

    assert 0 == done.returncode, done.stderr
    assert "(storage-full)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("2 entries, root ")


def test_mirror_of_a_stopped_service(world: World, tmp_path: Path) -> None:
    """
    A mirror that reaches nobody, or is not let in, says so and stores nothing.
    """
    mirror = tmp_path / "mirror"
    world.edit('grpc = "127.0.0.1:0"', 'grpc = "127.0.0.1:1"')
    check_refused(world.command("ledger", "mirror", mirror), "unreachable")
    assert not (mirror / "ledger.db").exists()
