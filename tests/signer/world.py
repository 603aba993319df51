"""A founded service, running or not, and somebody who trusts it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger import labels
from signer.client import Signed
from signer.founding import found
from signer.keys.memory import MemoryKey
from tests.signer.asking import ORIGIN, REPOSITORY
from tests.signer.commands import Done, free_address, sealbook, spawn
from verifier.digest import Digest
from verifier.repository import Repository, Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.verdict import Verified
from verifier.verify import Verifier

_FORMS = re.compile(r"^forms = \[.*\]$", re.MULTILINE)


class World:
    """A founded service, running or not, and somebody who trusts it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "sealbook.toml"
        self.token = (directory / "token").read_text(errors="replace").strip()
        self._trust_file = directory / "trust.json"

    @property
    def trust(self) -> TrustRoot:
        """What this world's verifiers pin."""
        return TrustRoot.parse(self._trust_file.read_bytes())

    @property
    def verifier(self) -> Verifier:
        """A verifier that pins it."""
        return Verifier(self.trust)

    def edit(self, old: str, new: str) -> None:
        """Change the configuration; `old` must be in it."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def add_key(self, name: str, key: MemoryKey) -> None:
        """Let callers ask for another key, and verifiers trust it."""
        key.save(self.directory / "keys" / f"{name}.pem")
        with self.config.open("a") as file:
            file.write(f'\n[signing.keys.{name}]\nuri = "file:keys/{name}.pem"\n')
        trusted = TrustedKey(name, "approve", key.public, (Scope("*"),))
        keys = keys_by_hint([*self.trust.keys.values(), trusted])
        self._trust_file.write_bytes(self.trust._replace(keys=keys).json())

    def verify(self, signed: object, repository: Repository = REPOSITORY) -> Verified:
        """Judge an answer as a stranger would, about the digest that its statement names."""
        assert isinstance(signed, Signed), signed
        [named] = labels.of(signed.record.entry, signed.record.body)["digest"]
        return self.verifier.verify(signed.bundle(), Digest(named), repository)

    def indices(self, answers: list[Any]) -> list[int]:
        """Judge all of `answers`, and return where they are."""
        return [self.verify(answer).index for answer in answers]

    def command(self, *args: object) -> Done:
        """Run a command of `sealbook` in this process, in the service's directory."""
        return sealbook(*args, cwd=self.directory)

    def sign(self, image: object, *more: object) -> Done:
        """Run `sealbook sign` in this process, in the service's directory."""
        return self.command("sign", image, "--repository", REPOSITORY, *more)

    def spawn(self, *args: object) -> Done:
        """Run a command of `sealbook` in a process of its own, in the service's directory."""
        return spawn(*args, cwd=self.directory)


def found_in(directory: Path, forms: Sequence[str] = ("bundle",), **more: Any) -> World:
    """Found a service that will listen on free ports, and makes `forms` when none are asked for."""
    anywhere = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "forms": forms}
    found(directory, ORIGIN, **{**anywhere, **more})
    return World(directory)


def init(directory: Path) -> World:
    """Make a service by `sealbook init`, at addresses that its configuration names."""
    where = ("--grpc", free_address(), "--http", free_address())
    done = sealbook("init", directory, "--origin", ORIGIN, *where)
    assert 0 == done.returncode, done.stderr
    return _making(World(directory), ("bundle",))


def _making(world: World, forms: Sequence[str]) -> World:
    """Let the default key make `forms`: most tests want one entry for each Sign."""
    text = world.config.read_text()
    world.config.write_text(_FORMS.sub(f"forms = {list(forms)}".replace("'", '"'), text))
    return world
