"""Registries to ask: real ones, and one that lies; and no connection outlives a test's module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.registry import serving_registry
from tests.pull.hostile import HostileRegistry
from verifier.pull.registry.sharing import close_idle


@pytest.fixture(autouse=True)
def _nobody_connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees this machine's own docker configuration, proxies, or another's connections."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("SEALBOOK_REGISTRIES", raising=False)
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    close_idle()


@pytest.fixture
def hostile() -> Iterator[HostileRegistry]:
    """A registry that does what the test tells it to."""
    with HostileRegistry() as registry:
        yield registry


@pytest.fixture(scope="session")
def docker_registry() -> Path:
    """The program; where it cannot be had the test is skipped, but not in CI."""
    try:
        return peers.docker_registry()
    except peers.PeerUnavailable as e:
        if os.environ.get("CI") == "true":
            pytest.fail(f"in CI every peer must be there: {e}", pytrace=False)
        pytest.skip(str(e))


@pytest.fixture(scope="session")
def address(docker_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry that asks nobody who they are; each test has its own repository there."""
    with serving_registry(docker_registry, tmp_path_factory.mktemp("registry")) as address:
        yield address
