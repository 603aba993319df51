"""`sealbook fsck`: what it prints, and what its exit code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import anchor
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import edit
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import check_refused, lines, one, sealbook
from tests.signer.running import running
from tests.signer.world import World, found_in


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A service of a few entries, stopped."""
    world = found_in(tmp_path)
    with running(world) as service:
        for n in range(5):
            service.asking(lambda client, n=n: client.sign(digest(n), REPOSITORY))
    return world


def database(world: World) -> Path:
    """Where the service's database is."""
    return world.directory / "ledger" / "ledger.db"


def test_nothing_is_wrong(world: World) -> None:
    """
    A sound ledger is told so with exit code 0, whatever is checked.
    """
    for options in ([], ["--signatures"], ["--crosscheck"], ["--signatures", "--crosscheck"]):
        done = sealbook("fsck", "--config", world.config, *options)

        assert (0, "nothing is wrong\n", "") == (done.returncode, done.stdout, done.stderr)


def test_finding(world: World) -> None:
    """
    Each finding is a line with its code, its index and both values, and the exit code is 1.
    """
    edit(database(world), "UPDATE entry SET body = x'00' WHERE idx = 3")
    edit(database(world), "DELETE FROM dedup WHERE idx = 4")
    done = sealbook("fsck", "--config", world.config)

    found = done.stdout.splitlines()
    assert 1 == done.returncode
    assert any(line.startswith("body-altered at 3: expected the body that ") for line in found)
    assert any(line.startswith("dedup at 4: expected dedup key ") for line in found)
    assert f"{len(found) - 1} findings" == found[-1]
    assert "Traceback" not in done.stderr


def test_json(world: World) -> None:
    """
    For machines each finding is an object, and the last line counts them.
    """
    edit(database(world), "DELETE FROM dedup WHERE idx = 4")
    done = sealbook("fsck", "--json", "--config", world.config)

    [finding, count] = lines(done)
    assert (1, {"findings": 1, "encrypted": 0}) == (done.returncode, count)
    assert ("dedup", 4, "none") == (finding["code"], finding["index"], finding["found"])


def test_beside_the_service(world: World) -> None:
    """
    A check may run beside the service; a repair may not, and says who is in the way.
    """
    with running(world) as service:
        done = sealbook("fsck", "--signatures", "--crosscheck", "--config", world.config)
        assert (0, "nothing is wrong\n") == (done.returncode, done.stdout)
        check_refused(sealbook("fsck", "--repair", "--config", world.config), "ledger-busy")

        service.asking(lambda client: client.sign(digest(9), REPOSITORY))


def test_repair(world: World) -> None:
    """
    A repair makes the indexes again and checks: exit code 0 when nothing is wrong any more.
    """
    edit(database(world), "DELETE FROM dedup")
    edit(database(world), "UPDATE entry SET labels = cast('{}' AS BLOB) WHERE idx = 3")
    assert 1 == sealbook("fsck", "--config", world.config).returncode

    done = sealbook("fsck", "--repair", "--config", world.config)

    assert (0, "nothing is wrong") == (done.returncode, done.stdout.splitlines()[-1])
    assert "labels of 1 entries" in done.stdout
    assert 0 == sealbook("fsck", "--config", world.config).returncode


def test_repair_of_wrong_entries(world: World) -> None:
    """
    A repair refuses when an entry is wrong.
    """
    edit(database(world), "UPDATE entry SET entry = x'00' WHERE idx = 3")

    check_refused(sealbook("fsck", "--repair", "--config", world.config), "ledger-damaged")


def test_directory_alone(world: World, tmp_path: Path) -> None:
    """
    A ledger's directory is checked without a configuration, and what that leaves out is said.
    """
    done = sealbook("fsck", "--directory", world.directory / "ledger", "--crosscheck", cwd=tmp_path)

    assert 0 == done.returncode
    assert "seal" in done.stdout
    assert "nothing is wrong" == done.stdout.splitlines()[-1]

    edit(database(world), "UPDATE entry SET entry = x'00' WHERE idx = 3")
    done = sealbook("fsck", "--directory", world.directory / "ledger", "--json", cwd=tmp_path)
    assert {("root", 7), ("range", 0)} <= {(f.get("code"), f.get("index")) for f in lines(done)}
    check_refused(
        sealbook("fsck", "--directory", world.directory / "ledger", "--repair"), "bad-request"
    )


def test_crosscheck(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A root that only the other implementation finds wrong is a finding, and so is no answer.
    """
    monkeypatch.setattr("signer.cli.fsck.fsck", lambda *_args, **_options: iter(()))
    edit(database(world), "UPDATE entry SET entry = x'00' WHERE idx = 3")
    done = sealbook("fsck", "--crosscheck", "--json", "--config", world.config)
    finding, _ = lines(done)
    assert (1, "crosscheck", 7) == (done.returncode, finding["code"], finding["index"])
    assert "pymerkle" in finding["found"]

    edit(database(world), "UPDATE entry SET labels = x'' WHERE idx = 3")
    edit(database(world), "ALTER TABLE entry RENAME TO lost")
    done = sealbook("fsck", "--crosscheck", "--json", "--config", world.config)
    finding, _ = lines(done)
    assert (1, "crosscheck") == (done.returncode, finding["code"])
    assert "no answer" in finding["found"]


def test_word_of_a_failed_disk(world: World) -> None:
    """
    After a disk failed the service starts only when a check with the keys found nothing wrong.
    """
    directory = world.directory / "anchor"
    note = anchor.failure_note(directory)
    note.write_text("commit: disk I/O error")
    edit(database(world), "DELETE FROM dedup WHERE idx = 4")

    assert 1 == sealbook("fsck", "--config", world.config).returncode
    assert note.exists()
    assert 0 == sealbook("fsck", "--repair", "--config", world.config).returncode
    assert not note.exists()
    note.write_text("commit: disk I/O error")
    assert 0 == sealbook("fsck", "--directory", world.directory / "ledger").returncode
    assert note.exists()


def test_no_ledger(tmp_path: Path) -> None:
    """
    Where there is no ledger that is said by its code, and none is made.
    """
    check_refused(sealbook("fsck", "--directory", tmp_path), "ledger-missing")

    assert [] == list(tmp_path.iterdir())


def test_damage_to_the_database_itself(world: World) -> None:
    """
    A page that cannot be read is a finding, and a file that is no database is refused by a code.
    """
    path = database(world)
    [(page,)] = edit(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'dedup'")
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    done = sealbook("fsck", "--json", "--config", world.config)
    assert 1 == done.returncode
    assert "dedup-unreadable" in {finding.get("code") for finding in lines(done)}

    path.write_bytes(b"\xff" * len(data))
    check_refused(sealbook("fsck", "--config", world.config), "ledger-damaged")


def test_help_names_all(world: World) -> None:
    """
    The help shows every option, and the store of the test is closed.
    """
    done = sealbook("fsck", "--help")

    assert 0 == done.returncode
    for option in ("--directory", "--signatures", "--crosscheck", "--repair", "--json"):
        assert option in done.stdout
    SqliteStore(database(world)).close()
    assert {"findings": 0, "encrypted": 0} == one(
        sealbook("fsck", "--json", "--config", world.config)
    )
