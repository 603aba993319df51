"""Who a pod is at a registry: its pull secrets, read from a cluster, as the kubelet reads them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.pull.admission.asking import SLACK, at_once
from tests.pull.hostile import HostileRegistry, answer, moved, told
from tests.pull.papers import Authority
from verifier.errors import VerificationError
from verifier.pull.admission.cluster import Cluster, open_cluster
from verifier.pull.admission.errors import PullSecretError
from verifier.pull.admission.logins import Login, Logins, Puller, PullSecrets, read_secret
from verifier.pull.admission.settings import ClusterSettings
from verifier.pull.registry.credentials import Credential
from verifier.pull.registry.deadline import Deadline
from verifier.repository import Repository

ROBOT = Credential("robot", "secret")


def auth(user: str = "robot", secret: str = "secret") -> dict[str, str]:
    """An entry as `kubectl create secret docker-registry` writes it."""
    both = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return {"username": user, "password": secret, "email": "a@b", "auth": both}


def secret(entries: Mapping[str, Any], *, old: bool = False) -> dict[str, Any]:
    """A pull secret of either type."""
    value, kind, key = {"auths": entries}, "dockerconfigjson", ".dockerconfigjson"
    if old:
        value, kind, key = dict(entries), "dockercfg", ".dockercfg"
    data = {key: base64.b64encode(json.dumps(value).encode()).decode()}
    return {"kind": "Secret", "type": f"kubernetes.io/{kind}", "data": data}


def deadline() -> Deadline:
    return Deadline(5 * SLACK, "a test")


@pytest.mark.parametrize(
    ("key", "repository", "fits"),
    [
        ("registry.example", "registry.example/team/web", True),
        ("registry.example", "registry.example:5000/team/web", False),
        ("registry.example:5000", "registry.example:5000/team/web", True),
        ("registry.example:5000", "registry.example/team/web", False),
        ("https://registry.example", "registry.example/team/web", True),
        ("https://registry.example/", "registry.example/team/web", True),
        ("http://registry.example/v1/", "registry.example/team/web", True),
        ("https://registry.example/v2/", "registry.example/team/web", True),
        ("registry.example/team", "registry.example/team/web", True),
        ("registry.example/other", "registry.example/team/web", False),
        ("*.registry.example", "eu.registry.example/team/web", True),
        ("*.registry.example", "registry.example/team/web", False),
        ("*.registry.example", "a.b.registry.example/team/web", False),
        ("*.example", "registry.example/team/web", True),
        ("*", "registry.example/team/web", False),
        ("reg*.example", "registry.example/team/web", True),
        ("registry.*.*", "registry.example/team/web", False),
        ("registry.example.evil", "registry.example/team/web", False),
        ("https://index.docker.io/v1/", "docker.io/library/web", True),
        ("docker.io", "docker.io/team/web", True),
        ("index.docker.io", "registry.example/team/web", False),
        ("registry.example", "docker.io/team/web", False),
    ],
)
def test_what_an_entry_is_for(key: str, repository: str, fits: bool) -> None:
    """
    An entry is used for the images for which the kubelet uses it, and for no other host.
    """
    for old in (True, False):
        logins = Logins(tuple(read_secret(secret({key: auth()}, old=old), "a secret")))
        assert ((ROBOT,) if fits else ()) == logins.of(Repository(repository))


def test_the_longest_first() -> None:
    """
    Of several entries that fit, the one that says most is tried first, and none twice.
    """
    entries = {
        "*.example": auth("wild"),
        "registry.example/team": auth("team"),
        "registry.example": auth("host"),
        "registry.example/team/web": auth("team"),
    }
    logins = Logins(tuple(read_secret(secret(entries), "a secret")))
    found = logins.of(Repository("registry.example/team/web"))
    assert ["team", "host", "wild"] == [one.user for one in found]


@pytest.mark.parametrize(
    "value",
    [
        {"type": "kubernetes.io/dockerconfigjson", "data": {}},
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": 7}},
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "%"}},
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30K="}},
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "W10="}},
        secret({"registry.example": {"auth": "cm9ib3Q="}}),
    ],
)
def test_secrets_that_are_none(value: dict[str, Any]) -> None:
    """
    A secret that is not what its type says is told, without what is in it.
    """
    with pytest.raises(VerificationError) as caught:
        list(read_secret(value, "secret shop/pull"))
    assert "secret shop/pull" in caught.value.message
    assert "cm9ib3Q" not in caught.value.message


@pytest.mark.parametrize(
    "value", [{}, {"type": "Opaque", "data": {"a": "Yg=="}}, secret({}), secret({"a.b": {}})]
)
def test_secrets_with_nothing_in_them(value: dict[str, Any]) -> None:
    """
    Another kind of secret, and one that is empty, is nothing.
    """
    assert [] == list(read_secret(value, "a secret"))


class Kept:
    """A double of a cluster: objects by kind and name; `fails` are refused."""

    def __init__(self, **objects: Any) -> None:
        self.objects = objects
        self.fails: set[str] = set()
        self.asked: list[str] = []

    def read(self, namespace: str, kind: str, name: str, _: Deadline) -> dict[str, Any]:
        self.asked.append(f"{namespace}/{kind}/{name}")
        if name in self.fails:
            raise PullSecretError(f"not {name}")
        found: dict[str, Any] = self.objects.get(name, {})
        return found


def test_the_service_account() -> None:
    """
    A pod that names no secrets has those of its service account; one that names some has only
    these; a secret that is not there is passed by.
    """
    kept = Kept(
        one=secret({"one.example": auth()}),
        two=secret({"two.example": auth()}),
        builder={"imagePullSecrets": [{"name": "two"}, {"name": "gone"}, {}]},
    )
    secrets = PullSecrets(kept)
    found = secrets.of(Puller("shop", "builder"), deadline())
    assert Logins((Login("two.example", ROBOT),)) == found
    found = secrets.of(Puller("shop", "builder", ("gone", "one")), deadline())
    assert Logins((Login("one.example", ROBOT),)) == found
    assert Logins() == secrets.of(Puller("shop", "default"), deadline())
    assert all(one.startswith("shop/") for one in kept.asked)


def test_what_was_read_holds_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Secrets are read once for a burst of pods, and anew when half a minute has passed; trouble is
    not remembered, and never of another namespace.
    """
    kept = Kept(pull=secret({"one.example": auth()}))
    secrets = PullSecrets(kept)
    puller = Puller("shop", "default", ("pull",))
    for _ in range(3):
        assert secrets.of(puller, deadline()).found
    assert 1 == len(kept.asked)
    secrets.of(puller._replace(namespace="other"), deadline())
    assert ["shop/secrets/pull", "other/secrets/pull"] == kept.asked
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 31)
    kept.fails = {"pull"}
    for count in (3, 4):
        assert Logins((), "not pull") == secrets.of(puller, deadline())
        assert count == len(kept.asked)


def test_a_burst_of_pods() -> None:
    """
    Of many who want the same secrets at once, one asks the cluster.
    """

    class Slow(Kept):
        def read(self, *asked: Any) -> dict[str, Any]:
            time.sleep(0.2)
            return super().read(*asked)

    kept = Slow(pull=secret({"one.example": auth()}))
    secrets = PullSecrets(kept)
    puller = Puller("shop", "default", ("pull",))
    found = at_once([lambda: secrets.of(puller, deadline())] * 20)
    assert {Logins((Login("one.example", ROBOT),))} == set(found)
    assert 1 == len(kept.asked)


def test_one_bad_secret_of_two() -> None:
    """
    A secret that cannot be read is told, and does not hide the other one.
    """
    bad = {"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "%"}}
    secrets = PullSecrets(Kept(bad=bad, good=secret({"one.example": auth()})))
    found = secrets.of(Puller("shop", "default", ("bad", "good")), deadline())
    assert (Login("one.example", ROBOT),) == found.found
    assert "secret shop/bad" in found.trouble


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Where a token and a CA are mounted."""
    (tmp_path / "token").write_text("one\n")
    return tmp_path


@pytest.fixture
def authority(files: Path) -> Authority:
    return Authority(files, "ca")


@pytest.fixture
def api(authority: Authority) -> Iterator[HostileRegistry]:
    """A server that speaks TLS as the cluster's does."""
    with HostileRegistry(tls=authority.server()) as server:
        yield server


@pytest.fixture
def cluster(api: HostileRegistry, files: Path, authority: Authority) -> Iterator[Cluster]:
    settings = ClusterSettings(f"https://{api.address}", files / "token", authority.certificate)
    found = open_cluster(settings)
    assert found is not None
    yield found
    found.close()


PATH = "/api/v1/namespaces/shop/secrets/pull"


def test_the_api_is_asked_as_ourselves(api: HostileRegistry, cluster: Cluster, files: Path) -> None:
    """
    An object is read over TLS with the token that is mounted now; the connection is kept.
    """
    api.sends[PATH] = lambda _: told({"kind": "Secret"})
    assert {"kind": "Secret"} == cluster.read("shop", "secrets", "pull", deadline())
    (files / "token").write_text("two")
    cluster.read("shop", "secrets", "pull", deadline())
    sent = [one.headers["authorization"] for one in api.asked]
    assert ["Bearer one", "Bearer two"] == sent
    assert 1 == api.connections
    assert {} == cluster.read("shop", "secrets", "gone", deadline())


@pytest.mark.parametrize(
    "sends",
    [
        answer(403, b"{}"),
        answer(401, b"{}"),
        answer(500, b"x"),
        answer(200, b"[]"),
        answer(200, b"not JSON"),
        answer(200, b'{"a":1,"a":2}'),
        moved("https://evil.example/"),
        [b"nothing that anybody speaks\r\n\r\n"],
    ],
)
def test_an_api_that_answers_otherwise(
    api: HostileRegistry, cluster: Cluster, sends: list[bytes]
) -> None:
    """
    Whatever else the cluster answers is trouble that is told; our token goes nowhere else.
    """
    api.sends[PATH] = lambda _: sends
    with pytest.raises(PullSecretError):
        cluster.read("shop", "secrets", "pull", deadline())


def test_an_api_that_drips(api: HostileRegistry, cluster: Cluster) -> None:
    """
    A cluster that answers a byte at a time is given up at the deadline.
    """
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"{" * 100
    api.sends[PATH] = lambda _: api.slowly([bytes([one]) for one in head], 0.2)
    began = time.monotonic()
    with pytest.raises(PullSecretError) as caught:
        cluster.read("shop", "secrets", "pull", Deadline(0.5, "a test"))
    assert time.monotonic() - began < 0.5 * SLACK
    assert "0.5 s" in caught.value.message


def test_an_api_that_is_another(api: HostileRegistry, files: Path, tmp_path: Path) -> None:
    """
    A server that the cluster's CA does not vouch for never sees the token.
    """
    other = Authority(tmp_path / "other", "other")
    found = Cluster(f"https://{api.address}", files / "token", other.certificate)
    with pytest.raises(PullSecretError):
        found.read("shop", "secrets", "pull", deadline())
    assert not api.asked
    found.close()


@pytest.mark.parametrize(
    "name", ["../secrets/other", "a/b", "a?b", "", "A", "a..b", "a%2fb", "x" * 300, "a\r\nb"]
)
def test_names_that_lead_elsewhere(api: HostileRegistry, cluster: Cluster, name: str) -> None:
    """
    A name that is none of the cluster's is not asked for.
    """
    for namespace, named in (("shop", name), (name, "pull")):
        with pytest.raises(PullSecretError):
            cluster.read(namespace, "secrets", named, deadline())
    assert not api.asked


def test_tokens_that_are_none(cluster: Cluster, files: Path, api: HostileRegistry) -> None:
    """
    A token that is not there, or could change a request, is not sent.
    """
    for content in (b"", b"a b", b"a\r\nHost: b", b"\xff"):
        (files / "token").write_bytes(content)
        with pytest.raises(PullSecretError):
            cluster.read("shop", "secrets", "pull", deadline())
    (files / "token").unlink()
    with pytest.raises(PullSecretError):
        cluster.read("shop", "secrets", "pull", deadline())
    assert not api.asked


def test_where_the_cluster_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In a cluster its API is where the pod is told; outside there is none, and no secrets.
    """
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert open_cluster(ClusterSettings()) is None
    for host, written in (("10.0.0.1", "10.0.0.1"), ("fd00::1", "[fd00::1]")):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
        found = open_cluster(ClusterSettings())
        assert found is not None
        assert f"https://{written}:6443" == str(found._origin)
    for url in ("http://a.example", "https://", "https://a:b"):
        with pytest.raises(PullSecretError):
            Cluster(url, Path("token"), Path("ca"))
