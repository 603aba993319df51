"""Who we are at a registry: a robot, or whom docker's configuration knows."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from verifier.pull.errors import RegistrySettingsError, RegistryTimeoutError
from verifier.pull.registry.credentials import Credential, find_credential
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.settings import Registries, RegistrySettings

HOST = "registry.example:5000"
AUTH = base64.b64encode(b"user:se:cret").decode()


def find(host: str = HOST, **settings: Any) -> Credential | None:
    return find_credential(
        host, RegistrySettings(**settings), Registries(), Deadline(10, "the test")
    )


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    directory = tmp_path / "docker"
    directory.mkdir()
    return directory / "config.json"


def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Install `docker-credential-tests`, a double of docker's helpers."""
    directory = tmp_path / "bin"
    directory.mkdir(exist_ok=True)
    program = directory / "docker-credential-tests"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def test_nobody() -> None:
    """
    Without any configuration we are nobody.
    """
    assert find() is None


@pytest.mark.parametrize(
    "key", [HOST, f"https://{HOST}", f"https://{HOST}/v1/", f"http://{HOST}/v2/"]
)
def test_auths(docker: Path, key: str) -> None:
    """
    Docker's file is read however the host is written there; a secret may hold a colon.
    """
    docker.write_text(json.dumps({"auths": {"other.example": {}, key: {"auth": AUTH}}}))

    assert Credential("user", "se:cret") == find()
    assert find("registry.example") is None


def test_docker_hub(docker: Path) -> None:
    """
    Docker Hub is under its old name there.
    """
    docker.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}))

    assert Credential("user", "se:cret") == find("docker.io")


def test_tokens(docker: Path) -> None:
    """
    A secret may be an identity token, or a token for the registry itself.
    """
    docker.write_text(
        json.dumps({"auths": {"a.example": {"identitytoken": "i"}, HOST: {"registrytoken": "r"}}})
    )

    assert Credential(identity_token="i") == find("a.example")
    assert Credential(registry_token="r") == find()


@pytest.mark.parametrize(
    "auth",
    ["!!!", base64.b64encode(b"user").decode(), base64.b64encode(b":x").decode(), "dXNlcjp4eA"],
)
def test_auth_that_is_none(docker: Path, auth: str) -> None:
    """
    What is no user and secret is said to be none, and is not shown.
    """
    docker.write_text(json.dumps({"auths": {HOST: {"auth": auth}}}))

    with pytest.raises(RegistrySettingsError) as caught:
        find()

    assert "bad-registries" == caught.value.code
    assert auth not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"auths": 1, "auths": 2}'])
def test_docker_file_that_is_none(docker: Path, content: bytes) -> None:
    """
    A file of docker's that cannot be read is an error, and not nobody.
    """
    docker.write_bytes(content)

    with pytest.raises(RegistrySettingsError):
        find()


def test_robot(tmp_path: Path, docker: Path) -> None:
    """
    A configured credential counts alone; its file may end in a line's end.
    """
    docker.write_text(json.dumps({"auths": {HOST: {"auth": AUTH}}}))
    robot = tmp_path / "robot"
    for text in ("robot$ci:s:3", "robot$ci:s:3\n", "robot$ci:s:3\r\n"):
        robot.write_bytes(text.encode())

        assert Credential("robot$ci", "s:3") == find(credential=robot)


@pytest.mark.parametrize(
    "content", [b"", b"robot", b":x", b"robot:", b"a:b\nc", b"\xff:x", b"x:" + b"y" * 70_000]
)
def test_robot_that_is_none(tmp_path: Path, content: bytes) -> None:
    """
    A credential has one form, and is not shown when it has another.
    """
    robot = tmp_path / "robot"
    robot.write_bytes(content)

    with pytest.raises(RegistrySettingsError) as caught:
        find(credential=robot)

    assert f"{robot}: expected one line user:secret" == caught.value.message


def test_no_robot(tmp_path: Path) -> None:
    """
    A credential that is configured and not there is an error, and not nobody.
    """
    with pytest.raises(RegistrySettingsError):
        find(credential=tmp_path / "none")


@pytest.mark.parametrize("configured", [{"credsStore": "tests"}, {"credHelpers": {HOST: "tests"}}])
def test_helper(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: dict[str, Any]
) -> None:
    """
    A helper is asked for the host, and its answer counts before the file's.
    """
    docker.write_text(json.dumps({**configured, "auths": {HOST: {"auth": AUTH}}}))
    said = 'printf \'{"ServerURL":"x","Username":"%s","Secret":"s"}\' "$1-$(cat)"'
    helper(tmp_path, monkeypatch, said)

    assert Credential(f"get-{HOST}", "s") == find()


def test_helper_for_another_host(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A helper of another host is not asked.
    """
    docker.write_text(json.dumps({"credHelpers": {"a.example": "tests"}}))
    helper(tmp_path, monkeypatch, "exit 9")

    assert find() is None


def test_helper_has_an_identity(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A helper gives identity tokens under a name of their own.
    """
    docker.write_text(json.dumps({"credsStore": "tests"}))
    helper(tmp_path, monkeypatch, 'echo \'{"Username":"<token>","Secret":"i"}\'')

    assert Credential(identity_token="i") == find()


def test_helper_has_nothing(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A helper that has nothing leaves it to the file.
    """
    docker.write_text(json.dumps({"credsStore": "tests", "auths": {HOST: {"auth": AUTH}}}))
    helper(tmp_path, monkeypatch, "echo 'credentials not found in native keychain'; exit 1")

    assert Credential("user", "se:cret") == find()


@pytest.mark.parametrize(
    "script",
    [
        "echo 'the keyring is locked'; exit 1",
        "exit 0",
        "echo '[]'",
        'echo \'{"Username":"u"}\'',
        'echo \'{"Username":1,"Secret":"s"}\'',
        "head -c 200000 /dev/zero",
        "yes",
    ],
)
def test_helper_that_fails(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """
    A helper that fails, or prints something else or too much, is an error, and not nobody.
    """
    docker.write_text(json.dumps({"credsStore": "tests"}))
    helper(tmp_path, monkeypatch, script)

    with pytest.raises(RegistrySettingsError):
        find()


@pytest.mark.parametrize("name", ["../tests", "a/b", "", 7, "x" * 100, "not-installed"])
def test_helper_that_is_none(docker: Path, name: object) -> None:
    """
    A helper is a program of that name in the path, and nowhere else.
    """
    docker.write_text(json.dumps({"credHelpers": {HOST: name}, "credsStore": ""}))

    if name == "":
        assert find() is None
        return
    with pytest.raises(RegistrySettingsError):
        find()


def test_helper_that_hangs(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A helper that does not answer is ended, with what it started, by the deadline.
    """
    docker.write_text(json.dumps({"credsStore": "tests"}))
    written = tmp_path / "still-there"
    helper(tmp_path, monkeypatch, f"(sleep 2; touch {written}) & sleep 60")

    before = time.monotonic()
    with pytest.raises(RegistryTimeoutError):
        find_credential(HOST, RegistrySettings(), Registries(), Deadline(0.3, "the test"))

    assert time.monotonic() - before < 3
    time.sleep(2.2)
    assert not written.exists()


@pytest.mark.parametrize("place", ["run", "config", "named"])
def test_podman(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """
    Whom docker does not know, Podman may; what it knows for a part of a registry is not for all.
    """
    docker.write_text(json.dumps({"auths": {"other.example": {"auth": AUTH}}}))
    path = tmp_path / place / "containers" / "auth.json"
    path.parent.mkdir(parents=True)
    if place == "named":
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))
    path.write_text(json.dumps({"auths": {f"{HOST}/team": {"auth": AUTH}}}))
    assert find() is None

    path.write_text(json.dumps({"auths": {HOST: {"auth": AUTH}}}))
    assert Credential("user", "se:cret") == find()


def test_not_dockers(docker: Path) -> None:
    """
    Where docker's configuration is not to count, it does not.
    """
    docker.write_text(json.dumps({"auths": {HOST: {"auth": AUTH}}}))

    registries = Registries((), docker=False)
    assert find_credential(HOST, RegistrySettings(), registries, Deadline(1, "t")) is None


def test_secret_is_not_shown() -> None:
    """
    A credential that gets into a message shows who, and no secret.
    """
    assert "se:cret" not in repr(Credential("user", "se:cret", "se:cret", "se:cret"))
