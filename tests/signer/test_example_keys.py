"""keys-example/: everybody has these keys, so nobody may rely on one by accident."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from signer.authority.chains import read_issuer, read_signer, read_timestamper
from signer.keys.memory import MemoryKey
from tests.signer.asking import PATIENCE_S
from tests.signer.commands import ROOT, check_refused, free_address, sealbook, spawn
from tests.signer.world import World
from verifier import TrustRoot
from verifier.entry import certified_key
from verifier.publickey import EXAMPLE_KEYS, PublicKey
from verifier.trusted_root import trusted_root

EXAMPLES = ROOT / "keys-example"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The example keys with the mode that git cannot keep."""
    copied = shutil.copytree(EXAMPLES / "keys", tmp_path / "keys")
    for path in copied.iterdir():
        path.chmod(0o600)
    return copied


def exercise(keys: Path) -> Path:
    """Make a service with the example keys, and return its configuration."""
    directory = keys.parent / "exercise"
    addresses = ("--grpc", free_address(), "--http", free_address())
    done = sealbook("init", directory, "--origin", "ledger.example", "--keys", keys, *addresses)
    assert 0 == done.returncode, done.stderr
    return directory / "sealbook.toml"


def test_every_example_key_is_known(keys: Path) -> None:
    """
    The verifier knows exactly the keys that lie there, and each is in the example trust file.
    """
    publics = {path.stem: MemoryKey.load(path).public for path in keys.iterdir()}
    trust = TrustRoot.parse((EXAMPLES / "trust.json").read_bytes())
    release = PublicKey.from_pem((EXAMPLES / "release.pub").read_bytes())

    assert EXAMPLE_KEYS == {public.fingerprint for public in publics.values()}
    certified = {
        certified_key(certificate)
        for authority in trust.authorities
        for certificate in authority.chain
        if authority.kind != "transparency"
    }
    assert set(publics.values()) == set(trust.publics()) | certified
    assert publics["release"] == release
    assert trusted_root(trust) == (EXAMPLES / "trusted_root.json").read_bytes()


def test_examples_are_what_init_writes(keys: Path) -> None:
    """
    The example configuration, keys and certificates are those of a service made with them.
    """
    made = exercise(keys).parent
    trust = TrustRoot.parse((EXAMPLES / "trust.json").read_bytes())
    addresses = re.compile(r"127\.0\.0\.1:\d+")
    config = [addresses.sub("", (d / "sealbook.toml").read_text()) for d in (made, EXAMPLES)]

    assert config[0] == config[1]
    assert World(made).trust.keys == trust.keys
    for name in ("release", "attest"):
        assert (made / f"{name}.pub").read_bytes() == (EXAMPLES / f"{name}.pub").read_bytes()
    chains = EXAMPLES / "certificates"
    timestamp = read_timestamper(chains / "timestamp.pem")
    issuer = read_issuer(chains / "issuer.pem")
    release = read_signer(chains / "release.pem")
    assert {
        "timestamp": timestamp,
        "certificate": issuer,
        "transparency": (MemoryKey.load(keys / "transparency.pem").public.spki,),
        "notation": release[1:],
    } == {one.kind: one.chain for one in trust.authorities}


def test_serve_refuses_them(keys: Path) -> None:
    """
    A service with example keys does not start, and lets go of its ledger.
    """
    config = exercise(keys)

    check_refused(spawn("serve", "--config", config), "example-key")
    check_refused(spawn("serve", "--config", config), "example-key")


def test_an_exercise_with_them(keys: Path) -> None:
    """
    With --example-keys the service serves, and only a verifier that was told so accepts.
    """
    config = exercise(keys)
    command = [sys.executable, "-m", "signer", "serve", "--config", config, "--example-keys"]
    serving = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    try:
        assert serving.stdout is not None
        assert "serving" in serving.stdout.readline()
        digest = "sha256:" + "0" * 64
        where = ("--repository", "registry.example/team/app")
        out = keys.parent / "bundles"
        signed = sealbook("sign", digest, *where, "--config", config, "--out", out)
        assert 0 == signed.returncode, signed.stderr
    finally:
        serving.terminate()
        assert serving.stdout is not None
        serving.stdout.close()
        assert 0 == serving.wait(PATIENCE_S)
    question = (
        "--trust",
        config.parent / "trust.json",
        *where,
        digest,
        next(out.glob("*.bundle.json")),
    )

    check_refused(sealbook("verify", *question), "example-key")
    assert 0 == sealbook("verify", "--example-keys", *question).returncode
