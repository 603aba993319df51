"""An issuer whose keys are in a file, and one that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.access.oidc import fetching, keeping
from tests.signer.access.oidc.issuing import Offline, Serving
from tests.signer.access.oidc.provided import Provided
from tests.signer.access.oidc.workload import Workload
from tests.signer.openbao.server import Bao


@pytest.fixture(scope="module")
def ci(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """An issuer without a preset, with one RSA key."""
    return Offline(tmp_path_factory.mktemp("ci"))


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    """An issuer that serves its keys over TLS."""
    with Serving(tmp_path) as issuer:
        yield issuer


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait ten times as long for an issuer: the machine is busy, and time is not what is tested."""
    monkeypatch.setattr(fetching, "WHOLE_S", 10 * fetching.WHOLE_S)
    monkeypatch.setattr(keeping, "_WAIT_S", 10 * keeping._WAIT_S)


@pytest.fixture(scope="package")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """A running OpenBao."""
    server = Bao(tmp_path_factory.mktemp("bao"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="package")
def workload(bao: Bao) -> Workload:
    """A build that OpenBao knows."""
    return Workload(bao)


@pytest.fixture(scope="package")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    """A running oidc-provider."""
    with Provided(tmp_path_factory.mktemp("provider")) as running:
        yield running
