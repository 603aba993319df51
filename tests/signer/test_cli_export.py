"""`sealbook ledger export`: which checkpoint it exports, from where, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

from tests.signer.asking import REPOSITORY, item
from tests.signer.commands import check_refused, free_address, one
from tests.signer.running import Process, running, serving
from tests.signer.world import World, found_in, init
from verifier.checkpoint import Checkpoint
from verifier.note import Note


def exported(to: Path) -> Checkpoint:
    """The checkpoint that an export exposes."""
    return Checkpoint.parse(Note.parse((to / "checkpoint").read_text()).text)


def sign(service: Process, start: int, stop: int) -> None:
    """Have images approved."""
    with service.client() as client:
        client.sign_batch(REPOSITORY, [item(n) for n in range(start, stop)])


def test_live_service(tmp_path: Path) -> None:
    """
    A service that runs is exported up to what it shows at that moment, and again later.
    """
    www = tmp_path / "www"
    with serving(init(tmp_path / "service")) as service:
        for stop in (3, 6):
            sign(service, stop - 3, stop)
            done = service.command("ledger", "export", www, "--json")
            assert 0 == done.returncode, done.stderr
            # Before them are the founding, and the configuration that was changed since.
            assert {"directory": str(www), "tree_size": stop + 2} == {
                name: value for name, value in one(done).items() if name != "files"
            }
            assert stop + 2 == exported(www).tree_size
        done = service.command("ledger", "export", www)
    assert f"exported 8 entries to {www}, 0 files are new\n" == done.stdout
    assert "" == done.stderr


def test_bodies(tmp_path: Path) -> None:
    """
    Bodies are in an export only when they are asked for.
    """
    with running(found_in(tmp_path / "service")) as service:
        service.asking(lambda client: client.sign(item(1).digest, REPOSITORY))
    world = World(service.directory)
    plain, full = tmp_path / "plain", tmp_path / "full"
    assert 0 == world.command("ledger", "export", plain).returncode
    assert 0 == world.command("ledger", "export", full, "--bodies").returncode

    assert not (plain / "bodies").exists()
    assert exported(full).tree_size == len(list((full / "bodies/sha256").iterdir()))


def test_database_elsewhere(tmp_path: Path) -> None:
    """
    A copy of a database is exported with a trust file alone, up to a named checkpoint.
    """
    with running(found_in(tmp_path / "service")) as service:
        service.asking(lambda client: client.sign(item(1).digest, REPOSITORY))
        (tmp_path / "note").write_text(service.ledger.public_note())
    (service.directory / "sealbook.toml").rename(tmp_path / "gone")
    where = (
        "--directory",
        service.directory / "ledger",
        "--trust",
        service.directory / "trust.json",
    )
    world = World(service.directory)
    done = world.command("ledger", "export", tmp_path / "kept", *where)
    named = world.command("ledger", "export", tmp_path / "www", *where, "--checkpoint", "../note")

    assert 0 == done.returncode, done.stderr
    assert 0 == named.returncode, named.stderr
    assert 1 <= exported(tmp_path / "kept").tree_size <= 2
    assert 2 == exported(tmp_path / "www").tree_size
    check_refused(world.command("ledger", "export", tmp_path / "x", *where[:2]), "config")


def test_refused(tmp_path: Path) -> None:
    """
    A checkpoint of others, a note that is none and a database that is not there are refused.
    """
    world, other = found_in(tmp_path / "service"), found_in(tmp_path / "other")
    with running(other) as service:
        (tmp_path / "foreign").write_text(service.ledger.public_note())
    (tmp_path / "nothing").write_bytes(b"\xff\0")
    to = tmp_path / "www"

    def told(code: str, *more: object) -> None:
        check_refused(world.command("ledger", "export", to, *more), code)

    told("untrusted-log", "--checkpoint", tmp_path / "foreign")
    told("malformed", "--checkpoint", tmp_path / "nothing")
    told("unreadable", "--checkpoint", tmp_path / "none")
    told("ledger-missing", "--directory", tmp_path)
    told("transfer", "--checkpoint", _save(tmp_path / "mine", world), "--trust", "trust.json")
    assert not (to / "checkpoint").exists()


def _save(path: Path, world: World) -> Path:
    """Save a checkpoint of more entries than a database that was put back has."""
    database = world.directory / "ledger" / "ledger.db"
    before = database.read_bytes()
    with running(world) as service:
        service.asking(lambda client: client.sign(item(1).digest, REPOSITORY))
        path.write_text(service.ledger.public_note())
    database.write_bytes(before)
    return path


def test_unpublished_checkpoint(tmp_path: Path) -> None:
    """
    Where others must have a checkpoint before readers may, being signed is not enough.
    """
    world = found_in(tmp_path / "service", http=free_address())
    with world.config.open("a") as file:
        file.write("\n[mirror]\nsynchronous = true\n")
    told = check_refused(world.command("ledger", "export", tmp_path / "www"), "transfer")

    assert "--checkpoint" in told
    assert not (tmp_path / "www" / "checkpoint").exists()


def test_json_refusal(tmp_path: Path) -> None:
    """
    A machine reads the same refusal.
    """
    world = found_in(tmp_path / "service")
    (tmp_path / "www").write_text("a file")
    done = world.command("ledger", "export", tmp_path / "www", "--json")

    told = json.loads(done.stdout)
    assert (1, "transfer") == (done.returncode, told["error"])
    assert str(tmp_path / "www") in told["message"]
