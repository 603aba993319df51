"""The commands, as a user types them: what they print, how they end, and what helps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from signer import cli
from signer.cli import serve
from tests.signer.commands import ROOT, Done, check_refused, one, sealbook, spawn
from tests.signer.running import running
from tests.signer.world import found_in

COMMANDS = re.findall(r"(?m)^  ([\w-]+) ", cli.USAGE)


def run(code: str, *args: str) -> Done:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_usage() -> None:
    """
    The command alone says what there is; with --help it says so gladly.
    """
    bare, asked = spawn(), spawn("--help")

    assert (2, 0) == (bare.returncode, asked.returncode)
    assert bare.stdout == asked.stdout == cli.USAGE
    assert set(COMMANDS) == {*cli._COMMANDS, "verify"}
    assert sealbook("--version").stdout.startswith("sealbook 0.")


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """
    Every command has help with an example.
    """
    done = sealbook(command, "--help")
    example = done.stdout.partition("example:\n")[2].split("\n")[0]

    assert 0 == done.returncode
    assert f"sealbook {command}" in example
    assert f"usage: sealbook {command}" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["Sign"],
        ["--frobnicate"],
        ["sign"],
        ["sign", "sha256:x"],
        ["sign", "oci:image"],
        ["attest", "oci:image", "--type", "vuln", "--predicate", "report.json"],
        ["sign", "--repo", "x", "y"],
        ["search", "colour", "red"],
        ["proof"],
        ["init"],
        ["ledger"],
        ["ledger", "drop"],
        ["status", "extra"],
        ["verify"],
    ],
    ids=" ".join,
)
def test_asked_wrongly(words: list[str]) -> None:
    """
    A command line that cannot be meant ends with 2, and says what is wrong.
    """
    done = sealbook(*words)

    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr
    assert "Traceback" not in done.stderr


BLOCKED = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
from signer.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("grpc", "serve"),
        ("grpc", "sign"),
        ("google.protobuf", "serve"),
        ("pydantic", "init"),
        ("pysqlite3", "serve"),
        ("uvicorn", "serve"),
        ("starlette", "serve"),
        ("prometheus_client", "serve"),
        ("structlog", "serve"),
        ("grpc_health", "serve"),
    ],
)
def test_missing_library(library: str, command: str) -> None:
    """
    A command whose library is missing names it, and the extra that brings it.
    """
    done = run(BLOCKED, library, command, "--help")

    assert 1 == done.returncode, done.stdout
    assert f"`sealbook {command}` needs {library}" in done.stderr
    assert "pip install 'sealbook[server]'" in done.stderr


def test_verify_needs_no_library() -> None:
    """
    `sealbook verify` works where none of the server's libraries is installed.
    """
    blocked = "grpc,google,pydantic,pysqlite3,sqlite_utils,uvicorn,starlette,structlog,rich"
    done = run(BLOCKED, f"{blocked},prometheus_client", "verify", "--help")

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "words", [["serve"], ["status"], ["checkpoint"], ["migrate"], ["ledger", "adopt"]], ids=" ".join
)
def test_without_configuration(tmp_path: Path, words: list[str]) -> None:
    """
    Where there is no configuration, commands say how to make one.
    """
    told = check_refused(sealbook(*words, cwd=tmp_path), "config")

    assert "hint:  make a service with `sealbook init DIR`" in told


def test_configuration_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The configuration may be named by $SEALBOOK_CONFIG, and --config wins over it.
    """
    world = found_in(tmp_path / "service")
    monkeypatch.setenv("SEALBOOK_CONFIG", str(world.config))
    done = spawn("migrate", cwd=tmp_path)
    other = sealbook("migrate", "--config", "none", cwd=tmp_path)

    assert (0, 1) == (done.returncode, other.returncode)


def test_migrate(tmp_path: Path) -> None:
    """
    Raising a schema that is current changes nothing; a ledger that is served is left alone.
    """
    world = found_in(tmp_path / "service")
    done = world.command("migrate", "--json")

    assert (0, ["schema 3 -> 3"]) == (done.returncode, one(done)["steps"])
    assert "the schema is current" in world.command("migrate").stdout
    with running(world):
        check_refused(world.command("migrate"), "ledger-busy")
    (world.directory / "ledger" / "ledger.db").unlink()
    assert "sealbook init" in check_refused(world.command("migrate"), "ledger-missing")


def test_adopt(tmp_path: Path) -> None:
    """
    A ledger that was copied is refused until it is adopted, and serves then.
    """
    world = found_in(tmp_path / "service")
    database = world.directory / "ledger" / "ledger.db"
    copied = database.with_name("copy")
    copied.write_bytes(database.read_bytes())
    copied.rename(database)
    told = check_refused(world.spawn("serve"), "ledger-copied")
    done = world.spawn("ledger", "adopt", "--json")

    assert "sealbook ledger adopt" in told
    assert (0, {"tree_size": 1}) == (done.returncode, one(done))
    with running(world) as service:
        assert 1 == service.tree_size
        check_refused(world.command("ledger", "adopt"), "ledger-busy")


def test_adopt_without_anchor(tmp_path: Path) -> None:
    """
    A missing anchor is made anew by adopting, and only by that.
    """
    world = found_in(tmp_path / "service")
    (world.directory / "anchor" / "anchor").unlink()
    check_refused(world.spawn("serve"), "anchor-missing")

    assert "adopted 1 entries" in world.command("ledger", "adopt").stdout
    with running(world) as service:
        assert 1 == service.tree_size


def test_log_tells_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """
    On a terminal too, an unexpected error is logged without the values of local variables.
    """

    def fail(token: str) -> None:
        raise ZeroDivisionError(token[:0])

    before = structlog.get_config()
    try:
        serve._log(as_json=False)
        fail("canary-" + "9" * 5)
    except ZeroDivisionError as e:
        structlog.get_logger().error("internal error", exc_info=e)
    finally:
        structlog.configure(**before)
    logged = capsys.readouterr().err

    assert "ZeroDivisionError" in logged
    assert "canary-99999" not in logged
