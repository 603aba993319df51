"""What the configuration of a runtime says, as `sealbook pull check` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from verifier.pull.installing import bait, containerd, crio, policies, setups
from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import Host
from verifier.pull.installing.finding import OPEN, SHUT, Checked, Finding, Tried
from verifier.pull.settings import PullSettings

SIGNED: list[dict[str, Any]] = [{"type": "sigstoreSigned", "keyData": "AA=="}]
ACCEPT: list[dict[str, Any]] = [{"type": "insecureAcceptAnything"}]
REJECT: list[dict[str, Any]] = [{"type": "reject"}]


def put(host: Host, name: str, content: str, mode: int = 0o644) -> None:
    path = host.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """One on which containerd's verifier is installed."""
    host = Host(tmp_path)
    host.install([setups.verifier_script(setups.BIN_DIR, "/usr/bin/python3")])
    return host


def serious(found: Any) -> set[str]:
    return {one.code for one in found if one.kind in (OPEN, SHUT)}


@pytest.mark.parametrize(
    ("version", "codes"),
    [
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20", {"too-old"}),
        ("containerd github.com/containerd/containerd/v2 v2.0.5 fb4c", {"cri-not-judged"}),
        ("containerd github.com/containerd/containerd/v2 2.1.9+unknown", set()),
        ("containerd github.com/containerd/containerd/v2 v2.10.0", set()),
        ("v3.0.0", set()),
    ],
)
def test_versions(host: Host, version: str, codes: set[str]) -> None:
    """
    Before 2.0 there are no verifiers, and before 2.1 Kubernetes pulls past them.
    """
    found = containerd.findings(containerd.Configured(), containerd.version(version), host)

    assert codes == serious(found)


def test_containerd_defaults(host: Host) -> None:
    """
    What the configuration leaves out is containerd's default, also without any file.
    """
    assert containerd.Configured() == containerd.read(host, containerd.CONFIG)
    assert containerd.Configured() == containerd.Configured.parse(
        f"[plugins.'{containerd.PLUGIN}']\nmax_verifiers = 10\nper_verifier_timeout = '10s'\n"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"disabled_plugins = ['{containerd.PLUGIN}']", "disabled"),
        ("[plugins.'io.containerd.cri.v1.images'.registry.mirrors.x]\na=1", "pulls-itself"),
        ("[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = true", "pulls-itself"),
        (f"[plugins.'{containerd.PLUGIN}']\nbin_dir = '/none'", "no-bin-dir"),
        (f"[plugins.'{containerd.PLUGIN}']\nmax_verifiers = 0", "never-asked"),
    ],
)
def test_containerd_lines(host: Host, text: str, code: str) -> None:
    """
    Each line with which containerd does not ask us is found, in the file and in one it imports.
    """
    found = containerd.findings(containerd.Configured.parse(text), (2, 1), host)
    assert {code} == serious(found)

    put(host, "/etc/containerd/config.toml", "imports = ['conf.d/*.toml']\nversion = 3\n")
    put(host, "/etc/containerd/conf.d/a.toml", text)
    imported = containerd.read(host, "/etc/containerd/config.toml")
    assert {code} == serious(containerd.findings(imported, (2, 1), host))


@pytest.mark.parametrize(
    "text", ["=", "plugins = 3", f"[plugins.'{containerd.PLUGIN}']\nmax_verifiers='x'"]
)
def test_containerd_nonsense(host: Host, text: str) -> None:
    """
    A configuration that is not to be understood is not taken for a good one.
    """
    with pytest.raises(InstallError):
        containerd.Configured.parse(text)


@pytest.mark.parametrize(("said", "seconds"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5)])
def test_times(said: str, seconds: float) -> None:
    """
    Times are Go's; one that kills our verifier before it answers is noted.
    """
    read = containerd.Configured.parse(
        f"[plugins.'{containerd.PLUGIN}']\nper_verifier_timeout = '{said}'\n"
    )

    assert seconds == read.timeout_s


def test_writable(host: Host) -> None:
    """
    A verifier that anybody can replace is none.
    """
    host.path(f"{setups.BIN_DIR}/sealbook").chmod(0o777)

    assert {"writable"} == serious(containerd.findings(containerd.Configured(), (2, 1), host))


def policy(default: object = REJECT, **docker: object) -> policies.Policy:
    scopes = {name.replace("_", "/"): rules for name, rules in docker.items()}
    value = {"default": default, "transports": {"docker": scopes}}
    return policies.Policy.parse(json.dumps(value).encode(), "policy.json")


LOOKUP = 'docker:\n  "registry/team":\n    lookaside: "https://sealbook.example/lookaside/x"\n'


@pytest.mark.parametrize(
    ("given", "lookups", "codes"),
    [
        (policy(registry_team=SIGNED), LOOKUP, set()),
        (policy(registry_team_app=SIGNED), LOOKUP, set()),
        (policy(registry_teams=SIGNED), LOOKUP, {"nowhere-to-look"}),
        (policy(registry=SIGNED), "", {"nowhere-to-look"}),
        (policy(registry=SIGNED), "docker: {}\n", {"nowhere-to-look"}),
        (policy(registry=SIGNED), "default-docker:\n  lookaside: https://x\n", set()),
        (
            policy(registry=SIGNED),
            "docker:\n  registry:\n    use-sigstore-attachments: false\n",
            {"nowhere-to-look"},
        ),
        (
            policy(registry=SIGNED),
            "docker:\n  registry:\n    use-sigstore-attachments: true\n",
            set(),
        ),
        (policy(registry=SIGNED), "docker: {registry: {lookaside: x}}\n", set()),  # past reading
        (policy(ACCEPT, registry_team=SIGNED), LOOKUP, {"default-accepts"}),
        (policy(ACCEPT, **{"": SIGNED}), LOOKUP, set()),  # a scope for all of docker:
        (policy(registry_team=SIGNED, registry_lab=ACCEPT), LOOKUP, {"scope-accepts"}),
        (policy(registry_team=[*ACCEPT, *SIGNED]), LOOKUP, set()),  # both have to hold
        (policy(), LOOKUP, {"no-signatures-wanted"}),
    ],
)
def test_policies(host: Host, given: policies.Policy, lookups: str, codes: set[str]) -> None:
    """
    Each rule that accepts anything is found, and each scope whose signatures nobody looks for.
    """
    put(host, "/etc/containers/registries.d/x.yaml", lookups)

    assert codes == serious(policies.findings(given, host, "policy.json"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"default":[]}', '{"default":[{}]}', '{"default":3}']
)
def test_no_policy(text: str) -> None:
    """
    What is no policy to Podman is none to us.
    """
    with pytest.raises(InstallError):
        policies.Policy.parse(text.encode(), "policy.json")


def test_crio(host: Host) -> None:
    """
    The later drop-in counts; each namespace's own policy is one more to read.
    """
    put(host, "/etc/crio/crio.conf", '[crio.image]\nsignature_policy = "/etc/old.json"\n')
    host.install([setups.crio_dropin()])
    put(host, "/etc/crio/policies/lab.json", "{}")
    configured = crio.read(host)

    assert [setups.POLICY, "/etc/crio/policies/lab.json"] == crio.policy_files(configured, host)
    assert [] == list(crio.findings(configured))
    put(
        host,
        "/etc/crio/crio.conf.d/99-late.conf",
        '[crio.image]\nsignature_policy = "/late.json"\n',
    )
    assert "/late.json" == crio.policy_files(crio.read(host), host)[0]
    put(host, "/etc/crio/crio.conf.d/99-late.conf", "[crio")
    with pytest.raises(InstallError):
        crio.read(host)


def test_pull_toml() -> None:
    """
    What is written as pull.toml is what pulls are decided by, inside containerd's patience.
    """
    file = setups.pull_toml(
        setups.Asking("/srv/bundles", "https://sealbook.example", registry=True)
    )
    settings = PullSettings.parse(file.content, file.path)

    assert ("file", "service", "registry") == settings.sources
    assert (setups.TRUST, "/srv/bundles") == (settings.trust, settings.file)
    assert settings.deadline_s < 10
    with pytest.raises(InstallError):
        setups.pull_toml(setups.Asking())


@pytest.mark.parametrize("python", ["python3", "/a b/python", "/" + "x" * 300, "/x\ny"])
def test_interpreters(python: str) -> None:
    """
    An interpreter that the kernel would not start is refused when it is named, not at each pull.
    """
    with pytest.raises(InstallError):
        setups.verifier_script(setups.BIN_DIR, python)


def test_bait_is_new_each_time() -> None:
    """
    Each bait has another digest, so that nobody remembers it.
    """
    assert bait._image()[1] != bait._image()[1]


UNSIGNED = Tried("unsigned", "r", "x", allowed=False, said="no", ours=True)
GOOD = Tried("signed", "r", "x", allowed=True)


@pytest.mark.parametrize(
    ("tried", "findings", "verdict"),
    [
        ([UNSIGNED], [], (True, True)),
        ([UNSIGNED, GOOD], [], (True, True)),
        ([], [], (False, True)),
        ([GOOD], [], (False, True)),
        ([UNSIGNED._replace(ours=False)], [], (False, True)),
        ([UNSIGNED._replace(allowed=None)], [], (False, True)),
        ([UNSIGNED._replace(allowed=True)], [], (False, True)),
        ([UNSIGNED, UNSIGNED._replace(allowed=True)], [], (False, True)),
        ([UNSIGNED, GOOD._replace(allowed=False)], [], (True, False)),
        ([UNSIGNED, GOOD._replace(allowed=None)], [], (True, False)),
        ([UNSIGNED], [Finding(OPEN, "x", "y")], (False, True)),
        ([UNSIGNED], [Finding(SHUT, "x", "y")], (True, False)),
    ],
)
def test_verdicts(tried: list[Tried], findings: list[Finding], verdict: tuple[bool, bool]) -> None:
    """
    Enforced is what was seen to be: every bait refused, by us, and nothing found that is open.
    """
    checked = Checked("x", "", tried, findings)

    assert verdict == (checked.enforced, checked.works)
