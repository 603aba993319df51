"""A key that signs also: how a service gets one, and what comes of each call."""

from __future__ import annotations

from signer.client import Signed
from signer.keys.memory import MemoryKey
from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import InProcess
from tests.signer.world import World
from verifier.publickey import PublicKey
from verifier.repository import Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint

SECOND = "release-pq"
BOTH = """\
type = "urn:sealbook:policy:v1"
[[images]]
under = "registry.example/team"
[[images.approval]]
keys = ["release"]
[[images.approval]]
keys = ["release-pq"]
"""


def configure(
    world: World,
    key: MemoryKey,
    name: str = SECOND,
    *,
    first: str = "release",
    purpose: str = "approve",
) -> PublicKey:
    """Let `key` sign also what `first` signs; verifiers do not know it."""
    key.save(world.directory / "keys" / f"{name}.pem")
    world.edit(f"[signing.keys.{first}]\n", f'[signing.keys.{first}]\nalso = ["{name}"]\n')
    with world.config.open("a") as file:
        file.write(
            f'\n[signing.keys.{name}]\nuri = "file:keys/{name}.pem"\npurpose = "{purpose}"\n'
        )
    return key.public


def trust(world: World, key: PublicKey, name: str = SECOND, purpose: str = "approve") -> TrustRoot:
    """Let verifiers know the key too, and return what they knew before."""
    before = world.trust
    keys = keys_by_hint([*before.keys.values(), TrustedKey(name, purpose, key, (Scope("*"),))])
    world._trust_file.write_bytes(before._replace(keys=keys).json())
    return before


def beside(
    world: World,
    algorithm: str = "ml-dsa-65",
    name: str = SECOND,
    *,
    first: str = "release",
    purpose: str = "approve",
) -> PublicKey:
    """Let a new key sign also, and verifiers know it."""
    key = configure(world, MemoryKey.generate(algorithm), name, first=first, purpose=purpose)
    trust(world, key, name, purpose)
    return key


def made(service: InProcess, n: int, **more: object) -> list[Signed]:
    """Have image `n` approved, and return each signature."""
    signed = service.asking(
        lambda client: client.sign(digest(n), REPOSITORY, **more)  # type: ignore[arg-type]
    )
    return [signed._replace(more=()), *signed.more]
