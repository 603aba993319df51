"""A real containerd, told to pull as Kubernetes does, with our plugin as its image verifier."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.containerd import Pulled
from tests.interop.image import Image
from tests.interop.nodes import Node
from tests.interop.product import free_port, sealbook
from tests.interop.pushing import Shelf
from tests.signer.asking import eventually
from tests.verifier.making import NOW, World
from verifier.digest import Digest
from verifier.repository import Repository
from verifier.statement import approval

pytestmark = pytest.mark.root


class Scene(NamedTuple):
    """A node, a repository, and images in it by what became of them: their tags are the names."""

    node: Node
    repository: str
    images: dict[str, Image]
    trust: Path
    service: str

    def pull(self, tag: str, *, by_digest: bool = False) -> Pulled:
        """Pull one of the images, and forget it again."""
        what = f"@{self.images[tag].index.digest}" if by_digest else f":{tag}"
        pulled = self.node.containerd.pull(f"{self.repository}{what}")
        if pulled.allowed:
            self.node.containerd.remove(f"{self.repository}{what}")
        return pulled

    def local(self, **changes: object) -> None:
        """Have the node look into its own directory of bundles, and nowhere else."""
        bundles = str(self.node.directory / "bundles")
        usual = {"trust": str(self.trust), "sources": ["file"], "file": {"directory": bundles}}
        self.node.configure(**{**usual, **changes})

    def remote(self, url: str, **changes: object) -> None:
        """Have the node ask a service, and nobody else."""
        usual = {"trust": str(self.trust), "sources": ["service"], "service": {"url": url}}
        self.node.configure(**{**usual, **changes})


@pytest.fixture(scope="module")
def scene(
    containerd: Path, registry: str, service: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Three images in one repository: one is signed, one was and is revoked, one never was."""
    directory = tmp_path_factory.mktemp("node")
    node, repository = Node(directory), f"{registry}/pull/app"
    images = {
        tag: Image.made(directory / tag, greeting=tag) for tag in ("good", "revoked", "unsigned")
    }
    with Shelf(repository) as shelf:
        for tag, image in images.items():
            shelf.image(image.layout, tag)
    signed = [f"{repository}@{images[tag].index.digest}" for tag in ("good", "revoked")]
    config = ("--config", service)
    out = ("--attach", "--settle", "0", "--out", directory / "bundles")
    sealbook("sign", *signed, *out, *config)
    why = ("--repository", repository, "--reason", "its build host was broken into")
    sealbook("revoke", "--digest", images["revoked"].index.digest, *why, *config)
    url = f"http://{tomllib.loads(service.read_text())['listen']['http']}"
    sealbook("trust", "sync", url, directory / "trust", "--first")
    with node.running(containerd, registry):
        yield Scene(node, repository, images, directory / "trust", url)


def refused(pulled: Pulled, code: str) -> str:
    """Check that the pull was refused with this code, in what CRI answers, and return that."""
    assert not pulled.allowed
    assert "rejected image (exit code 1): sealbook:" in pulled.error
    assert f"({code})" in pulled.error
    assert "Traceback" not in pulled.error
    return pulled.error


@pytest.mark.parametrize("by_digest", [False, True])
def test_good(scene: Scene, *, by_digest: bool) -> None:
    """
    An image of several platforms whose index is signed is pulled, by its tag and by its digest.
    """
    scene.local()

    assert scene.pull("good", by_digest=by_digest).allowed


def test_unsigned(scene: Scene) -> None:
    """
    An image that nobody signed is refused, and CRI's error names it and says so.
    """
    scene.local()

    told = refused(scene.pull("unsigned"), "unsigned")

    assert f"{scene.repository}@{scene.images['unsigned'].index.digest} refused" in told


def test_only_warned(scene: Scene) -> None:
    """
    In a scope that only warns, the unsigned image is pulled and the revoked one is not.
    """
    scene.local(warn=[scene.repository.rpartition("/")[0]])

    assert scene.pull("unsigned").allowed
    refused(scene.pull("revoked"), "revoked")


def test_tampered(scene: Scene) -> None:
    """
    A bundle in which one bit of the signature was turned counts for nothing.
    """
    directory = scene.node.copy("bundles")
    [path] = directory.glob(f"{scene.images['good'].index.digest.replace(':', '-')}.bundle.json")
    bundle = json.loads(path.read_bytes())
    [signature] = bundle["dsseEnvelope"]["signatures"]
    signature["sig"] = signature["sig"].replace(*("AB" if "A" in signature["sig"] else "BA"))
    path.write_text(json.dumps(bundle))

    scene.local(file={"directory": str(directory)})

    refused(scene.pull("good"), "bad-signature")


def test_revoked(scene: Scene) -> None:
    """
    An image that was taken back is refused, and the user reads why it was.
    """
    scene.local()

    assert "its build host was broken into" in refused(scene.pull("revoked"), "revoked")


def test_expired_trust(scene: Scene, tmp_path: Path) -> None:
    """
    Once the trust file has expired, nothing is pulled, however well it is signed.
    """
    repository, digest = Repository(scene.repository), Digest(scene.images["good"].index.digest)
    world = World(payload=approval(repository, digest, {}), expires=NOW)
    (tmp_path / "trust.json").write_bytes(world.trust.json())
    (tmp_path / f"{digest.replace(':', '-')}.json").write_bytes(world.bundle.json())

    scene.local(trust=str(tmp_path), file={"directory": str(tmp_path)})

    refused(scene.pull("good"), "trust-expired")


def test_other_repository(scene: Scene) -> None:
    """
    An image that is signed in one repository is refused in another.
    """
    scene.local()
    other = scene.repository.replace("/pull/", "/other/")
    with Shelf(other) as shelf:
        shelf.image(scene.images["good"].layout, "good")

    pulled = scene.node.containerd.pull(f"{other}:good")

    told = refused(pulled, "repository-mismatch")
    assert scene.repository in told


def test_service(scene: Scene) -> None:
    """
    The service is asked by digest: what it has is pulled, and what it has not is refused.
    """
    scene.remote(scene.service)

    assert scene.pull("good").allowed
    refused(scene.pull("unsigned"), "unsigned")


def test_registry(scene: Scene) -> None:
    """
    What is attached to the image where it is pulled from is enough, and is judged like the rest.
    """
    scene.local(sources=["registry"])

    assert scene.pull("good").allowed
    refused(scene.pull("revoked"), "revoked")
    refused(scene.pull("unsigned"), "unsigned")


@pytest.mark.parametrize("where", ["file", "cache"])
def test_service_down_with_local_bundles(scene: Scene, where: str) -> None:
    """
    While the service is down, images whose bundles are here, or were seen here, are pulled.
    """
    directory = {"directory": str(scene.node.directory / "remembered")}
    bundles = {"directory": str(scene.node.directory / "bundles")}
    more = {"file": bundles, "sources": ["service", "file"]} if where == "file" else {}
    if where == "cache":
        scene.remote(scene.service, cache=directory)
        assert scene.pull("good").allowed

    scene.remote(f"http://{free_port()}", cache=directory, **more)

    assert scene.pull("good").allowed
    told = refused(scene.pull("unsigned"), "service-unreachable")
    assert "service:" in told


def test_service_down(scene: Scene) -> None:
    """
    While the service is down and nothing is here, nothing is pulled, and it is not called unsigned.
    """
    scene.remote(f"http://{free_port()}")

    refused(scene.pull("good"), "service-unreachable")


def test_service_hangs(scene: Scene) -> None:
    """
    A service that takes the question and never answers is waited for as long as is configured.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        scene.remote(f"http://127.0.0.1:{silent.getsockname()[1]}", deadline_s=1)

        refused(scene.pull("good"), "pull-timeout")


def test_settings_that_cannot_be_used(scene: Scene) -> None:
    """
    Settings with a mistake in them refuse every image, and say where the mistake is.
    """
    scene.local(sources=["file", "fiel"])

    assert "fiel" in refused(scene.pull("good"), "bad-pull-settings")


@contextmanager
def daemon(scene: Scene) -> Iterator[subprocess.Popen[str]]:
    """Run `sealbook pull daemon` meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-m", "signer", "pull", "daemon", "--settings", scene.node.settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"answering at {scene.node.socket}\n"
        try:
            yield process
        finally:
            process.kill()
    scene.node.socket.unlink(missing_ok=True)


def test_daemon(scene: Scene) -> None:
    """
    With the daemon the answers are the same, and the daemon tells what it refused.
    """
    scene.local()
    with daemon(scene) as process:
        assert scene.pull("good").allowed
        refused(scene.pull("unsigned"), "unsigned")
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)

    assert process.returncode == 0
    assert not scene.node.socket.exists()
    assert scene.images["unsigned"].index.digest in told


@pytest.mark.parametrize("tag", ["good", "unsigned"])
def test_daemon_dies_meanwhile(scene: Scene, tag: str) -> None:
    """
    When the daemon is killed while a question is with it, the plugin judges by itself.
    """
    scene.local()
    with daemon(scene) as process:
        process.send_signal(signal.SIGSTOP)
        answers: list[Pulled] = []
        pulling = threading.Thread(target=lambda: answers.append(scene.pull(tag)), daemon=True)
        pulling.start()
        eventually(lambda: _waiting(scene.node.socket))
        process.kill()
        pulling.join()

    if tag == "good":
        assert answers[0].allowed
    else:
        refused(answers[0], "unsigned")


def _waiting(path: Path) -> bool:
    """Whether somebody has connected to a socket where nobody accepts."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.endswith(str(path)) for line in lines) > 1


def test_daemon_that_lies(scene: Scene) -> None:
    """
    Whatever listens in the daemon's place and answers nonsense, the plugin judges by itself.
    """
    scene.local()
    with socket.socket(socket.AF_UNIX) as liar:
        liar.bind(str(scene.node.socket))
        liar.listen()

        def lie() -> None:
            for _ in range(2):
                connection, _ = liar.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(b'{"allowed":true}\n')

        lying = threading.Thread(target=lie, daemon=True)
        lying.start()
        assert scene.pull("good").allowed
        refused(scene.pull("unsigned"), "unsigned")
        lying.join()
    scene.node.socket.unlink()


def test_plugin_that_cannot_start(scene: Scene, tmp_path: Path) -> None:
    """
    Without the interpreter that the plugin was installed for, nothing is pulled.
    """
    plugin = scene.node.bin_dir / "zz-broken"
    plugin.write_text(f"#!{tmp_path}/python\n")
    plugin.chmod(0o755)
    scene.local()
    try:
        assert not scene.pull("good").allowed
    finally:
        plugin.unlink()


def test_plugin_without_its_library(scene: Scene) -> None:
    """
    A plugin whose own modules are gone lets nothing through, and the user reads that they are.
    """
    plugin = scene.node.plugin
    whole = plugin.read_text()
    plugin.write_text(whole.replace("verifier.pull.containerd", "verifier.pull.gone"))
    scene.local()
    try:
        refused(scene.pull("good"), "broken-install")
    finally:
        plugin.write_text(whole)
