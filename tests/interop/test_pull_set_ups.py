"""README's "Verify at pull", typed as it stands: containerd, Podman, and a cluster's webhook.

What is put in the place of what the page names: a service and a registry on loopback. What the
page installs is installed. A real containerd, Podman and skopeo pull afterwards. There is no
cluster: what is told to kubectl is kept, laid out as a pod has it, and served, and curl asks as
an API server does.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import jsonpatch
import pytest
import yaml

from tests.interop.image import Image
from tests.interop.peers import Containers
from tests.interop.product import free_port
from tests.interop.pull_host import Done, PullHost
from tests.interop.pushing import Shelf
from tests.signer import commands
from tests.signer.commands import ROOT, SEALBOOK

pytestmark = pytest.mark.root

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = r"(?ms)^## {}\n(.*?)(?=^## |\Z)"
_INSTALL = re.compile(r"^pip install .*\n", re.MULTILINE)
_PATIENCE_S = 60
GOOD, OTHER = "team/app:1.4", "team/app:2.0"  # as on the page; and one that nobody signed
# Doubles: of init, which has nothing to restart; of a cluster, which keeps what it is told.
_SYSTEMCTL = '#!/bin/sh\necho "$*" >> systemctl.told\n'
_KUBECTL = """\
#!/bin/sh
printf '%s\\n' "$*" >> kubectl.told
for word; do [ -f "$word" ] && cp "$word" applied/; done
true
"""


def blocks(page: str, heading: str) -> list[str]:
    """Return what a section has for a shell."""
    [section] = re.findall(_SECTION.format(heading), (ROOT / page).read_text())
    return [_INSTALL.sub("", str(block)) for block in _BLOCK.findall(section)]


def set_ups() -> list[str]:
    found = blocks("README.md", "Verify at pull")
    assert 3 == len(found)
    return found


class Site(NamedTuple):
    """A service that speaks TLS under an authority of its own, and two images."""

    directory: Path
    registry: str
    url: str

    @property
    def pin(self) -> str:
        return sha256((self.directory / "trust.json").read_bytes()).hexdigest()

    def written(self, block: str) -> str:
        """Return what the page says, of this service and registry."""
        said = block.replace("https://ledger.bank.example:8641", self.url)
        return said.replace("registry.bank.example", self.registry)

    @property
    def variables(self) -> dict[str, str]:
        return {"PIN": self.pin, "DIGEST": f"sha256:{'ab' * 32}"}

    def hand(self, to: Path) -> None:
        """Give a host what the page gives it."""
        shutil.copy(self.directory / "tls" / "servers.pem", to)
        shutil.copy(self.directory / "trust.json", to)


def sealbook(*words: str | Path) -> None:
    """Run a command of ours, in this process."""
    done = commands.sealbook(*words)
    assert 0 == done.returncode, done.stderr


@pytest.fixture(scope="module")
def site(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service as the page on production has it, as far as hosts see it."""
    at = tmp_path_factory.mktemp("site") / "service"
    grpc, http = free_port(), free_port()
    sealbook("init", at, "--grpc", grpc, "--http", http)
    sealbook("access", "ca", at / "tls" / "servers", "--servers")
    made = ("--ca", at / "tls" / "servers", "--dns", "127.0.0.1")
    sealbook("access", "certificate", at / "tls" / "server", *made)
    config = at / "sealbook.toml"
    text = re.sub(r"^# (tls_certificate|tls_key) ", r"\1 ", config.read_text(), flags=re.MULTILINE)
    config.write_text(text + '\n[[bindings]]\nrole = "runtime"\nfrom = ["127.0.0.0/8"]\n')
    for number, name in enumerate((GOOD, OTHER)):
        path, _, tag = name.partition(":")
        image = Image.made(at.parent / f"layout-{number}", name)
        with Shelf(f"{registry}/{path}") as shelf:
            shelf.image(image.layout, tag)
    with _running("serve", "--config", config, until="serving gRPC on"):
        whom = ("--service", grpc, "--ca", at / "tls" / "servers.pem", "--config", config)
        sealbook("sign", f"{registry}/{GOOD}", "--no-attach", *whom, "--out", at.parent)
        yield Site(at, registry, f"https://{http}")


@contextmanager
def _running(*words: str | Path, until: str) -> Iterator[str]:
    """Run a command of ours meanwhile; give the line in which it says so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "signer", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        while line and until not in line:
            line = process.stdout.readline()
        assert line
        yield line
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        process.wait(_PATIENCE_S)


def host_of(site: Site, root: Path) -> PullHost:
    """Return a host with our command, and with what the page gives it."""
    host = PullHost(root)
    (host.root / "bin" / "sealbook").symlink_to(SEALBOOK)
    _double(host.root / "bin" / "systemctl", _SYSTEMCTL)
    site.hand(host.home)
    return host


def _double(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def type_in(host: PullHost, site: Site, block: str) -> Done:
    """Type a block of the page, as root."""
    script = f"cd {host.home}\n{site.written(block)}"
    shell = ("bash", "-euo", "pipefail", "-c", script)
    return host.run(*shell, environment=site.variables)


def test_containerd(site: Site, containerd: Path, tmp_path: Path) -> None:
    """
    The page's first set-up ends well, and from then on a real containerd pulls what is signed, and
    says why it does not pull the rest.
    """
    host = host_of(site, tmp_path / "root")
    with host.containerd(containerd) as served:
        for name in ("etc", "run"):
            host.path(f"/{name}/containerd").mkdir(exist_ok=True)
        host.path("/run/containerd/containerd.sock").symlink_to(served.socket)
        host.path("/etc/containerd/config.toml").symlink_to(served.home / "config.toml")

        done = type_in(host, site, set_ups()[0])
        assert 0 == done.code, f"{done.out}\n{done.err}"

        assert served.pull(f"{site.registry}/{GOOD}").allowed
        refused = served.pull(f"{site.registry}/{OTHER}")
        assert not refused.allowed
        assert "refused: " in refused.error
        assert "(unsigned)" in refused.error
    assert "restart containerd\n" == (host.home / "systemctl.told").read_text()


@pytest.mark.parametrize("runtime", ["podman", "crio"])
def test_podman(site: Site, containers: Containers, tmp_path: Path, runtime: str) -> None:
    """
    The page's second set-up ends well, and from then on Podman pulls what is signed and nothing
    else; with `crio` for `podman` CRI-O's files are written as well.
    """
    host = host_of(site, tmp_path / "root")
    host.containers(containers, "podman", "skopeo")
    anything = {"default": [{"type": "insecureAcceptAnything"}]}  # as distributions have it
    host.path("/etc/containers/policy.json").write_text(json.dumps(anything))
    known = f'[[registry]]\nlocation = "{site.registry}"\ninsecure = true\n'
    host.path("/etc/containers/registries.conf").write_text(known)
    block = set_ups()[1]
    if runtime == "crio":
        install = block.partition("sealbook pull check")[0]
        assert 0 == type_in(host, site, install.replace("podman", "crio")).code
        assert "policy.json" in host.read("/etc/crio/crio.conf.d/90-sealbook.conf")
        return

    done = type_in(host, site, block)
    assert 0 == done.code, f"{done.out}\n{done.err}"

    refused = host.run("podman", "pull", "--tls-verify=false", f"{site.registry}/{OTHER}")
    assert 0 != refused.code
    assert "no signature exists" in refused.err


def test_kubernetes(site: Site, tmp_path: Path) -> None:
    """
    What the page's third set-up tells a cluster is all that it needs: served by what the pod has,
    under the certificate that the API server is told, a signed tag is pinned, and what nobody
    signed is refused with its reason.
    """
    place, host = tmp_path / "place", "sealbook-admission.sealbook.svc"
    for name in ("applied", "bin"):
        (place / name).mkdir(parents=True)
    site.hand(place)
    _double(place / "bin" / "kubectl", _KUBECTL)
    path = f"{place}/bin:{SEALBOOK.parent}:{os.environ['PATH']}"
    _shell(site.written(set_ups()[2]), place, PATH=path, **site.variables)

    told = (place / "kubectl.told").read_text().splitlines()
    assert "create namespace sealbook" == told[0]
    assert "apply -f admission.yaml" == told[-1]
    objects = list(yaml.safe_load_all((place / "applied" / "admission.yaml").read_text()))
    [way_out] = _of(objects, "NetworkPolicy")["spec"]["egress"]
    assert int(site.url.rpartition(":")[2]) in [one["port"] for one in way_out["ports"]]
    settings = _laid_out(objects, place, told[1])
    [hook] = _of(objects, "ValidatingWebhookConfiguration")["webhooks"]
    ca = place / "ca.pem"
    ca.write_bytes(base64.b64decode(hook["clientConfig"]["caBundle"]))
    with _running("admission", "serve", settings, until="answers on") as line:
        port = line.strip().rpartition(":")[2]

        def ask(way: str, image: str) -> dict[str, Any]:
            (place / "review.json").write_text(json.dumps(_review(f"{site.registry}/{image}")))
            said = _shell(
                f"curl -sSf --cacert {ca} --resolve {host}:{port}:127.0.0.1 -d @review.json "
                f"-H 'content-type: application/json' 'https://{host}:{port}/{way}?timeout=10s'",
                place,
            )
            found: dict[str, Any] = json.loads(said)["response"]
            return found

        pinned, refused = ask("mutate", GOOD), ask("mutate", OTHER)
    assert pinned["allowed"]
    patch = jsonpatch.JsonPatch.from_string(base64.b64decode(pinned["patch"]).decode())
    changed = patch.apply(_review(f"{site.registry}/{GOOD}")["request"]["object"])
    [container] = changed["spec"]["containers"]
    assert container["image"].startswith(f"{site.registry}/team/app@sha256:")
    assert not refused["allowed"]
    assert "(unsigned)" in refused["status"]["message"]


def test_asked_without_a_cluster(site: Site, tmp_path: Path) -> None:
    """
    Where there is no cluster yet, the page of the room has the webhook answer to curl.
    """
    settings, asking = blocks("verifier/pull/README.md", "A webhook without a cluster")
    site.hand(tmp_path)
    port = free_port().rpartition(":")[2]
    path = f"{SEALBOOK.parent}:{os.environ['PATH']}"

    def written(block: str) -> str:
        return site.written(block).replace("127.0.0.1:8643", f"127.0.0.1:{port}")

    script = f"{written(settings)}\necho $! > pid\n"
    _shell(script, tmp_path, PATH=path, **site.variables)
    try:
        end = time.monotonic() + _PATIENCE_S
        while "answers on" not in (tmp_path / "out").read_text():
            assert time.monotonic() < end
            time.sleep(0.02)
        yes = _shell(written(asking), tmp_path)
        no = _shell(written(asking).replace(GOOD, OTHER), tmp_path)
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert json.loads(yes)["allowed"] is True
    assert "(unsigned)" in json.loads(no)["status"]["message"]


def _shell(script: str, at: Path, **variables: str) -> str:
    """Type something; return what it prints. What it leaves running goes on."""
    with (at / "out").open("w") as out, (at / "err").open("w") as err:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=at,
            env={"PATH": os.environ["PATH"], "HOME": str(at), **variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=_PATIENCE_S,
            check=False,
        )
    assert 0 == done.returncode, (at / "err").read_text()
    return (at / "out").read_text()


def _of(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [each for each in objects if kind == each["kind"]]
    return found


def _laid_out(objects: list[dict[str, Any]], place: Path, secret: str) -> Path:
    """Lay out what the Deployment mounts, under `place`; return the settings that it serves by.

    `secret` is what kubectl was told of the certificate.
    """
    deployment = _of(objects, "Deployment")
    namespace = deployment["metadata"]["namespace"]
    spec = deployment["spec"]["template"]["spec"]
    [container] = spec["containers"]
    maps = {one["metadata"]["name"]: one["data"] for one in objects if "ConfigMap" == one["kind"]}
    root = place / "root"
    for mount in container["volumeMounts"]:
        [volume] = [one for one in spec["volumes"] if mount["name"] == one["name"]]
        at = root / mount["mountPath"].lstrip("/")
        at.mkdir(parents=True)
        for name, content in maps.get(volume.get("configMap", {}).get("name"), {}).items():
            moved = content.replace('"/etc', f'"{root}/etc').replace('"/var', f'"{root}/var')
            here = moved.replace('"0.0.0.0:8443"', '"127.0.0.1:0"\ndrain_s = 0')
            (at / name).write_text(here)
        if "secret" in volume:
            begun = f"-n {namespace} create secret tls {volume['secret']['secretName']} "
            assert secret.startswith(begun)
            for option, name in (("--cert", "tls.crt"), ("--key", "tls.key")):
                [file] = re.findall(rf"{option} (\S+)", secret)
                shutil.copy(place / file, at / name)
                (at / name).chmod(volume["secret"]["defaultMode"])
    assert ["sealbook", "admission", "serve"] == container["command"][:3]
    return root / str(container["command"][3]).lstrip("/")


def _review(image: str) -> dict[str, Any]:
    """Return the question of an API server whether a pod of this image may be made."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "object": pod,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
