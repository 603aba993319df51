"""Being let in by real registries: TLS, passwords, tokens, and certificates of our own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.registry import serving_registry
from tests.pull.hostile import HostileRegistry, answer, moved
from tests.pull.papers import Authority
from tests.pull.token_server import IDENTITY, PASSWORD, SERVICE, USER, FakeTokenServer
from verifier.errors import VerificationError
from verifier.pull.errors import (
    RedirectError,
    RegistryAccessError,
    RegistryAnswerError,
    RegistrySettingsError,
    RegistryUnreachableError,
    TokenRealmError,
)
from verifier.pull.images import Descriptor
from verifier.pull.registry import tls
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.pull.registry.sharing import close_idle
from verifier.repository import Repository, Scope

BLOB = Descriptor.of("application/octet-stream", b"{}")
# robot:secret, bcrypt of 4 rounds
HTPASSWD = "robot:$2b$04$Xe7aKMWdpT9kcGcgMuHoWOkJL.a5JPr4Vh0MBokOTSCc63PSlvJAG\n"


class Tls:
    """A registry that speaks TLS and knows one user, and the authority of its certificate."""

    def __init__(self, address: str, authority: Authority) -> None:
        self.address = address
        self.authority = authority


@pytest.fixture(scope="module")
def secure(docker_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    scratch = tmp_path_factory.mktemp("secure")
    authority = Authority(scratch / "papers")
    pair = authority.issue("server")
    environment = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": str(pair.certificate),
        "REGISTRY_HTTP_TLS_KEY": str(pair.key),
    }
    with serving_registry(
        docker_registry, scratch, htpasswd=HTPASSWD, environment=environment
    ) as address:
        yield Tls(address, authority)


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    path = tmp_path / "robot"
    path.write_text(f"{USER}:{PASSWORD}\n")
    return path


def opened(address: str, path: str = "app", *, docker: bool = False, **settings: Any) -> Registry:
    one = RegistrySettings(Scope(address), **settings)
    return Registry(Repository(f"{address}/{path}"), Registries((one,), docker), deadline_s=20)


def push(registry: Registry) -> None:
    with registry:
        registry.put_blob(BLOB, [b"{}"])
        assert b"{}" == registry.small_blob(BLOB, 10)


def docker_config(tmp_path: Path, value: dict[str, Any]) -> None:
    directory = tmp_path / "docker"
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps(value))


def test_password_over_tls(secure: Tls, robot: Path) -> None:
    """
    A robot's password lets us in, under a certificate of the configured CA.
    """
    push(opened(secure.address, ca=secure.authority.certificate, credential=robot))


def test_password_from_docker(secure: Tls, tmp_path: Path) -> None:
    """
    So does whom docker's own configuration knows there.
    """
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    docker_config(tmp_path, {"auths": {f"https://{secure.address}/v2/": {"auth": auth}}})

    push(opened(secure.address, docker=True, ca=secure.authority.certificate))


def test_nobody(secure: Tls) -> None:
    """
    Who is nobody there is refused, and told how to become somebody.
    """
    with pytest.raises(RegistryAccessError) as caught:
        push(opened(secure.address, ca=secure.authority.certificate))

    assert "registry-denied" == caught.value.code
    assert f"docker login {secure.address}" in caught.value.hint


def test_wrong_password(secure: Tls, robot: Path) -> None:
    """
    A wrong password is refused, and not shown.
    """
    robot.write_text("robot:wrong-one")

    with pytest.raises(RegistryAccessError) as caught:
        push(opened(secure.address, ca=secure.authority.certificate, credential=robot))

    assert "wrong-one" not in str(caught.value)


def test_password_that_is_changed(secure: Tls, robot: Path) -> None:
    """
    A password that was changed in its file counts at the next request that needs it.
    """
    robot.write_text("robot:wrong-one")
    with opened(secure.address, ca=secure.authority.certificate, credential=robot) as registry:
        with pytest.raises(RegistryAccessError):
            registry.has_blob(BLOB.digest)
        robot.write_text(f"{USER}:{PASSWORD}")

        assert registry.has_blob(BLOB.digest) in (True, False)


def test_unknown_authority(secure: Tls, robot: Path, tmp_path: Path) -> None:
    """
    A certificate of an authority that we do not know is refused before anything is sent.
    """
    for ca in (None, Authority(tmp_path / "others", "others").certificate):
        with pytest.raises(RegistryUnreachableError) as caught:
            push(opened(secure.address, ca=ca, credential=robot, plain_http=False))
        assert "ca = " in caught.value.hint


def test_ssl_cert_file(secure: Tls, robot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    SSL_CERT_FILE counts.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.authority.certificate))

    push(opened(secure.address, credential=robot, plain_http=False))


def test_dockers_certificates(
    secure: Tls, robot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What docker has in certs.d counts, and makes a registry on loopback one that speaks TLS.
    """
    place = tmp_path / "certs.d" / secure.address
    place.mkdir(parents=True)
    (place / "ca.crt").write_bytes(secure.authority.certificate.read_bytes())
    monkeypatch.setattr(tls, "DOCKER", (tmp_path / "certs.d",))

    push(opened(secure.address, docker=True, credential=robot))


@pytest.mark.parametrize("directory", ["HOST", "FLAT", "_default"])
@pytest.mark.parametrize("own", [True, False])
def test_containerds_certificates(
    secure: Tls,
    robot: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    directory: str,
    *,
    own: bool,
) -> None:
    """
    So does what containerd has in hosts.toml, for all hosts or for this one.
    """
    flat = f"{secure.address.replace(':', '_')}_"
    place = tmp_path / directory.replace("HOST", secure.address).replace("FLAT", flat)
    place.mkdir(parents=True)
    (place / "ca.crt").write_bytes(secure.authority.certificate.read_bytes())
    table = f'[host."https://{secure.address}"]\n' if own else ""
    (place / "hosts.toml").write_text(f'server = "https://x.example"\n{table}ca = "ca.crt"\n')
    monkeypatch.setattr(tls, "DOCKER", ())
    monkeypatch.setattr(tls, "CONTAINERD", tmp_path)

    push(opened(secure.address, docker=True, credential=robot))


def test_skip_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where containerd is told to take any certificate, we say so and stop.
    """
    place = tmp_path / "registry.example"
    place.mkdir()
    (place / "hosts.toml").write_text('[host."https://registry.example"]\nskip_verify = true\n')
    monkeypatch.setattr(tls, "CONTAINERD", tmp_path)

    with pytest.raises(RegistrySettingsError) as caught:
        Registry(Repository("registry.example/app"), Registries())

    assert "ca = " in caught.value.hint


def test_plain_http_to_tls(secure: Tls) -> None:
    """
    A registry on loopback is taken for one without TLS; the refusal says how to set it right.
    """
    with pytest.raises(VerificationError) as caught:
        push(opened(secure.address))

    assert "plain_http = false" in caught.value.hint


def test_client_certificate(tmp_path: Path) -> None:
    """
    A client's certificate is shown to the registry that it is configured for.
    """
    authority = Authority(tmp_path / "papers")
    ours = authority.issue("client")
    with HostileRegistry(tls=authority.server(clients=True)) as server:
        known = opened(
            server.address,
            ca=authority.certificate,
            client_certificate=ours.certificate,
            client_key=ours.key,
        )
        with known:
            assert not known.has_blob(BLOB.digest)
        close_idle()
        with (
            opened(server.address, ca=authority.certificate) as unknown,
            pytest.raises(RegistryUnreachableError),
        ):
            unknown.has_blob(BLOB.digest)


def test_client_certificate_is_the_registrys(tmp_path: Path) -> None:
    """
    It is not shown to where the registry sends us.
    """
    authority = Authority(tmp_path / "papers")
    ours = authority.issue("client")
    path = f"/v2/app/blobs/{BLOB.digest}"
    with (
        HostileRegistry(tls=authority.server(clients=True)) as server,
        HostileRegistry(tls=authority.server(clients=True)) as elsewhere,
    ):
        server.sends[path] = lambda _: moved(f"https://{elsewhere.address}/blob")
        registry = opened(
            server.address,
            ca=authority.certificate,
            client_certificate=ours.certificate,
            client_key=ours.key,
        )
        with registry, pytest.raises(RegistryUnreachableError):
            registry.small_blob(BLOB, 10)

    assert 1 == len(server.to(path))
    assert [] == elsewhere.asked


def test_connections_are_used_again(tmp_path: Path) -> None:
    """
    Over TLS, too, requests one after the other share a connection.
    """
    authority = Authority(tmp_path / "papers")
    with HostileRegistry(tls=authority.server()) as server:
        for _ in range(5):
            with opened(server.address, ca=authority.certificate) as registry:
                assert not registry.has_blob(BLOB.digest)

        assert 1 == server.connections


def test_o8_away_from_tls(tmp_path: Path, hostile: HostileRegistry) -> None:
    """
    O8: from TLS a redirect leads to TLS, and to nothing that anybody can read on the way.
    """
    authority = Authority(tmp_path / "papers")
    path = f"/v2/app/blobs/{BLOB.digest}"
    hostile.sends["/blob"] = lambda _: answer(200, b"{}")
    with HostileRegistry(tls=authority.server()) as server:
        server.sends[path] = lambda _: moved(f"http://{hostile.address}/blob")
        with (
            opened(server.address, ca=authority.certificate) as registry,
            pytest.raises(RedirectError),
        ):
            registry.small_blob(BLOB, 10)

    assert [] == hostile.asked


def test_o9_realm_away_from_tls(tmp_path: Path, robot: Path) -> None:
    """
    O9: nor does a realm, were it configured ten times.
    """
    authority = Authority(tmp_path / "papers")
    with HostileRegistry() as plain, HostileRegistry(tls=authority.server()) as server:
        said = {"WWW-Authenticate": f'Bearer realm="http://{plain.address}/token"'}
        server.sends[f"/v2/app/blobs/{BLOB.digest}"] = lambda _: answer(401, b"", said)
        with (
            opened(
                server.address,
                ca=authority.certificate,
                credential=robot,
                token_hosts=(plain.address,),
            ) as registry,
            pytest.raises(TokenRealmError),
        ):
            registry.small_blob(BLOB, 10)

    assert [] == plain.asked


@pytest.fixture
def tokens(hostile: HostileRegistry, tmp_path: Path) -> FakeTokenServer:
    return FakeTokenServer(hostile, tmp_path / "tokens")


@pytest.fixture
def guarded(docker_registry: Path, tmp_path: Path, tokens: FakeTokenServer) -> Iterator[str]:
    """A real registry that takes tokens of `tokens` only."""
    with serving_registry(docker_registry, tmp_path, environment=tokens.environment) as address:
        yield address


def hosts(tokens: FakeTokenServer) -> tuple[str, ...]:
    return (tokens.realm.removeprefix("http://").removesuffix("/token"),)


def test_token_by_password(guarded: str, tokens: FakeTokenServer, robot: Path) -> None:
    """
    A token is asked for once for each thing that it is needed for, and used until it ends.
    """
    with opened(guarded, credential=robot, token_hosts=hosts(tokens)) as registry:
        assert not registry.has_blob(BLOB.digest)
        for _ in range(3):
            registry.put_blob(BLOB, [b"{}"])
            assert b"{}" == registry.small_blob(BLOB, 10)
        assert 'service="the registry"' in registry.challenge

    scopes = [one["scope"] for one in tokens.asked]
    assert [["repository:app:pull"], ["repository:app:pull,push"]] == scopes
    assert [[SERVICE], [SERVICE]] == [one["service"] for one in tokens.asked]


def test_helper_is_asked_once(
    guarded: str, tokens: FakeTokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    For tokens of many repositories docker's helper is asked once who we are.
    """
    docker_config(tmp_path, {"credsStore": "tests"})
    program = tmp_path / "bin" / "docker-credential-tests"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\necho >>{tmp_path}/asked\n"
        f'echo \'{{"Username":"{USER}","Secret":"{PASSWORD}"}}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    settings: dict[str, Any] = {"docker": True, "token_hosts": hosts(tokens)}
    for number in range(5):
        with opened(guarded, f"app{number}", **settings) as registry:
            assert not registry.has_blob(BLOB.digest)

    assert 5 == len(tokens.asked)
    assert "\n" == (tmp_path / "asked").read_text()


def test_token_by_identity(guarded: str, tokens: FakeTokenServer, tmp_path: Path) -> None:
    """
    An identity token is exchanged for one, and sent as nothing else.
    """
    docker_config(tmp_path, {"auths": {guarded: {"auth": "", "identitytoken": IDENTITY}}})

    push(opened(guarded, docker=True, token_hosts=hosts(tokens)))

    assert [["refresh_token"]] == [one["grant_type"] for one in tokens.asked]


def test_token_that_ends(guarded: str, tokens: FakeTokenServer, robot: Path) -> None:
    """
    A token that has ended is asked for again.
    """
    tokens.lasts_s = 1
    with opened(guarded, credential=robot, token_hosts=hosts(tokens)) as registry:
        registry.put_blob(BLOB, [b"{}"])
        before = len(tokens.asked)
        held = registry._host.access._held
        held.update({scopes: one._replace(until=0.0) for scopes, one in held.items()})
        assert b"{}" == registry.small_blob(BLOB, 10)

    assert before + 1 == len(tokens.asked)


def test_token_of_nobody(guarded: str, tokens: FakeTokenServer) -> None:
    """
    Nobody gets a token to pull what is open to all, and is refused the rest.
    """
    with opened(guarded, "open/app", token_hosts=hosts(tokens)) as registry:
        assert not registry.has_blob(BLOB.digest)
        with pytest.raises(RegistryAccessError):
            registry.put_blob(BLOB, [b"{}"])
    with (
        opened(guarded, token_hosts=hosts(tokens)) as registry,
        pytest.raises(RegistryAccessError),
    ):
        registry.has_blob(BLOB.digest)


def test_token_host_not_configured(guarded: str, tokens: FakeTokenServer, robot: Path) -> None:
    """
    A real registry with a token server beside it needs the line, which the refusal says.
    """
    with pytest.raises(TokenRealmError) as caught:
        push(opened(guarded, credential=robot))

    assert f'token_hosts = ["{hosts(tokens)[0]}"]' in caught.value.hint
    assert [] == tokens.asked


def test_token_for_a_mount(guarded: str, tokens: FakeTokenServer, robot: Path) -> None:
    """
    To take a blob from another repository, a token for both is asked for.
    """
    settings: dict[str, Any] = {"credential": robot, "token_hosts": hosts(tokens)}
    push(opened(guarded, "from/here", **settings))
    with opened(guarded, "to/there", **settings) as there:
        assert there.mount(BLOB, Repository(f"{guarded}/from/here"))

    assert ["repository:to/there:pull,push", "repository:from/here:pull"] == tokens.asked[-1][
        "scope"
    ]


def test_wrong_token_server(guarded: str, tokens: FakeTokenServer, robot: Path) -> None:
    """
    A token server that answers no tokens is told apart from one that refuses us.
    """
    robot.write_text("robot:wrong-one")
    with pytest.raises(RegistryAccessError):
        push(opened(guarded, credential=robot, token_hosts=hosts(tokens)))

    tokens._server.sends["/token"] = lambda _: [b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nno"]
    with pytest.raises(RegistryAnswerError):
        push(opened(guarded, credential=robot, token_hosts=hosts(tokens)))
