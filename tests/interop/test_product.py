"""What the service makes, put before the foreign judges: made by the commands that users type."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.cli import demo_image
from tests.interop.judges import IGNORES, Judge
from tests.interop.tampers import tampers
from verifier import Digest, Repository, TrustRoot, VerificationError, Verifier
from verifier.statement import APPROVAL

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


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """An image index with two platforms, signed by a service that was made for it."""
    scratch = tmp_path_factory.mktemp("product")
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


def test_each_foreign_judge_accepts_index_and_platforms(product: Product, judge: Judge) -> None:
    """
    A verifier that nobody here wrote accepts our bundle of every digest of an image.
    """
    for digest in product.digests:
        verdict = judge.judge(
            product.bundles[digest],
            trusted_root=product.sigstore_root,
            public_key_pem=product.public_key,
            digest=digest,
            predicate_type=APPROVAL,
        )
        assert verdict.accepted, verdict.output


def test_each_foreign_judge_refuses_each_tamper(product: Product, judge: Judge) -> None:
    """
    One changed field is one refusal, but for the fields that a judge is known not to look at.
    """
    digest = product.digests[0]
    for name, bad in tampers(product.bundles[digest]):
        verdict = judge.judge(
            bad,
            trusted_root=product.sigstore_root,
            public_key_pem=product.public_key,
            digest=digest,
            predicate_type=APPROVAL,
        )
        assert (name in IGNORES[judge.name]) == verdict.accepted, (name, verdict.output)


def test_our_verifier_refuses_every_tamper(product: Product) -> None:
    """
    Our own verifier looks at every field but DSSE's keyid, which is a hint and proves nothing.
    """
    digest, repository = product.digests[0], Repository(REPOSITORY)
    verifier = product.verifier
    assert digest == verifier.verify(product.bundles[digest], digest, repository).digest
    accepted = []
    for name, bad in tampers(product.bundles[digest]):
        try:
            verifier.verify(bad, digest, repository)
        except VerificationError:
            continue
        accepted.append(name)
    assert ["signature.keyid: other"] == accepted


def test_only_cosign_and_we_look_at_the_digest(product: Product, judge: Judge) -> None:
    """
    Asked about another image, cosign refuses; sigstore-js leaves that to its caller.
    """
    verdict = judge.judge(
        product.bundles[product.digests[0]],
        trusted_root=product.sigstore_root,
        public_key_pem=product.public_key,
        digest=Digest.of(b"another image"),
        predicate_type=APPROVAL,
    )
    assert verdict.accepted == (judge.name == "sigstore-js"), verdict.output
