"""The foreign judges, and the servers that they ask, as fixtures.

On a developer's machine a peer that cannot be had skips its tests and says
why. In CI it fails them: a green run there means that every peer was asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.interop import peers
from tests.interop.certificate_judges import (
    CosignCertificate,
    JsCertificate,
    SigstorePython,
)
from tests.interop.containerd import check_starts
from tests.interop.image import TAG, Image
from tests.interop.judges import Cosign, Judge, SigstoreJs
from tests.interop.legacy_judges import Cosign2, LegacyJudge, Podman, Skopeo
from tests.interop.notation_judge import Notation
from tests.interop.product import Product, serving_service, signed
from tests.interop.pushing import Shelf
from tests.interop.readers import Programs
from tests.interop.registry import serving_registry

Peer = TypeVar("Peer")


def _present(obtain: Callable[[], Peer]) -> Peer:
    try:
        return obtain()
    except peers.PeerUnavailable as e:
        if os.environ.get("CI") == "true":
            pytest.fail(f"in CI every peer must be there: {e}", pytrace=False)
        pytest.skip(str(e))


def _program(obtain: Callable[[], Path]) -> Path:
    program = _present(obtain)
    print(f"{program.name} {peers.version_of(program)}")
    return program


@pytest.fixture(scope="session")
def containerd() -> Path:
    """The program `containerd`, 2.1 or newer, which only root can run."""
    if os.geteuid() != 0:
        pytest.skip("containerd mounts, and that needs root")
    program = _program(peers.containerd)
    _present(lambda: check_starts(program))
    return program


@pytest.fixture(scope="session")
def cosign() -> Path:
    """The program `cosign`, 3.1 or newer."""
    return _program(peers.cosign)


@pytest.fixture(scope="session")
def cosign2() -> Path:
    """The program `cosign`, 2.5: what reads and writes the legacy form only."""
    return _program(peers.cosign2)


@pytest.fixture(scope="session")
def notation() -> Path:
    """The program `notation`, 1.3 or newer."""
    return _program(peers.notation)


@pytest.fixture(scope="session")
def oras() -> Path:
    """The program `oras`, 1.2 or newer: lists and copies what refers to an image."""
    return _program(peers.oras)


@pytest.fixture(scope="session")
def rekor_cli() -> Path:
    """The program `rekor-cli`, 1.5 or newer: a client of Rekor's first version."""
    return _program(peers.rekor_cli)


@pytest.fixture(scope="session")
def containers() -> peers.Containers:
    """Podman and skopeo, in a chroot."""
    peer = _present(peers.containers)
    print(f"podman {peer.podman}, skopeo {peer.skopeo}")
    return peer


@pytest.fixture(scope="session")
def programs(cosign: Path, cosign2: Path, notation: Path, containers: peers.Containers) -> Programs:
    """Every program that reads signatures of images."""
    return Programs(cosign, cosign2, notation, containers)


@pytest.fixture(scope="session")
def docker_registry() -> Path:
    """The program `docker-registry`, 2.8."""
    return _program(peers.docker_registry)


@pytest.fixture(scope="session")
def registry(docker_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `host:port` of a registry that runs while the tests do; plain HTTP, nobody asked."""
    with serving_registry(docker_registry, tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def sigstore_js() -> peers.JsPeer:
    """Node and @sigstore/verify."""
    peer = _present(peers.sigstore_js)
    print(f"@sigstore/verify {peer.version}")
    return peer


@pytest.fixture(scope="session", params=[Cosign.name, SigstoreJs.name])
def judge(request: pytest.FixtureRequest) -> Judge:
    """Each judge of bundles under a key in turn: a test that takes this runs once for each."""
    if request.param == Cosign.name:
        return Cosign(request.getfixturevalue("cosign"), timestamped=True)
    return SigstoreJs(request.getfixturevalue("sigstore_js"))


@pytest.fixture(
    scope="session", params=[CosignCertificate.name, JsCertificate.name, SigstorePython.name]
)
def certificate_judge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Judge:
    """Each judge of bundles under a certificate in turn."""
    if request.param == CosignCertificate.name:
        return CosignCertificate(request.getfixturevalue("cosign"))
    if request.param == JsCertificate.name:
        return JsCertificate(request.getfixturevalue("sigstore_js"))
    return SigstorePython(tmp_path_factory.mktemp("sigstore-python"))


@pytest.fixture(scope="session", params=[Cosign2.name, Skopeo.name, Podman.name])
def legacy_judge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LegacyJudge:
    """Each judge of the legacy form in turn."""
    if request.param == Cosign2.name:
        return Cosign2(request.getfixturevalue("cosign2"))
    made = {Skopeo.name: Skopeo, Podman.name: Podman}[request.param]
    return made(request.getfixturevalue("containers"), tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def notation_judge(notation: Path, tmp_path_factory: pytest.TempPathFactory) -> Notation:
    """The judge of notation's form."""
    return Notation(notation, tmp_path_factory.mktemp("notation"))


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image of two platforms, unsigned, as an OCI layout."""
    return Image.made(tmp_path_factory.mktemp("image") / "layout")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of a service that runs while the tests do."""
    with serving_service(tmp_path_factory.mktemp("service") / "service") as config:
        yield config


@pytest.fixture(scope="session")
def shelf(registry: str, image: Image) -> Iterator[Shelf]:
    """A repository that holds the image, and nothing else yet."""
    with Shelf(f"{registry}/demo/app") as shelf:
        shelf.image(image.layout, TAG)
        yield shelf


@pytest.fixture(scope="session")
def product(
    service: Path, shelf: Shelf, image: Image, tmp_path_factory: pytest.TempPathFactory
) -> Product:
    """The image, signed in every form by one command."""
    return signed(service, image, shelf, tmp_path_factory.mktemp("signed"))


@pytest.fixture
def signed_bundle(product: Product) -> bytes:
    """The bundle of the image index."""
    return product.of(product.digests[0], "bundle")


@pytest.fixture
def trusted_root(product: Product) -> str:
    """The path of the service's trusted_root.json."""
    return str(product.directory / "trusted_root.json")
