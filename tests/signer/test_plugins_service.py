"""Where plugins find the service: the environment says it, as options do for commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.config.access import ListenSection
from signer.plugins import service as plugins
from signer.plugins.service import Failure, Named, attempt, connect
from tests.signer.running import InProcess, running
from tests.signer.test_tls import local, use_tls
from tests.signer.world import found_in


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that speaks TLS; its certificate is tls.pem."""
    world = found_in(tmp_path_factory.mktemp("plugins-tls") / "service")
    use_tls(world)
    with running(world) as service:
        yield service


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing about a service."""
    for name in ("SERVICE", "TOKEN_FILE", "CA", "CONFIG"):
        monkeypatch.delenv(f"SEALBOOK_{name}", raising=False)
    return monkeypatch


def ask() -> str:
    """Return the name of the default key, or the code of the failure to ask for it."""

    def name() -> str:
        with connect() as client:
            return client.key().name

    answer = attempt(name)
    return answer.code if isinstance(answer, Failure) else answer


def test_tls(secure: InProcess, environment: pytest.MonkeyPatch) -> None:
    """
    With PEM roots a plugin speaks TLS; without them, or with another file, it gets no answer.
    """
    environment.setenv("SEALBOOK_SERVICE", local(secure.addresses.grpc))
    environment.setenv("SEALBOOK_TOKEN_FILE", str(secure.directory / "token"))

    assert "unreachable" == ask()
    environment.setenv("SEALBOOK_CA", str(secure.directory / "tls.pem"))
    assert "release" == ask()
    environment.setenv("SEALBOOK_CA", str(secure.directory / "nowhere.pem"))
    assert "unreadable" == ask()


def test_half_an_environment(secure: InProcess, environment: pytest.MonkeyPatch) -> None:
    """
    What the environment leaves open, the service's configuration says.
    """
    environment.setenv("SEALBOOK_CA", str(secure.directory / "tls.pem"))
    environment.setenv("SEALBOOK_SERVICE", local(secure.addresses.grpc))

    assert "config" == ask()
    environment.setenv("SEALBOOK_CONFIG", str(secure.config))
    assert "release" == ask()


def test_default_address() -> None:
    """
    A configuration that does not say where to listen means the same as to the service.
    """
    assert ListenSection().grpc == plugins._DEFAULT


@pytest.mark.parametrize(
    "text", ["", "[access]\n", "access = 1\n", "listen = 1\n[access]\ntoken = 'token'\n", "no TOML"]
)
def test_no_configuration(tmp_path: Path, environment: pytest.MonkeyPatch, text: str) -> None:
    """
    A file that is no configuration is refused as one.
    """
    path = tmp_path / "sealbook.toml"
    path.write_text(text)
    environment.setenv("SEALBOOK_CONFIG", str(path))

    assert "config" == ask()


def test_not_from_here(tmp_path: Path, environment: pytest.MonkeyPatch, secure: InProcess) -> None:
    """
    A configuration that happens to lie where a build runs is not taken.
    """
    (tmp_path / "sealbook.toml").write_text(secure.config.read_text())
    environment.chdir(tmp_path)

    assert "config" == ask()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("release", Named("release", "")),
        ("release/registry.example/team/app", Named("release", "registry.example/team/app")),
        ("release/localhost:5000/app", Named("release", "localhost:5000/app")),
        ("", Named("", "")),
    ],
)
def test_names(text: str, named: Named) -> None:
    """
    A key is called by its name, or by its name and a repository.
    """
    assert named == Named.parse(text)
