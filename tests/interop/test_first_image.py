"""README's "Sign your first image", typed as it stands: a registry, a service, six readers.

What is put in the place of what the page names: free ports on loopback. What the page installs is
installed; readers that this machine does not have come from where the other tests get them.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.peers import Containers
from tests.interop.readers import Programs
from tests.signer.asking import PATIENCE_S
from tests.signer.commands import ROOT, SEALBOOK, free_address
from tests.signer.place import Place

_SECTION = re.compile(r"^## Sign your first image\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_READER = re.compile(r"^((?:.*\\\n)?.*\S) +# (\d): (.*)$", re.MULTILINE)
_INSTALL = re.compile(r"^pip install .*$", re.MULTILINE)
_IMAGE, _OTHER = "team/app:1.0", "team/app:2.0"


def blocks() -> list[str]:
    """Return what the page has for a shell: serving, signing, reading, and asking the registry."""
    [section] = _SECTION.findall((ROOT / "README.md").read_text())
    found = _BLOCK.findall(section)
    assert 4 == len(found)
    return [str(block) for block in found]


class Machine:
    """The machine of the page, with every program that it names."""

    def __init__(self, home: Path, programs: dict[str, Path], containers: Containers) -> None:
        commands = home / "bin"
        commands.mkdir()
        for name, program in programs.items():
            (commands / name).symlink_to(program)
        containers.install(commands, home)
        self._words = {
            "127.0.0.1:5000": free_address(),
            "sealbook init service": f"sealbook init service --grpc {free_address()}"
            f" --http {free_address()}",
        }
        path = f"{commands}:{SEALBOOK.parent}:{os.environ['PATH']}"
        self._variables = {"HOME": str(home), "PATH": path}
        self.home, self.service = home, home / "service"
        self.pids: list[int] = []

    def at(self, directory: Path) -> Place:
        """Return a shell in a directory."""
        return Place(directory, self._words, **self._variables)

    def serve(self, block: str) -> None:
        """Type the page's first block, and wait until what it starts serves."""
        place = self.at(self.home)
        place.type(f"{_INSTALL.sub('', block)}\njobs -p > ~/pids\n")
        self.pids = [int(pid) for pid in (self.home / "pids").read_text().split()]
        for log, said in (("registry.log", "listening on"), ("out", "serving gRPC on")):
            end = time.monotonic() + PATIENCE_S
            while said not in (self.home / log).read_text():
                assert time.monotonic() < end, (self.home / log).read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """End what was started."""
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + PATIENCE_S
        while any(Path(f"/proc/{pid}").exists() for pid in self.pids) and time.monotonic() < end:
            time.sleep(0.02)


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, docker_registry: Path, programs: Programs
) -> Iterator[Machine]:
    """A machine where the page's first two blocks were typed."""
    named = {
        "docker-registry": docker_registry,
        "cosign": programs.cosign,
        "cosign2": programs.cosign2,
        "notation": programs.notation,
    }
    machine = Machine(tmp_path_factory.mktemp("home"), named, programs.containers)
    serving, signing, _, _ = blocks()
    try:
        machine.serve(serving)
        machine.at(machine.service).type(signing)
        yield machine
    finally:
        machine.stop()


def test_six_readers(machine: Machine) -> None:
    """
    Each of six readers accepts the image by the page's own line, and refuses by the same line
    another one that was pushed to the same repository and not signed.
    """
    reading = blocks()[2]
    readers = {who: line for line, _, who in _READER.findall(reading)}
    service = machine.at(machine.service)

    service.type(reading)
    pushing = blocks()[1].partition("sealbook sign")[0]
    service.type(pushing.replace("hello", "other").replace(_IMAGE, _OTHER))
    other = f"IMAGE=127.0.0.1:5000/{_OTHER}"
    refused = [who for who, line in readers.items() if service.run(f"{other}\n{line}").returncode]

    assert 6 == len(readers)
    assert list(readers) == refused


def test_the_registry_is_explained(machine: Machine) -> None:
    """
    What the page asks of the registry names each of the readers, and says that they will find it.
    """
    told = machine.at(machine.service).type(blocks()[3])

    found = [line for line in told.splitlines() if line.startswith("  yes ")]
    for reader in ("sealbook verify", "cosign 3", "cosign 2", "Podman", "skopeo", "notation"):
        assert any(reader in line for line in found), reader
