"""A host of containerd tells a real service what it let run: the plugin alone, and the daemon."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from signer.client.pulled import Pulls
from tests.signer.asking import PATIENCE_S, REPOSITORY, digest
from tests.signer.running import InProcess, running
from tests.signer.syncing import sync
from tests.signer.world import found_in
from verifier.digest import Digest
from verifier.pull import spool
from verifier.pull.daemon import Daemon
from verifier.pull.decision import Question
from verifier.pull.line import Asked, ask
from verifier.pull.settings import PullSettings

SIGNED, UNSIGNED = digest(1), digest(2)


class Host(NamedTuple):
    """What a host has beside a running service."""

    service: InProcess
    directory: Path

    @property
    def settings(self) -> Path:
        return self.directory / "pull.toml"

    def pulls(self, image: str, repository: str = REPOSITORY) -> tuple[int, str]:
        """Run the plugin as containerd does, and return its exit code and what it says."""
        kind = "application/vnd.oci.descriptor.v1+json"
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-m", "verifier.pull.containerd"),
                *("-name", f"{repository}:1", "-digest", image, "-stdin-media-type", kind),
            ],
            input=json.dumps({"digest": image, "size": 1}),
            env={"SEALBOOK_PULL": str(self.settings)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.returncode, done.stdout

    def told(self) -> list[tuple[str, str, str, int]]:
        """Return what the service was told, without the days."""
        found: list[Pulls] = self.service.asking(lambda client: client.pulls())
        return sorted((one.repository, one.outcome, one.code, one.times) for one in found)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    world = found_in(tmp_path / "service")
    with running(world) as service:
        service.asking(lambda client: client.sign(SIGNED, REPOSITORY))
        assert 0 == sync(world, "--first").returncode
        directory = tmp_path / "host"
        (directory / "cache").mkdir(parents=True)
        (directory / "pull.toml").write_text(
            f'trust = "{world.directory}/kept"\nsources = ["service"]\n'
            f'[service]\nurl = "http://{service.addresses.http}"\n'
            f'token = "{world.directory}/token"\n'
            f'[cache]\ndirectory = "cache"\n[report]\nenabled = true\n'
            f'[daemon]\nsocket = "{directory}/pull.sock"\n'
        )
        # Nobody is to empty the spool but this test: it was tried a moment ago.
        (directory / "cache" / "pulls.stamp").touch()
        yield Host(service, directory)


EXPECTED = [
    ("registry.example/other", "refused", "unsigned", 1),
    (REPOSITORY, "allowed", "", 2),
    (REPOSITORY, "refused", "unsigned", 1),
]


def test_plugin(host: Host) -> None:
    """
    The plugin says yes or no first and leaves a line; the process that empties the spool tells
    the service, and an operator sees what was pulled and what had no signature.
    """
    assert (0, 0) == (host.pulls(SIGNED)[0], host.pulls(SIGNED)[0])
    code, said = host.pulls(UNSIGNED)
    assert (1, True) == (code, "(unsigned)" in said), said
    assert 1 == host.pulls(UNSIGNED, "registry.example/other")[0]
    lines = (host.directory / "cache" / "pulls").read_text()
    assert 4 == len(lines.splitlines())
    assert "sha256" not in lines
    assert [] == host.told()

    spool.empty(PullSettings.load(str(host.settings)), 0)
    assert sorted(EXPECTED) == host.told()
    shown = host.service.command("pulls").stdout
    assert "4 pulls since" in shown
    assert "2 of them unsigned" in host.service.command("status").stdout


def test_answers_are_the_same(host: Host) -> None:
    """
    Where nothing can be written, and where nobody is to be told, the answers are what they are.
    """
    before = [host.pulls(image) for image in (SIGNED, UNSIGNED)]
    cache = host.directory / "cache"
    (cache / "pulls").unlink()
    (cache / "pulls").mkdir()
    assert before == [host.pulls(image) for image in (SIGNED, UNSIGNED)]
    text = host.settings.read_text()
    host.settings.write_text(text.replace("enabled = true", "enabled = false"))
    (cache / "pulls").rmdir()
    assert before == [host.pulls(image) for image in (SIGNED, UNSIGNED)]

    assert not (cache / "pulls").exists()
    assert [0, 1] == [code for code, _ in before]


def test_daemon(host: Host) -> None:
    """
    The daemon tells by itself, and what it answered is counted once.
    """
    path = host.directory / "pull.sock"
    stop, asked_to = socket.socketpair()
    daemon = Daemon(str(host.settings))
    with socket.socket(socket.AF_UNIX) as listener, stop, asked_to:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(target=daemon.serve, args=(listener, stop))
        serving.start()
        try:
            for image, repository in (
                (SIGNED, REPOSITORY),
                (SIGNED, REPOSITORY),
                (UNSIGNED, REPOSITORY),
                (UNSIGNED, "registry.example/other"),
            ):
                question = Question(Digest(image), type(REPOSITORY)(repository))
                asked = Asked(str(host.settings), question, PATIENCE_S)
                assert (image == SIGNED) == ask(str(path), asked, PATIENCE_S).allowed
        finally:
            asked_to.send(b".")
            serving.join(PATIENCE_S)

    assert sorted(EXPECTED) == host.told()
    assert not (host.directory / "cache" / "pulls").exists()
