"""What each file of a set-up says, and what is left for whoever looks after the host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import ETC, File

TRUST = f"{ETC}/trust"
PULL = f"{ETC}/pull.toml"
SERVICE_CA = f"{ETC}/service-ca.pem"
CACHE = "/var/cache/sealbook"
BIN_DIR = "/opt/containerd/image-verifier/bin"  # containerd's own default
NAME = "sealbook"
MODULE = "verifier.pull.containerd"
POLICY = "/etc/containers/policy.json"
LOOKUPS = "/etc/containers/registries.d/sealbook.yaml"
CRIO = "/etc/crio/crio.conf.d/90-sealbook.conf"
CRIO_POLICIES = "/etc/crio/policies"
_LONGEST = 250  # of an interpreter's path that the kernel takes
DEADLINE_S = 9  # containerd kills a verifier after ten


class Asking(NamedTuple):
    """Where bundles are looked for; "" is nowhere."""

    bundles: str = ""
    service: str = ""
    registry: bool = False
    example_keys: bool = False
    ca: bool = False  # the service's authority is in SERVICE_CA


def pull_toml(asking: Asking) -> File:
    """Return pull.toml.

    Raises:
        InstallError: it names nowhere to look.
    """
    named = {"file": asking.bundles, "service": asking.service, "registry": asking.registry}
    sources = [name for name, there in named.items() if there]
    if not sources:
        raise InstallError(
            "nothing says where bundles are looked for",
            hint="say --service URL, --bundles DIR or --registry-bundles",
        )
    lines = [
        f"trust = {json.dumps(TRUST)}",
        f"sources = {json.dumps(sources)}",
        f"deadline_s = {DEADLINE_S}",
    ]
    if asking.example_keys:
        lines.append("example_keys = true")
    if asking.bundles:
        lines += ["", "[file]", f"directory = {json.dumps(asking.bundles)}"]
    if asking.service:
        lines += ["", "[service]", f"url = {json.dumps(asking.service)}"]
        lines += [f"ca = {json.dumps(SERVICE_CA)}"] if asking.ca else []
    lines += ["", "[cache]", f"directory = {json.dumps(CACHE)}"]
    return File(PULL, ("\n".join(lines) + "\n").encode())


def verifier_script(bin_dir: str, python: str) -> File:
    """Return what containerd runs: our verifier, by the interpreter `python` of the host.

    Nothing of containerd's environment or directory gets between (`-I`).

    Raises:
        InstallError: a script cannot name such an interpreter.
    """
    if not python.startswith("/") or len(python) > _LONGEST or set(" \t\n") & set(python):
        raise InstallError(f"expected the path of a Python without spaces, found {python[:300]!r}")
    lines = [
        f"#!{python} -I",
        '"""Says to containerd whether an image may run. By `sealbook pull install containerd`."""',
        "try:",
        f"    from {MODULE} import program",
        "except BaseException as e:  # an installation that is broken tells the user, too",
        '    print(f"sealbook: refused: {e!r} (broken-install)")',
        "    raise SystemExit(1) from None",
        "program()",
    ]
    return File(f"{bin_dir}/{NAME}", ("\n".join(lines) + "\n").encode(), 0o755, crowded=True)


def containerd_lines(bin_dir: str) -> str:
    """Return what belongs into containerd's config.toml."""
    return "\n".join(
        [
            '[plugins."io.containerd.image-verifier.v1.bindir"]',
            f"  bin_dir = {json.dumps(bin_dir)}",
            "  max_verifiers = -1",
            '  per_verifier_timeout = "10s"',
            '[plugins."io.containerd.cri.v1.images"]',
            "  use_local_image_pull = false",
        ]
    )


def crio_dropin() -> File:
    """Return what has CRI-O go by the policy of the host, in every namespace."""
    lines = [
        "# By `sealbook pull install crio`.",
        "[crio.image]",
        f"signature_policy = {json.dumps(POLICY)}",
        f"signature_policy_dir = {json.dumps(CRIO_POLICIES)}",
    ]
    return File(CRIO, ("\n".join(lines) + "\n").encode(), crowded=True)


def remaining(
    runtime: str, *, bin_dir: str = BIN_DIR, service: str = "", ca: bool = False
) -> Sequence[str]:
    """Return what somebody still has to do, a step each."""
    source = service or "https://SERVICE"
    known = f" --ca {SERVICE_CA}" if ca else ""
    synced = f"from a timer, each hour: sealbook trust sync {source} {TRUST}{known}"
    proof = f"then prove it: sealbook pull check {runtime}"
    if runtime == "containerd":
        lines = containerd_lines(bin_dir)
        return [
            f"in /etc/containerd/config.toml (version = 3):\n{lines}",
            "systemctl restart containerd",
            synced,
            proof,
        ]
    again = (
        "and after it, for Podman's kind knows no status file, this again without --from: "
        f"sealbook pull install {runtime} …"
    )
    restart = ["systemctl restart crio"] if runtime == "crio" else []
    return [*restart, synced, again, proof]
