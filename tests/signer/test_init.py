"""`sealbook init`: a whole service where nothing was, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.signer.commands import check_refused, one, sealbook, spawn
from tests.signer.world import World, found_in, init


def test_init(tmp_path: Path) -> None:
    """
    A new service has keys that nobody else can read, and says what to do next.
    """
    world = init(tmp_path / "service")
    done = spawn("init", tmp_path / "other")
    modes = {path.name: path.stat().st_mode & 0o777 for path in world.directory.rglob("*")}

    assert f"cd {tmp_path / 'other'} && sealbook serve" in done.stdout
    assert {0o600} == {mode for name, mode in modes.items() if name.endswith(".pem")}
    assert {0o600} == {modes[name] for name in ("seal", "token", "ledger.db", "anchor")} - {0o700}
    assert 0o700 == modes["keys"] == modes["ledger"] == world.directory.stat().st_mode & 0o777
    assert world.trust.keys
    check_refused(sealbook("init", world.directory), "config")
    assert (world.directory / "token").read_text().strip() == world.token


def test_init_as_json(tmp_path: Path) -> None:
    """
    Machines are told in JSON what was made, or what refused.
    """
    done = sealbook("init", tmp_path / "service", "--json")
    again = sealbook("init", tmp_path / "service", "--json")

    assert {"directory": str(tmp_path / "service"), "origin": "ledger.local"} == one(done)
    assert (1, "config") == (again.returncode, one(again)["error"])


@pytest.mark.parametrize("where", ["file", "file/below", "keys", "token", "trust", "ledger"])
def test_init_where_something_is(tmp_path: Path, where: str) -> None:
    """
    A service is not made where something else is, and that is left as it was.
    """
    for name in ("file", "token/token", "trust/trust.json", "ledger/ledger/ledger.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "keys" / "keys").mkdir(parents=True)
    before = {path: path.is_dir() or path.read_text() for path in tmp_path.rglob("*")}
    check_refused(sealbook("init", tmp_path / where), "config")

    assert before == {path: path.is_dir() or path.read_text() for path in tmp_path.rglob("*")}


@pytest.mark.parametrize(
    "option",
    [
        ("--origin", "Ledger.example"),
        ("--grpc", "localhost:8640"),
        ("--http", '127.0.0.1:1"\nx = "'),
        ("--keys", "none"),
    ],
    ids=lambda option: option[0],
)
def test_init_with_bad_option(tmp_path: Path, option: tuple[str, str]) -> None:
    """
    What no service could be made with or started with is refused, and nothing is made.
    """
    done = sealbook("init", "service", *option, cwd=tmp_path)

    check_refused(done, "key-file" if option[0] == "--keys" else "config")
    assert [] == list(tmp_path.iterdir())


def test_init_with_keys(tmp_path: Path) -> None:
    """
    A service can be made with keys that are there already; they are copied.
    """
    first = found_in(tmp_path / "first")
    done = sealbook("init", tmp_path / "second", "--keys", first.directory / "keys")
    second = World(tmp_path / "second")

    assert 0 == done.returncode, done.stderr
    assert set(first.trust.keys) == set(second.trust.keys)
    assert first.token != second.token
    assert 0o600 == (second.directory / "keys" / "log.pem").stat().st_mode & 0o777
