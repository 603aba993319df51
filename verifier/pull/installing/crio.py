"""By which policies CRI-O goes: one for all, or one for each namespace that has its own.

Spec: crio.conf(5), signature_policy and signature_policy_dir.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import BYPASS, NOTE, Finding
from verifier.pull.installing.setups import CRIO, CRIO_POLICIES, POLICY

CONFIG, DROPINS = "/etc/crio/crio.conf", "/etc/crio/crio.conf.d"
SOCKET = "/run/crio/crio.sock"
INSTALL = "sealbook pull install crio"

BYPASSES = (
    Finding(
        BYPASS,
        "already-here",
        "images that are here already are not judged again: kubelet does not pull them",
    ),
    Finding(
        BYPASS,
        "other-programs",
        "`podman load` and `skopeo copy` into CRI-O's store go by their own",
    ),
)


class Configured(NamedTuple):
    """What counts of the configuration; "" is not said."""

    policy: str = ""
    policies: str = CRIO_POLICIES


def read(host: Host) -> Configured:
    """Return what crio.conf and its drop-ins say together; the later file counts.

    Raises:
        InstallError: a file is not to be understood.
        OSError: one cannot be read.
    """
    found = Configured()
    directory = host.path(DROPINS)
    names = (
        [f"{DROPINS}/{one.name}" for one in sorted(directory.iterdir())]
        if directory.is_dir()
        else []
    )
    for name in (CONFIG, *names):
        data = host.read(name)
        if data is None:
            continue
        try:
            image: dict[str, Any] = tomllib.loads(data.decode()).get("crio", {}).get("image", {})
            found = Configured(
                str(image.get("signature_policy", found.policy)),
                str(image.get("signature_policy_dir", found.policies)),
            )
        except (ValueError, AttributeError, RecursionError) as e:
            raise InstallError(f"{name} is not a configuration of CRI-O: {str(e)[:200]}") from e
    return found


def policy_files(configured: Configured, host: Host) -> list[str]:
    """Return the policies that CRI-O goes by, the one for all first."""
    directory = host.path(configured.policies) if configured.policies else None
    own = []
    if directory is not None and directory.is_dir():
        own = [f"{configured.policies}/{one.name}" for one in sorted(directory.glob("*.json"))]
    return [configured.policy or POLICY, *own]


def findings(configured: Configured) -> Iterator[Finding]:
    """Yield what is wrong with the configuration itself."""
    if not configured.policy:
        yield Finding(
            NOTE,
            "policy-by-default",
            f"nothing says which policy counts, so {POLICY} does",
            f'in {CRIO}: [crio.image] signature_policy = "{POLICY}"; {INSTALL} writes it',
        )
