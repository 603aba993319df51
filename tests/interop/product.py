"""What the service makes, by the commands that users type."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from signer.cli import demo_image
from verifier import Digest, TrustRoot, Verifier

REPOSITORY = "registry.example/team/app"


@dataclass(frozen=True)
class Product:
    """A signed image of three digests, and what a verifier of it is given."""

    digests: list[Digest]
    bundles: dict[Digest, bytes]
    directory: Path

    @property
    def sigstore_root(self) -> bytes:
        return (self.directory / "trusted_root.json").read_bytes()

    @property
    def public_key(self) -> bytes:
        return (self.directory / "release.pub").read_bytes()

    @property
    def verifier(self) -> Verifier:
        return Verifier(TrustRoot.parse((self.directory / "trust.json").read_bytes()))


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def sealbook(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "signer", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def made(scratch: Path) -> Iterator[Product]:
    """Sign an image index with two platforms, by a service that runs in `scratch` meanwhile."""
    service = scratch / "service"
    sealbook("init", service, "--grpc", free_port(), "--http", free_port())
    config = service / "sealbook.toml"
    serving = subprocess.Popen(
        [sys.executable, "-m", "signer", "serve", "--config", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert serving.stdout is not None
        assert "serving" in serving.stdout.readline()
        demo_image.write(scratch / "image", "1.0", "hello")
        where = ("--repository", REPOSITORY, "--config", config, "--out", scratch, "--json")
        lines = sealbook("sign", f"oci:{scratch}/image:1.0", "-a", "env=prod", *where).splitlines()
        signed = [json.loads(line) for line in lines]
        bundles = {Digest(s["digest"]): Path(s["bundle"]).read_bytes() for s in signed}
        yield Product(list(bundles), bundles, service)
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.stdout is not None
        serving.stdout.close()
        assert serving.wait(30) == 0
