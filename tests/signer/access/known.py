"""Callers of every kind for tests: a service that takes a role's name for a secret.

    with running(found_in(tmp_path / "service"), known) as service:
        service.raw(b"", GET_ENTRY, bearer("developer", "registry.example/team/**"))

With `behind_a_proxy` the machine's own address is one of a proxy, so that whoever writes
X-Forwarded-For seems to call from elsewhere.
"""

from __future__ import annotations

import re
from typing import cast

from signer.access import Caller, Grant, Principal, Where
from signer.access.principal import Proof
from signer.access.roles import ROLES, RoleName
from tests.signer.running import InProcess
from tests.signer.world import World

_SECRET = re.compile(r"test\|([a-z-]+)\|([^|]+)\|([a-z-]+)\|([^|]*)")
ELSEWHERE = "192.0.2.7"


class Known:
    """Holders of secrets that say themselves what they are good for."""

    def holder(self, secret: str, caller: Caller) -> Principal | None:
        """Return who is called so: test|ROLE|WHERE|PROOF|NAME."""
        said = _SECRET.fullmatch(secret)
        if said is None:
            return None
        role, where, proof, name = said.groups()
        grants = (Grant(Where(where), "test"),)
        return Principal(
            "urn:test",
            name or role,
            dict.fromkeys(ROLES[cast("RoleName", role)], grants),
            cast("Proof", proof),
            pipeline=name.startswith("pipeline"),
            caller=caller,
        )


def known(service: InProcess) -> None:
    """Let a service know them too."""
    admitting = service.server._admitting
    admitting.holders = (*admitting.holders, Known())


def behind_a_proxy(world: World) -> World:
    """Take this machine for a proxy."""
    world.edit("\n[access]\n", '\n[access]\nproxies = ["127.0.0.0/8"]\n')
    return world


def bearer(
    role: str, where: str = "*", proof: str = "session", name: str = ""
) -> list[tuple[str, str]]:
    """Return the metadata of somebody with a role."""
    return [("authorization", f"Bearer test|{role}|{where}|{proof}|{name}")]


def headers(*args: str, **more: str) -> dict[str, str]:
    """Return the same for HTTP."""
    return dict(bearer(*args, **more))


FROM_ELSEWHERE = ("x-forwarded-for", ELSEWHERE)
