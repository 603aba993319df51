"""A service where one alone may not do everything, and the persons who may agree.

alice, bob, carol    each with a key of their own
PROTECTED            a scope that needs two of them
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from signer.client import Client
from signer.client.approvals import Approved
from signer.errors import ServiceError
from signer.keys.memory import MemoryKey
from tests.signer.running import Running
from tests.signer.world import World, found_in
from verifier.errors import SealbookError
from verifier.repository import Repository

NAMES = ("alice", "bob", "carol")
PROTECTED = "registry.bank/payments"
PAYMENTS = Repository("registry.bank/payments/app")
CALLER = "urn:sealbook:token#loopback"


def guarded(directory: Path, rules: str = "", **more: Any) -> World:
    """Found a service that wants two approvals for what is under `PROTECTED`."""
    world = found_in(directory, **more)
    people(world)
    protect(world, rules or f'[[protected]]\nunder = "{PROTECTED}"\napprovals = 2\n')
    return world


def people(world: World, **principals: str) -> None:
    """Make a key pair for each person, and configure them; `principals` is who they call as."""
    for name in NAMES:
        key = MemoryKey.generate("ecdsa-p256" if name == "bob" else "ed25519")
        key.save(world.directory / f"{name}.key")
        (world.directory / f"{name}.pub").write_bytes(key.public.pem())
        own = f'principals = ["{principals[name]}"]\n' if name in principals else ""
        protect(world, f'[approvers.{name}]\nkey = "{name}.pub"\n{own}')


def protect(world: World, rules: str) -> None:
    """Add to the configuration."""
    with world.config.open("a") as file:
        file.write(f"\n{rules}")


def key_of(world: World, name: str) -> MemoryKey:
    """Return the private key of a person."""
    return MemoryKey.load(world.directory / f"{name}.key")


def needed(error: SealbookError) -> str:
    """Check that a refusal says that approvals are needed, and return the request's id."""
    assert isinstance(error, ServiceError)
    assert "approval-needed" == error.code, error.message
    assert error.message.endswith(f"request {error.request}")
    assert f"sealbook approve {error.request}" == error.hint
    return error.request


def refused_for(client: Client, call: Any) -> str:
    """Check that `call`, a method name and its arguments, needs approvals; return the request."""
    name, *arguments = call
    with pytest.raises(ServiceError) as caught:
        getattr(client, name)(*arguments)
    return needed(caught.value)


def approve(service: Running, client: Client, id_: str, name: str) -> Approved:
    """Read a request, sign it as a person does, and hand that in."""
    found = client.request(id_)
    assert found.request is not None
    return client.approve(id_, name, key_of(service, name).sign(found.request.message))


def openssl_pair(directory: Path, name: str) -> Path:
    """Make a key pair NAME.key, NAME.pub as somebody without Sealbook does; return the private."""
    private, public = directory / f"{name}.key", directory / f"{name}.pub"
    for words in (
        ("genpkey", "-algorithm", "ed25519", "-out", private),
        ("pkey", "-in", private, "-pubout", "-out", public),
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    private.chmod(0o600)
    return private
