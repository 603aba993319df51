"""TLS: the same service beyond loopback, for clients that know its certificate."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from signer.client import AsyncClient, Client
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.commands import check_refused, sealbook
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in


def make_certificate(directory: Path) -> bytes:
    """Write tls.key and a certificate for 127.0.0.1 that it signed itself, and return that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealbook test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    (directory / "tls.pem").write_bytes(pem)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "tls.key").write_bytes(private)
    (directory / "tls.key").chmod(0o600)
    return pem


def use_tls(world: World) -> bytes:
    """Give a service a certificate, and return it."""
    world.edit("[listen]\n", '[listen]\ntls_certificate = "tls.pem"\ntls_key = "tls.key"\n')
    return make_certificate(world.directory)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcess, bytes]]:
    """A service on every interface, and its certificate."""
    directory = tmp_path_factory.mktemp("tls") / "service"
    world = found_in(directory, grpc="0.0.0.0:0", http="0.0.0.0:0")
    certificate = use_tls(world)
    with running(world) as service:
        yield service, certificate


def local(address: str) -> str:
    """Return where a service on every interface is for this machine."""
    return address.replace("0.0.0.0", "127.0.0.1")


def test_grpc(secure: tuple[InProcess, bytes]) -> None:
    """
    A client that is given the certificate signs over TLS.
    """
    service, certificate = secure
    target = local(service.addresses.grpc)
    with Client(target, service.token, ca=certificate) as client:
        signed = client.sign(digest(1), REPOSITORY)

    assert REPOSITORY == service.verify(signed).repository


def test_https(secure: tuple[InProcess, bytes]) -> None:
    """
    The HTTP side speaks TLS with the same certificate.
    """
    service, certificate = secure
    context = ssl.create_default_context(cadata=certificate.decode())
    url = f"https://{local(service.addresses.http)}/healthz"

    assert "ok\n" == httpx.get(url, verify=context).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    with pytest.raises(httpx.HTTPError):
        httpx.get(url.replace("https:", "http:"))


def test_other_roots(secure: tuple[InProcess, bytes], tmp_path: Path) -> None:
    """
    A client that trusts another certificate, or speaks no TLS, gets no answer.
    """
    service, _ = secure
    other, target = make_certificate(tmp_path), local(service.addresses.grpc)

    async def sign(ca: bytes | None) -> object:
        async with AsyncClient(target, service.token, ca=ca, timeout_s=20) as client:
            return await client.sign(digest(2), REPOSITORY)

    refused("unreachable", lambda: service.ask(sign(other)))
    refused("unreachable", lambda: service.ask(sign(None)))


def test_command(secure: tuple[InProcess, bytes], tmp_path: Path) -> None:
    """
    The commands speak TLS when they are given roots.
    """
    service, certificate = secure
    (tmp_path / "ca.pem").write_bytes(certificate)
    target = local(service.addresses.grpc)
    token = service.directory / "token"
    where = ("--service", target, "--token-file", token, "--ca", tmp_path / "ca.pem")
    done = sealbook("checkpoint", *where)

    assert (0, "ledger.example") == (done.returncode, done.stdout.split("\n")[0]), done.stderr


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ("no certificate", "config"),
        ("no key", "key-file"),
        ("key that others can read", "key-file-permissions"),
        ("garbage", "config"),
        ("another's key", "config"),
    ],
)
def test_bad_files(world: World, spoil: str, code: str) -> None:
    """
    A certificate or key that is not there or not good is refused with a sentence.
    """
    use_tls(world)
    if spoil == "no certificate":
        (world.directory / "tls.pem").unlink()
    if spoil == "no key":
        (world.directory / "tls.key").unlink()
    if spoil == "key that others can read":
        (world.directory / "tls.key").chmod(0o644)
    if spoil == "garbage":
        (world.directory / "tls.pem").write_text("no certificate")
    if spoil == "another's key":
        pem = (world.directory / "tls.pem").read_bytes()
        make_certificate(world.directory)
        (world.directory / "tls.pem").write_bytes(pem)

    def start() -> None:
        with running(world):
            pass

    refused(code, start)


def test_mirror(secure: tuple[InProcess, bytes], tmp_path: Path) -> None:
    """
    A mirror on another host copies over TLS, and not from whom it cannot know.
    """
    service, _ = secure
    where = ("--service", local(service.addresses.grpc), "--token-file", "token")
    mirror = service.command("ledger", "mirror", tmp_path / "m", *where, "--ca", "tls.pem")
    stranger = service.command("ledger", "mirror", tmp_path / "n", *where)

    assert 0 == mirror.returncode, mirror.stderr
    assert f"{service.tree_size} entries" in mirror.stderr
    check_refused(stranger, "unreachable")
