"""What the service makes, by the commands that users type."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.image import TAG, Image
from tests.interop.judges import Given
from tests.interop.pushing import Shelf
from verifier import Digest, TrustRoot, Verifier
from verifier.statement import APPROVAL

BEGIN = b"-----BEGIN CERTIFICATE-----"
FORMS = ("bundle", "simplesigning", "certificate", "notation")


@dataclass(frozen=True)
class Product:
    """An image of three digests in a registry, signed once in every form, and whom to trust.

    `shelf` is the repository that it was signed for; signatures have yet to be put there.
    """

    image: Image
    shelf: Shelf
    signatures: Mapping[Digest, Mapping[str, bytes]]
    directory: Path

    @property
    def digests(self) -> list[Digest]:
        """The index, then its platforms."""
        return list(self.signatures)

    def of(self, digest: str, form: str) -> bytes:
        return self.signatures[Digest(digest)][form]

    def given(self, digest: str) -> Given:
        """What a judge of bundles, under the key or the certificate, is told."""
        root, key = self.sigstore_root, self.public_key
        return Given(root, digest, APPROVAL, key, self.identity, self.issuer)

    @property
    def sigstore_root(self) -> bytes:
        return (self.directory / "trusted_root.json").read_bytes()

    @property
    def public_key(self) -> bytes:
        return (self.directory / "release.pub").read_bytes()

    @property
    def promise_key(self) -> bytes:
        return (self.directory / "promise.pub").read_bytes()

    @property
    def notation_root(self) -> bytes:
        """The last certificate of the chain that the signing key was given."""
        chain = (self.directory / "certificates" / "release.pem").read_bytes()
        return BEGIN + chain.rpartition(BEGIN)[2]

    @property
    def issuer(self) -> str:
        """Who says in certificates whose key it is: the service, by its origin."""
        config = tomllib.loads((self.directory / "sealbook.toml").read_text())
        return f"https://{config['origin']}"

    @property
    def identity(self) -> str:
        """Whose key it is."""
        return f"{self.issuer}/keys/release"

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
def serving_service(directory: Path) -> Iterator[Path]:
    """Found a service in `directory` and run it meanwhile; give its configuration."""
    sealbook("init", directory, "--grpc", free_port(), "--http", free_port())
    config = directory / "sealbook.toml"
    process = subprocess.Popen(
        [sys.executable, "-m", "signer", "serve", "--config", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "serving" in process.stdout.readline()
        yield config
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 0


def signed(config: Path, image: Image, shelf: Shelf, out: Path) -> Product:
    """Sign an image in every form, by one command."""
    forms = [word for form in FORMS for word in ("--form", form)]
    where = ("--repository", shelf.name, "--config", config, "--out", out, "--json")
    lines = sealbook(
        "sign", f"oci:{image.layout}:{TAG}", "-a", "env=prod", *forms, *where
    ).splitlines()
    signatures = {}
    for line in map(json.loads, lines):
        made = {one["form"]: Path(one["file"]).read_bytes() for one in line["signatures"]}
        assert set(FORMS) == made.keys()
        signatures[Digest(line["digest"])] = made
    return Product(image, shelf, signatures, config.parent)
