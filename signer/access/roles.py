"""What each role may do. A principal has roles by bindings; without one it may do nothing.

Nobody who runs the service signs by that alone, and nobody who signs changes who may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from signer.access.principal import Action

RoleName = Literal[
    "developer",
    "publisher",
    "appender",
    "approver",
    "auditor",
    "runtime",
    "witness",
    "monitor",
    "operator",
    "prefix-admin",
    "admin",
]

ROLES: Mapping[RoleName, tuple[Action, ...]] = {
    # Approves and attests images of its own repositories.
    "developer": ("sign", "attest", "read", "fetch", "watch"),
    # Has what was signed attached to images in registries.
    "publisher": ("publish", "read", "fetch", "watch"),
    # Logs what others signed, as cosign does.
    "appender": ("append", "fetch", "watch"),
    # A person who agrees to what others ask for.
    "approver": ("agree", "read", "fetch", "watch"),
    # Reads everything, changes nothing.
    "auditor": ("read", "fetch", "watch", "monitor", "mirror", "audit"),
    # Gets bundles by exact digest and what verifiers pin, and tells what it let run; is shown no
    # list.
    "runtime": ("fetch", "report"),
    # Follows the ledger: checkpoints, tiles, hashes and signatures, no bodies.
    "witness": ("watch",),
    # Scrapes metrics.
    "monitor": ("monitor",),
    # Runs the service: keys, configuration, revocation. May not sign.
    "operator": ("operate", "delete-body", "monitor", "fetch", "watch"),
    # Binds roles inside its own prefix.
    "prefix-admin": ("bind", "read", "fetch", "watch"),
    # Runs the service and binds roles anywhere; signs only with a role that it visibly bound.
    "admin": (
        "operate",
        "delete-body",
        "bind",
        "bind-any",
        "read",
        "fetch",
        "watch",
        "monitor",
        "audit",
    ),
}
# What may be given to whoever calls from a network, without any other proof.
ANONYMOUS: frozenset[RoleName] = frozenset({"runtime", "witness", "monitor"})
# What a prefix admin may bind, inside its prefix.
DELEGABLE: frozenset[RoleName] = frozenset(
    {"developer", "publisher", "approver", "runtime", "prefix-admin"}
)
