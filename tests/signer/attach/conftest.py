"""A service that makes every form, and registries with and without the referrers API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.signer.attach.shelves import repository
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.pull.registry.client import Registry


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees what this machine knows of registries."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SEALBOOK_REGISTRIES", raising=False)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service for all of these tests, which only ask it."""
    with running(found_in(tmp_path_factory.mktemp("attach") / "service")) as service:
        yield service


@pytest.fixture(params=[True, False], ids=["api", "tags"])
def registry(request: pytest.FixtureRequest) -> Iterator[FakeReferrersRegistry]:
    """An empty registry that keeps the list of referrers, and one that does not."""
    with FakeReferrersRegistry(referrers_api=request.param) as registry:
        yield registry


@pytest.fixture
def app(registry: FakeReferrersRegistry) -> Iterator[Registry]:
    """A repository in it."""
    with repository(registry.address) as app:
        yield app
