"""What is tried and read of each runtime, put together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from signer.cli.pull import ended
from signer.cli.pull.cri import command
from signer.cli.pull.trying import by_containers, by_cri
from verifier.errors import VerificationError
from verifier.pull.gate import Gate
from verifier.pull.installing import containerd, crio, policies
from verifier.pull.installing.bait import Bait
from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import NOTE, OPEN, SHUT, Checked, Finding, Tried
from verifier.pull.installing.setups import CRIO_POLICIES, POLICY, PULL
from verifier.pull.settings import PullSettings

_PROGRAMS = ("podman", "skopeo")
_VERSION_TIMEOUT_S = 10


class Asked(NamedTuple):
    """What the command line says."""

    host: Host
    bait: Bait
    signed: Sequence[str]
    socket: str | None
    containerd_config: str
    timeout_s: float


def found(host: Host, socket: str | None) -> list[str]:
    """Return which runtimes are here."""
    here = []
    if socket or shutil.which("containerd") or host.path(containerd.SOCKET).exists():
        here.append("containerd")
    if any(map(shutil.which, _PROGRAMS)):
        here.append("podman")
    if host.path(crio.SOCKET).exists() or host.path(crio.CONFIG).exists():
        here.append("crio")
    return here


def containerd_checked(asked: Asked) -> Checked:
    """Try containerd by CRI, read its configuration and the settings of our verifier."""
    tried = list(
        by_cri(
            asked.bait,
            asked.signed,
            asked.socket or containerd.SOCKET,
            asked.timeout_s,
            containerd=True,
        )
    )
    version, told = "", ""
    findings: list[Finding] = []
    if program := shutil.which("containerd"):
        told = command([program, "--version"], _VERSION_TIMEOUT_S, "").said
        version = (told.split() or [""])[2] if len(told.split()) > 2 else ""
    try:
        configured = _containerd_configured(asked, program)
    except (InstallError, OSError) as e:
        findings.append(Finding(NOTE, "unread", f"the configuration cannot be read: {e}"))
    else:
        findings += containerd.findings(configured, containerd.version(told), asked.host)
    findings += _settings(asked.host)
    if any(one.by.startswith("ctr") for one in tried):
        what = "only `ctr` could be asked, and Kubernetes pulls by CRI"
        findings.append(Finding(OPEN, "cri-not-tried", what, "install crictl or grpcio"))
    return Checked("containerd", version, tried, [*findings, *containerd.BYPASSES])


def podman_checked(asked: Asked) -> Checked:
    """Try Podman and skopeo, each that is here, and read their policy."""
    programs = [path for name in _PROGRAMS if (path := shutil.which(name))]
    versions = [command([one, "--version"], _VERSION_TIMEOUT_S, "").said for one in programs]
    findings, scopes = _policy(asked.host, POLICY)
    tried = [
        one
        for program in programs
        for one in by_containers(asked.bait, asked.signed, program, scopes, asked.timeout_s)
    ]
    findings += policies.of_users(asked.host)
    version = ", ".join(" ".join(said.split()[::2]) for said in versions if said)
    return Checked("podman", version, tried, [*findings, *policies.BYPASSES])


def crio_checked(asked: Asked) -> Checked:
    """Try CRI-O by CRI, and read each policy that it goes by."""
    socket = asked.socket or crio.SOCKET
    tried: list[Tried] = list(
        by_cri(asked.bait, asked.signed, socket, asked.timeout_s, containerd=False)
    )
    findings: list[Finding] = []
    try:
        configured = crio.read(asked.host)
        findings += crio.findings(configured)
        for name in crio.policy_files(configured, asked.host):
            findings += _policy(asked.host, name)[0]
    except (InstallError, OSError) as e:
        findings.append(Finding(NOTE, "unread", f"the configuration cannot be read: {e}"))
    if any(CRIO_POLICIES in one.message for one in findings):
        what = f"files in {CRIO_POLICIES} go before the host's policy, each for its namespace"
        findings.append(Finding(NOTE, "namespaces", what))
    return Checked("crio", "", tried, [*findings, *crio.BYPASSES])


def _containerd_configured(asked: Asked, program: str | None) -> containerd.Configured:
    """Return what counts: by containerd's own reading, where it can be asked."""
    path = asked.host.path(asked.containerd_config)
    if program and str(asked.host.root) == "/" and path.exists():
        words = [program, "--config", str(path), "config", "dump"]
        dumped = command(words, _VERSION_TIMEOUT_S, "")
        if dumped.allowed:
            return containerd.Configured.parse(dumped.said)
    return containerd.read(asked.host, asked.containerd_config)


def _policy(host: Host, name: str) -> tuple[list[Finding], list[str]]:
    """Return what is found in a policy, and the places that it names."""
    try:
        data = host.read(name)
        if data is None:
            what = f"{name} is not there: all is refused, or a default of the distribution counts"
            return [Finding(SHUT, "no-policy", what, "sealbook pull install podman")], []
        policy = policies.Policy.parse(data, name)
    except (InstallError, OSError) as e:
        return [Finding(SHUT, "bad-policy", str(e), "sealbook pull install podman --force")], []
    places = dict.fromkeys(policy.transports.get("docker", {}))
    places |= dict.fromkeys(policies.looked_up(host) or [])
    found = [*policies.findings(policy, host, name), *ended.findings(host, name)]
    return found, list(places)


def _settings(host: Host) -> Iterator[Finding]:
    """Yield what is wrong with our own settings, or with what is believed here."""
    path = host.path(PULL)
    try:
        data = host.read(PULL)
        if data is None:
            yield Finding(
                SHUT, "no-pull-settings", f"{PULL} is not there", "sealbook pull install containerd"
            )
            return
        settings = PullSettings.parse(data, PULL)
    except (VerificationError, OSError) as e:
        yield Finding(SHUT, "bad-pull-settings", str(e), f"correct {path}")
        return
    for scope in settings.warn:
        yield Finding(
            OPEN, "only-warns", f"{PULL}: {scope} is only warned of", "take it out of warn"
        )
    if not Path(settings.trust).is_relative_to("/"):
        return
    try:
        Gate(settings._replace(trust=str(host.path(settings.trust)))).ready()
    except (VerificationError, OSError) as e:
        code = getattr(e, "code", "unreadable")
        yield Finding(
            SHUT, code, f"{settings.trust}: {e}", "sealbook trust sync brings newer files"
        )
