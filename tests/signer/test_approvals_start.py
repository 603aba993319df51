"""Who may approve is checked when the service starts; what cannot be, keeps it from starting."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.keys.memory import MemoryKey
from tests.signer.agreeing import guarded, people, protect
from tests.signer.running import running, start_refused
from tests.signer.world import World


def own(world: World, name: str) -> bytes:
    """Return the PEM of one of the service's own keys."""
    return MemoryKey.load(world.directory / "keys" / f"{name}.pem").public.pem()


@pytest.mark.parametrize(
    "key", ["release", "attest", "event", "log", "promise", "status", "trust-root", "timestamp"]
)
def test_key_of_the_service(tmp_path: Path, key: str) -> None:
    """
    A person whose key is the service's, or in its trust file, would be the service itself.
    """
    world = guarded(tmp_path / "service")
    (world.directory / "bob.pub").write_bytes(own(world, key))

    assert "approver bob" in start_refused(world, "config")


def test_two_persons_with_one_key(tmp_path: Path) -> None:
    """
    Two names with one key would be two approvals by one person.
    """
    world = guarded(tmp_path / "service")
    (world.directory / "bob.pub").write_bytes((world.directory / "alice.pub").read_bytes())

    assert "alice and bob have one key" in start_refused(world, "config")


@pytest.mark.parametrize(
    "rules",
    [
        '[[protected]]\nunder = "registry.bank"\napprovals = 4\n',
        '[[protected]]\nunder = "registry.bank"\napprovals = 0\n',
        '[[protected]]\nunder = "Registry.bank"\napprovals = 1\n',
        "[[protected]]\napprovals = 1\n",
        '[[protected]]\nunder = "registry.bank"\nkey = "release"\napprovals = 1\n',
        '[[protected]]\nkey = "nobody"\napprovals = 1\n',
        '[[protected]]\nunder = "registry.bank"\n',
        "[key_changes]\napprovals = 3\n",
        "[key_changes]\napprovals = 0\n",
        '[[protected]]\nunder = "registry.bank"\napprovals = 1\nlonger = true\n',
    ],
    ids=[
        "more than persons",
        "none",
        "no scope",
        "of nothing",
        "of two kinds",
        "unknown key",
        "not how many",
        "who asks is one of them",
        "no approvals",
        "unknown field",
    ],
)
def test_rules_that_cannot_be(tmp_path: Path, rules: str) -> None:
    """
    A rule that nobody could satisfy, or that says nothing, is refused.
    """
    world = guarded(tmp_path / "service", rules)

    start_refused(world, "config")


@pytest.mark.parametrize("content", [b"", b"not a key", None], ids=["empty", "no key", "no file"])
def test_key_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """
    A person without a readable public key is named.
    """
    world = guarded(tmp_path / "service")
    path = world.directory / "carol.pub"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    assert "approver carol" in start_refused(world, "config")


def test_everything_that_can_be(world: World) -> None:
    """
    Persons without rules, and rules for everything, are fine.
    """
    people(world)
    with running(world):
        pass
    protect(world, '[[protected]]\nunder = "*"\napprovals = 3\n[key_changes]\napprovals = 2\n')
    with running(world):
        pass
