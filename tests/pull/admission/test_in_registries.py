"""From a review to the registry and back: a real registry that wants to know who asks, a cluster
with pull secrets, and the gate that the webhook has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.registry import serving_registry
from tests.pull.admission.asking import (
    SLACK,
    answered,
    at_once,
    object_of,
    patched,
    refusal,
    review,
    spec_of,
)
from tests.pull.admission.test_pull_secrets import auth, secret
from tests.pull.hostile import HostileRegistry, answer, told
from tests.pull.papers import Authority
from tests.verifier.making import World
from verifier.digest import Digest
from verifier.pull.admission.core import Core
from verifier.pull.admission.opening import open_core
from verifier.pull.admission.settings import AdmissionSettings, ClusterSettings
from verifier.pull.decision import Question, Source
from verifier.pull.gate import Gate
from verifier.pull.images import EMPTY, EMPTY_CONTENT, IMAGE, INDEX, Descriptor, fallback_tag
from verifier.pull.kinds import BUNDLE_TYPES
from verifier.pull.registry.client import Registry
from verifier.pull.registry.credentials import Credential
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.pull.settings import PullSettings
from verifier.repository import Repository
from verifier.statement import approval

# robot:secret, bcrypt of 4 rounds
HTPASSWD = "robot:$2b$04$Xe7aKMWdpT9kcGcgMuHoWOkJL.a5JPr4Vh0MBokOTSCc63PSlvJAG\n"
BUNDLE = f"{BUNDLE_TYPES}.v0.3+json"
ROBOT = Registries((RegistrySettings(login=Credential("robot", "secret")),), docker=False)
NOBODY = Registries(docker=False)


class Shop:
    """A repository with images in it, some of them approved."""

    def __init__(self, address: str) -> None:
        self.repository = Repository(f"{address}/shop/web")
        self.world = World(expires=2**32)

    def push(self, name: str, tag: str, *, approved: bool) -> Digest:
        """Put an image there; return its digest."""
        with Registry(self.repository, ROBOT) as registry:
            subject = self._manifest(registry, tag, annotations={"name": name})
            if approved:
                self.world.payload = approval(self.repository, subject.digest, {})
                self._attach(registry, subject, self.world.bundle.json())
            return subject.digest

    def _attach(self, registry: Registry, subject: Descriptor, bundle: bytes) -> None:
        layer = Descriptor.of(BUNDLE, bundle)
        registry.put_blob(layer, [bundle])
        made = self._manifest(
            registry, "", artifactType=BUNDLE, layers=[layer.json()], subject=subject.json()
        )
        listed = {**made.json(), "artifactType": BUNDLE}
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}
        registry.put_manifest(json.dumps(value).encode(), INDEX, fallback_tag(subject.digest))

    def _manifest(self, registry: Registry, tag: str, **more: Any) -> Descriptor:
        config = Descriptor.of(EMPTY, EMPTY_CONTENT)
        registry.put_blob(config, [EMPTY_CONTENT])
        value = {"schemaVersion": 2, "mediaType": IMAGE, "config": config.json(), "layers": []}
        content = json.dumps(value | more).encode()
        registry.put_manifest(content, IMAGE, tag)
        return Descriptor.of(IMAGE, content)


@pytest.fixture(scope="module")
def shop(docker_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    scratch = tmp_path_factory.mktemp("shop")
    with serving_registry(docker_registry, scratch, htpasswd=HTPASSWD) as address:
        yield Shop(address)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[HostileRegistry]:
    """The API of a cluster, a double, with the files of a pod of ours in it."""
    authority = Authority(tmp_path, "cluster")
    (tmp_path / "token").write_text("ours")
    with HostileRegistry(tls=authority.server()) as server:
        yield server


def _gate(shop: Shop, tmp_path: Path) -> Gate:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "trust.json").write_bytes(shop.world.trust.json())
    (tmp_path / "pull.toml").write_text('trust = "trust"\nsources = ["registry"]\n')
    return Gate(PullSettings.load(tmp_path / "pull.toml"))


@pytest.fixture
def core(shop: Shop, cluster: HostileRegistry, tmp_path: Path) -> Iterator[Core]:
    settings = AdmissionSettings(
        cluster=ClusterSettings(
            f"https://{cluster.address}", tmp_path / "token", tmp_path / "cluster.crt"
        )
    )
    made = open_core(_gate(shop, tmp_path), settings, NOBODY)
    yield made
    made.close()


def _has(cluster: HostileRegistry, namespace: str, **objects: Any) -> None:
    for name, value in objects.items():
        kind = "secrets" if "data" in value else "serviceaccounts"
        cluster.sends[f"/api/v1/namespaces/{namespace}/{kind}/{name}"] = lambda _, v=value: told(v)


def test_an_image_behind_a_login(shop: Shop, cluster: HostileRegistry, core: Core) -> None:
    """
    With the pod's pull secret a tag is resolved, its signatures are found, and it is pinned to
    what was judged, wherever the tag is moved; with nobody's the registry's no is the reason.
    """
    host = shop.repository.partition("/")[0]
    good = shop.push("good", "1.4", approved=True)
    _has(cluster, "shop", pull=secret({host: auth()}), wrong=secret({host: auth("mallory")}))
    spec = spec_of(f"{shop.repository}:1.4", imagePullSecrets=[{"name": "pull"}])
    response = answered(core, review(spec), mutating=True)
    assert response["allowed"], response
    other = shop.push("other", "1.4", approved=False)
    assert good != other
    found = patched(response, object_of(spec))
    assert f"{shop.repository}@{good}" == found["spec"]["containers"][0]["image"]
    assert answered(core, review(found["spec"]))["allowed"]
    # The tag is another image now, which nobody approved.
    assert f"{other}" not in json.dumps(found)
    assert "(unsigned)" in refusal(answered(core, review(spec), mutating=True))
    for namespace, names in (("other", ["pull"]), ("shop", []), ("shop", ["wrong"])):
        spec["imagePullSecrets"] = [{"name": one} for one in names]
        asked = review(spec, namespace=namespace)
        assert "(registry-denied)" in refusal(answered(core, asked, mutating=True))
    spec["imagePullSecrets"] = [{"name": "wrong"}, {"name": "pull"}]
    assert "(unsigned)" in refusal(answered(core, review(spec), mutating=True))


def test_the_secrets_of_the_service_account(
    shop: Shop, cluster: HostileRegistry, core: Core
) -> None:
    """
    A template that names no secrets is judged with those of its pods' service account.
    """
    host = shop.repository.partition("/")[0]
    image = f"{shop.repository}@{shop.push('mine', 'mine', approved=True)}"
    _has(cluster, "shop", pull=secret({host: auth()}), web={"imagePullSecrets": [{"name": "pull"}]})
    asked = [
        review(spec_of(image, serviceAccountName=account), kind=("apps", "Deployment"))
        for account in ("default", "web")
    ]
    assert "(registry-denied)" in refusal(answered(core, asked[0]))
    assert answered(core, asked[1])["allowed"], "another's no is not ours"
    assert answered(core, asked[0])["allowed"], "what was found good is good for all"


def test_secrets_that_cannot_be_read(shop: Shop, cluster: HostileRegistry, core: Core) -> None:
    """
    Where the cluster does not show us a secret, the refusal says so beside the registry's no.
    """
    shop.push("hidden", "hidden", approved=True)
    cluster.sends["/api/v1/namespaces/shop/secrets/pull"] = lambda _: [
        b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"
    ]
    spec = spec_of(f"{shop.repository}:hidden", imagePullSecrets=[{"name": "pull"}])
    message = refusal(answered(core, review(spec), mutating=True))
    assert "(registry-denied)" in message
    assert "the cluster answers 403 when asked for secrets shop/pull" in message


def test_a_cluster_that_drips(shop: Shop, cluster: HostileRegistry, tmp_path: Path) -> None:
    """
    Where the cluster does not say in time what a secret is, the registry is asked as who we are
    configured to be.
    """
    shop.push("open", "open", approved=True)
    cluster.sends["/api/v1/namespaces/shop/secrets/pull"] = lambda _: cluster.slowly(
        [b"H", b"T", b"T", b"P"], 1
    )
    settings = AdmissionSettings(
        image_s=2,
        cluster=ClusterSettings(
            f"https://{cluster.address}", tmp_path / "token", tmp_path / "cluster.crt"
        ),
    )
    spec = spec_of(f"{shop.repository}:open", imagePullSecrets=[{"name": "pull"}])
    core = open_core(_gate(shop, tmp_path), settings, ROBOT)
    assert answered(core, review(spec), mutating=True)["allowed"]
    core.close()


class Slow:
    """A source that takes a while, and counts how often it is asked."""

    def __init__(self, source: Source) -> None:
        self.name, self._source = source.name, source
        self.asked: list[Question] = []

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        self.asked.append(question)
        time.sleep(0.3)
        yield from self._source.bundles(question, left_s)


def test_one_fetch_for_all_who_wait(shop: Shop, cluster: HostileRegistry, tmp_path: Path) -> None:
    """
    Many pods of one kind that come together fetch what is attached to an image once, and ask the
    cluster once for their secrets; pods with other secrets fetch for themselves.
    """
    host = shop.repository.partition("/")[0]
    image = f"{shop.repository}@{shop.push('many', 'many', approved=True)}"
    _has(cluster, "shop", pull=secret({host: auth()}), same=secret({host: auth()}))
    made: list[Slow] = []

    def slowly(source: Source) -> Source:
        made.append(Slow(source))
        return made[-1]

    url = f"https://{cluster.address}"
    settings = AdmissionSettings(
        cluster=ClusterSettings(url, tmp_path / "token", tmp_path / "cluster.crt")
    )
    core = open_core(_gate(shop, tmp_path), settings, NOBODY, counted=slowly)
    asked = [
        review(spec_of(image, image, imagePullSecrets=[{"name": name}]))
        for name in ["pull"] * 12 + ["same"] * 4
    ]
    found = at_once([lambda one=one: answered(core, one) for one in asked])
    assert all(one["allowed"] for one in found)
    assert [1, 1] == [len(one.asked) for one in made]
    assert 2 == len(cluster.asked)
    core.close()


def test_a_private_ca(shop: Shop, tmp_path: Path) -> None:
    """
    A registry under a CA of its own is asked when that is configured, and else refused.
    """
    authority = Authority(tmp_path / "registry", "registry")
    with HostileRegistry(tls=authority.server()) as registry:
        content = json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "layers": []}).encode()
        registry.sends["/v2/web/manifests/1"] = lambda _: told({}, media_type=IMAGE)
        registry.sends["/v2/web/manifests/1"] = lambda _: [
            f"HTTP/1.1 200 X\r\nContent-Type: {IMAGE}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        ]
        gate = _gate(shop, tmp_path)
        settings = AdmissionSettings(pull_secrets=False)
        asked = review(spec_of(f"{registry.address}/web:1"))
        for ca, code in ((authority.certificate, "unsigned"), (None, "registry-unreachable")):
            registries = Registries((RegistrySettings(ca=ca, plain_http=False),), docker=False)
            message = refusal(answered(open_core(gate, settings, registries), asked, mutating=True))
            assert f"({code})" in message
        assert f"{Digest.of(content)}" not in message


def test_a_registry_that_drips(shop: Shop, tmp_path: Path) -> None:
    """
    A registry that answers a byte a second, for a tag or for signatures, is given up in time,
    and the images of others are judged meanwhile.
    """
    with HostileRegistry() as registry:
        drip = [bytes([one]) for one in b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n" * 9]
        registry.sends["HEAD /v2/tag/manifests/1"] = lambda _: answer(405)
        registry.sends["GET /v2/tag/manifests/1"] = lambda _: registry.slowly(drip, 1)
        held = Digest.of(b"held")
        registry.sends[f"/v2/digest/referrers/{held}"] = lambda _: registry.slowly(drip, 1)
        registry.sends[f"/v2/digest/manifests/{fallback_tag(held)}"] = lambda _: registry.slowly(
            drip, 1
        )
        settings = AdmissionSettings(pull_secrets=False, image_s=1.0)
        core = open_core(_gate(shop, tmp_path), settings, ROBOT)
        good = f"{shop.repository}@{shop.push('fast', 'fast', approved=True)}"
        images = [f"{registry.address}/tag:1", f"{registry.address}/digest@{held}", good]
        began = time.monotonic()
        message = refusal(answered(core, review(spec_of(*images)), mutating=True))
        assert time.monotonic() - began < SLACK
        assert "2 of 3 images" in message
        for image in images[:2]:
            assert f"{image}: " in message
        assert 2 == message.count("(registry-timeout); is it slow")
        assert answered(core, review(spec_of(good)))["allowed"]
