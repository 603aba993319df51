"""Root keys in files, and trust files that go from one to the next."""

from __future__ import annotations

import hashlib
from pathlib import Path

from signer.keys.memory import MemoryKey
from tests.signer.commands import Done
from tests.signer.world import World
from verifier.trust import TrustRoot

OLD, NEW, ROOT = "trust.json", "next.json", "keys/trust-root.pem"
POLICY = """\
type = "urn:sealbook:policy:v1"
[[images]]
under = "registry.example/team"
[images.approval]
keys = ["release"]
"""


def new_key(world: World, name: str) -> str:
    """Make a key pair NAME.pem, NAME.pub, and return NAME=PUB.pem for the command."""
    key = MemoryKey.generate("ed25519")
    key.save(world.directory / f"{name}.pem")
    (world.directory / f"{name}.pub").write_bytes(key.public.pem())
    return f"{name}={name}.pub"


def create(world: World, *words: object) -> Done:
    """Write next.json."""
    return world.command("trust", "create", "--from", OLD, "--out", NEW, *words)


def created(world: World, *words: object) -> str:
    """Write next.json, check that this worked, and return what was said."""
    return good(create(world, *words))


def sign(world: World, key: str = ROOT, *more: object) -> Done:
    """Sign next.json."""
    return world.command("trust", "sign", NEW, "--key", key, *more)


def good(done: Done) -> str:
    """Check that a command ended well and complained of nothing, and return what it said."""
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def publish(world: World) -> None:
    """Let the service's directory hand next.json out."""
    (world.directory / NEW).replace(world.directory / OLD)


def advance(world: World, *words: object) -> None:
    """Make, sign and hand out the next version."""
    created(world, *words)
    good(sign(world))
    publish(world)


def trust_of(world: World, name: str = NEW) -> TrustRoot:
    """Read a trust file, which has to count."""
    return TrustRoot.parse((world.directory / name).read_bytes())


def sha256(path: Path) -> str:
    """Return what `sha256sum` prints."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rules(world: World, text: str = POLICY) -> Path:
    """Write policy.toml."""
    path = world.directory / "policy.toml"
    path.write_text(text)
    return path
