"""A process that holds keys leaves no core, and lets nobody else into its memory."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.hardening import harden
from tests.signer.asking import refused
from tests.signer.running import Process
from tests.signer.world import World, init

ALL = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
SLEEP = "import sys, time; print('there', flush=True); time.sleep(60)"
# What a command is when its module is imported, before it could have read anything.
SAY = """\
import ctypes, resource, sys
class Say:
    def find_spec(self, name, path, target=None):
        if name == "signer.cli.%s":
            print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
            sys.exit(0)
sys.meta_path.insert(0, Say())
from signer.cli import main
main()
"""
LIMITLESS = """\
import resource
resource.setrlimit = lambda *_: None
from signer.cli import main
main()
"""


@pytest.fixture
def cores(tmp_path: Path) -> Iterator[None]:
    """A shell where `ulimit -c unlimited` was said, on a machine that does dump cores."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, ALL)
    except ValueError:
        pytest.skip("the limit on core files is 0 here, and not ours to raise")
    try:
        control = subprocess.Popen(
            [sys.executable, "-c", SLEEP], cwd=tmp_path, stdout=subprocess.PIPE
        )
        assert control.stdout is not None
        assert b"there\n" == control.stdout.readline()
        control.stdout.close()
        if not dumped(control, signal.SIGABRT):
            pytest.skip("this machine dumps no cores at all")
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def dumped(process: subprocess.Popen[bytes] | subprocess.Popen[str], number: int) -> bool:
    """End a process with a signal, and say whether the kernel made a core of it."""
    process.send_signal(number)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert -number == process.returncode
    return os.WCOREDUMP(status)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A service that a test starts and kills."""
    return init(tmp_path_factory.mktemp("hard") / "service")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_no_core(founded: World, cores: None, number: int) -> None:
    """
    A service that crashes leaves no core, whatever the shell allows that started it.
    """
    service = Process(founded)
    assert service.process.stdout is not None
    service.process.stdout.close()

    assert (0, 0) == resource.prlimit(service.process.pid, resource.RLIMIT_CORE)
    assert not dumped(service.process, number)
    assert not list(founded.directory.glob("core*"))


def test_not_dumpable(founded: World, cores: None) -> None:
    """
    Where the limit does nothing, as for cores that are piped to a program, there is none either.
    """
    service = subprocess.Popen(
        [sys.executable, "-c", LIMITLESS, "serve"],
        cwd=founded.directory,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    assert service.stdout.readline().startswith("serving")
    service.stdout.close()

    assert ALL == resource.prlimit(service.pid, resource.RLIMIT_CORE)
    assert not dumped(service, signal.SIGABRT)
    assert not list(founded.directory.glob("core*"))


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (("serve",), "serve"),
        (("init", "x"), "init"),
        (("trust", "sign", "x"), "trust"),
        (("witness", "serve", "x"), "witness"),
        (("revoke",), "revoke"),
    ],
)
def test_before_anything(command: tuple[str, ...], module: str) -> None:
    """
    A command that opens a key has no limit left for cores, and is not dumpable, from its start.
    """
    done = subprocess.run(
        [sys.executable, "-c", SAY % module, *command], capture_output=True, text=True, check=False
    )

    assert "0 0 0\n" == done.stdout, done.stderr


def test_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the system does not let a process be hardened, that is an error.
    """

    class Libc:
        def prctl(self, *_: int) -> int:
            return -1

    monkeypatch.setattr("signer.hardening.ctypes.CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr("signer.hardening.resource.setrlimit", lambda *_: None)

    refused("not-hardened", harden)
