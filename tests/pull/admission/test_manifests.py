"""What `sealbook admission manifests` prints: good objects, which fit each other."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from signer.admission.settings import Settings
from signer.admission.yaml import documents
from signer.cli import main
from tests.pull.admission.cluster import Approved
from tests.pull.papers import Authority
from verifier.pull.admission.containers import pod_spec
from verifier.pull.admission.errors import KindError
from verifier.pull.admission.review import parse_review
from verifier.pull.trust_directory import TrustDirectory

IMAGE = "registry.example/tools/sealbook@sha256:" + "ab" * 32
VERSIONS = ("1.25", "1.30", "1.34")  # the oldest that it is for, and newer ones


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with what an operator has."""
    Approved(0).trust(tmp_path)
    ca = Authority(tmp_path / "papers").certificate
    shutil.copy(ca, tmp_path / "ca.crt")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], files: Path, *more: str) -> list[dict[str, Any]]:
    """Return the objects that are printed, with the options that there must be, and `more`."""
    options = ["--image", IMAGE, "--trust", str(files / "trust.json"), *more]
    if "--cert-manager" not in more:
        options += ["--ca-bundle", str(files / "ca.crt")]
    assert main(["admission", "manifests", *options]) == 0
    text = capsys.readouterr().out
    found = list(yaml.safe_load_all(text))
    assert all(found)
    return found


def one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the object of this kind."""
    [found] = [each for each in objects if each["kind"] == kind]
    return found


EVERYTHING = (
    *("--service", "https://sealbook.example", "--service-ca", "ca.crt"),
    *("--report", "--service-token-secret", "service-token", "--api-server-ca", "ca.crt"),
    *("--api-server-name", "kube-apiserver", "--pull-secret", "regcred"),
    *("--pull-secrets-in", "shop", "--alert", "https://hook.example/x", "--alert-ca", "ca.crt"),
    *("--exclude-namespace", "kube-system", "--exclude-namespace", "cni"),
    *("--warn-namespace", "lab", "--image-pull-secret", "own", "--replicas", "5"),
    *("--egress-port", "443", "--egress-port", "5000", "--namespace", "trust-me"),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "more", [(), EVERYTHING, ("--tags", "refuse", "--cert-manager", "ours", "--cluster-issuer")]
)
def test_objects_are_as_kubernetes_has_them(
    capsys: pytest.CaptureFixture[str],
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    more: tuple[str, ...],
) -> None:
    """Each object is one of Kubernetes' own schema, with no field that it does not know."""
    monkeypatch.chdir(files)
    objects = printed(capsys, files, *more)
    for found in objects:
        if found["kind"] != "Certificate":  # of cert-manager
            kubernetes_validate.validate(found, version, strict=True)
    kinds = [each["kind"] for each in objects]
    assert "Namespace" == kinds[0]
    assert "ValidatingWebhookConfiguration" == kinds[-1]
    assert ("MutatingWebhookConfiguration" in kinds) is ("--tags" not in more)


def test_json_is_the_same(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """--json prints the same objects as one list, as `kubectl apply` takes it too."""
    objects = printed(capsys, files)
    options = ["--trust", str(files / "trust.json"), "--ca-bundle", str(files / "ca.crt")]
    assert main(["admission", "manifests", "--json", "--image", IMAGE, *options]) == 0
    assert objects == json.loads(capsys.readouterr().out)["items"]


def test_it_fails_closed_and_can_start(
    capsys: pytest.CaptureFixture[str], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every failure is a refusal; our own namespace and those excluded are never asked about."""
    monkeypatch.chdir(files)
    objects = printed(capsys, files, *EVERYTHING)
    ca = (files / "ca.crt").read_bytes()
    for kind, path in (("Mutating", "/mutate"), ("Validating", "/validate")):
        [hook] = one(objects, f"{kind}WebhookConfiguration")["webhooks"]
        assert ("Fail", "Equivalent", "None") == (
            hook["failurePolicy"],
            hook["matchPolicy"],
            hook["sideEffects"],
        )
        assert 10 == hook["timeoutSeconds"]
        [names] = hook["namespaceSelector"]["matchExpressions"]
        assert ("kubernetes.io/metadata.name", "NotIn") == (names["key"], names["operator"])
        assert ["cni", "kube-system", "trust-me"] == names["values"]
        assert "objectSelector" not in hook  # whoever makes a pod chooses its labels
        assert ca == base64.b64decode(hook["clientConfig"]["caBundle"])
        service = one(objects, "Service")
        assert path == hook["clientConfig"]["service"]["path"]
        for key in ("name", "namespace"):
            assert service["metadata"][key] == hook["clientConfig"]["service"][key]


def test_every_kind_that_is_asked_about_is_known(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    """What the API server asks about is what we can answer, each kind that holds a pod."""
    [hook] = one(printed(capsys, files), "ValidatingWebhookConfiguration")["webhooks"]
    asked = {
        (rule["apiGroups"][0], resource) for rule in hook["rules"] for resource in rule["resources"]
    }
    kinds = {
        "pods": ("Pod", ""),
        "pods/ephemeralcontainers": ("Pod", "ephemeralcontainers"),
        "podtemplates": ("PodTemplate", ""),
        "replicationcontrollers": ("ReplicationController", ""),
        "deployments": ("Deployment", ""),
        "statefulsets": ("StatefulSet", ""),
        "daemonsets": ("DaemonSet", ""),
        "replicasets": ("ReplicaSet", ""),
        "jobs": ("Job", ""),
        "cronjobs": ("CronJob", ""),
    }
    assert set(kinds) == {resource for _, resource in asked}
    for group, resource in asked:
        kind, subresource = kinds[resource]
        request = {
            "uid": "1",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "operation": "CREATE",
            "subResource": subresource,
            "object": {"kind": kind, "apiVersion": f"{group}/v1" if group else "v1"},
        }
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": request,
        }
        try:
            pod_spec(parse_review(json.dumps(review).encode()))
        except KindError:
            pytest.fail(f"{kind} is asked about, and not known")
        except Exception:  # noqa: BLE001  it has no containers: that is said otherwise
            pass


def test_pods_may_as_little_as_they_need(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Not root, nothing to write but the trust files, and no right that is not asked for."""
    objects = printed(capsys, files)
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert IMAGE == container["image"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {"drop": ["ALL"]} == container["securityContext"]["capabilities"]
    written = [each["name"] for each in container["volumeMounts"] if not each.get("readOnly")]
    assert ["trust"] == written
    assert pod["automountServiceAccountToken"] is False
    assert not [each for each in objects if "Role" in each["kind"]]
    one(objects, "PodDisruptionBudget")
    one(objects, "NetworkPolicy")


def test_rights_are_the_named_ones(
    capsys: pytest.CaptureFixture[str], files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pull secrets may be read by name everywhere, or in a namespace; nothing may be listed."""
    monkeypatch.chdir(files)
    objects = printed(capsys, files, *EVERYTHING)
    rules = [*one(objects, "ClusterRole")["rules"], *one(objects, "Role")["rules"]]
    assert all(["get"] == rule["verbs"] for rule in rules)
    found = [(rule["resources"], rule.get("resourceNames")) for rule in rules]
    assert [
        (["serviceaccounts"], None),
        (["secrets"], ["regcred"]),
        (["secrets"], None),
    ] == found
    assert "shop" == one(objects, "Role")["metadata"]["namespace"]
    account = one(objects, "ServiceAccount")["metadata"]
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        [subject] = one(objects, kind)["subjects"]
        assert (account["name"], "trust-me") == (subject["name"], subject["namespace"])


@pytest.mark.parametrize("more", [(), EVERYTHING])
def test_settings_are_what_the_command_reads(
    capsys: pytest.CaptureFixture[str],
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    """The ConfigMaps, mounted where the Deployment says, are settings that `serve` takes."""
    monkeypatch.chdir(files)
    objects = printed(capsys, files, *more)
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    maps = {
        each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"
    }
    root = files / "root"
    for mount in container["volumeMounts"]:
        [volume] = [each for each in pod["volumes"] if each["name"] == mount["name"]]
        at = root / mount["mountPath"].lstrip("/")
        at.mkdir(parents=True)
        for name, content in maps.get(volume.get("configMap", {}).get("name"), {}).items():
            moved = content.replace('"/etc', f'"{root}/etc').replace('"/var', f'"{root}/var')
            (at / name).write_text(moved)
    path = container["command"][-1].lstrip("/")
    settings = Settings.load(root / path)
    assert f":{container['ports'][0]['containerPort']}" in settings.listen.address
    assert settings.listen.certificate == root / "etc/sealbook-tls/tls.crt"
    assert settings.keep.initial is not None
    initial = TrustDirectory(str(settings.keep.initial))
    assert 1 == initial.load().trust.version
    assert str(root / "var/lib/sealbook/trust") == settings.pull.trust
    if more:
        assert {"cni", "kube-system", "trust-me"} == settings.admission.exclude
        assert {"lab"} == settings.admission.warn
        assert settings.admission.pull_secrets
        assert settings.alert is not None
        assert ("kube-apiserver",) == settings.listen.client_names
        for ca in (settings.alert.ca, settings.keep.ca, settings.listen.client_ca):
            assert ca is not None
            assert ca.read_bytes() == (files / "ca.crt").read_bytes()
        assert settings.pull.service is not None
        assert settings.pull.report
        assert settings.pull.service.token == str(root / "etc/sealbook-service/token")
    else:
        assert ("registry",) == settings.pull.sources
        assert not settings.admission.pull_secrets


def test_changed_settings_roll_out(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Other settings are other pods: what is read at the start alone is never half in force."""
    template = [
        one(printed(capsys, files, *more), "Deployment")["spec"]["template"]["metadata"]
        for more in ((), (), ("--warn-namespace", "lab"))
    ]
    assert template[0] == template[1] != template[2]


@pytest.mark.parametrize(
    "more",
    [
        ("--image", "registry.example/tools/sealbook:1.0"),
        ("--namespace", "Not A Name"),
        ("--warn-namespace", "kube-system"),
        ("--replicas", "0"),
        ("--service-token-secret", "x"),
        ("--report",),
        ("--pull-secret", "a b"),
        ("--registries", "secret.toml"),
        ("--service-ca", "trust.json", "--service", "https://sealbook.example"),
    ],
)
def test_what_could_not_work_is_refused(
    capsys: pytest.CaptureFixture[str],
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    """Nothing is printed of what a cluster would not take, or what would not hold."""
    monkeypatch.chdir(files)
    (files / "secret.toml").write_text(
        '[[registry]]\nprefix = "registry.example"\ncredential = "robot"\n'
    )
    options = ["--image", IMAGE, "--trust", "trust.json", "--ca-bundle", "ca.crt", *more]
    assert main(["admission", "manifests", *options]) == 1
    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith("error: ")


def test_example_keys_are_refused(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Nobody pins keys that everybody has."""
    trust = Path("keys-example/trust.json").absolute()
    options = ["--image", IMAGE, "--ca-bundle", str(files / "ca.crt"), "--trust", str(trust)]
    assert main(["admission", "manifests", *options]) == 1
    assert "(example-key)" in capsys.readouterr().err


def test_kubectl_reads_it(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Each object is read by kubectl itself, where there is one."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl")
    options = ["--image", IMAGE, "--trust", str(files / "trust.json")]
    main(["admission", "manifests", *options, "--ca-bundle", str(files / "ca.crt")])
    path = files / "all.yaml"
    path.write_text(capsys.readouterr().out)
    command = [kubectl, "annotate", "--local", "-f", str(path), "a=b", "-o", "name"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert "deployment.apps/sealbook-admission" in done.stdout


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    TEXT | st.booleans() | st.integers(-(2**40), 2**40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_yaml_is_read_back(objects: list[dict[str, Any]]) -> None:
    """Whatever is written reads back as the same, by another library."""
    assert objects == list(yaml.safe_load_all(documents(objects)))


@given(st.sampled_from(["no", "ON", "y", "1", "1e3", "0x1f", "~", "null", "a: b", "- a", "é", "a\n b\n", "a\n\tb\n", "a \nb\n", "\n a\nb\n", "---\na\nb\n", "#x", "2026-11-26", "😀\nx\n"]))  # fmt: skip  # noqa: E501
def test_texts_stay_texts(text: str) -> None:
    """What YAML would take for something else than a text stays one."""
    value = {text: [text, {"a": text}], "b": text}
    assert [value] == list(yaml.safe_load_all(documents([value])))
