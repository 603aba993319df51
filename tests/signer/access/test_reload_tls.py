"""Certificates are replaced while the service runs (F18), and bad ones are not taken."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509

from signer import tls
from signer.config import Config
from tests.signer.access.certifying import URI, Authority, Issued
from tests.signer.access.test_mutual_tls import CHECKPOINT, CLIENTS, SERVERS, secure
from tests.signer.asking import PATIENCE_S, eventually, refused
from tests.signer.running import InProcess, running
from tests.signer.world import found_in

GOOD = CLIENTS.issue(URI)
NEW_CLIENTS = Authority("new clients")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that looks at its files twenty times a second."""
    world = secure(found_in(tmp_path_factory.mktemp("reload") / "service"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tls, "_LOOK_S", 0.05)
        with running(world) as service:
            yield service


@pytest.fixture(autouse=True)
def _as_it_was(service: InProcess) -> Iterator[None]:
    """Each test begins, and ends, with files that are good and in force."""
    yield
    service.directory.joinpath("clients.pem").write_bytes(CLIENTS.pem)
    fresh = renew(service)
    eventually(lambda: (fresh, fresh) == shown(service))


def renew(service: InProcess) -> int:
    """Give a service a new certificate, and return its number."""
    issued = SERVERS.serve()
    issued.write(service.directory, "tls")
    return number(issued)


def number(issued: Issued) -> int:
    """Return the serial number of a certificate."""
    return x509.load_pem_x509_certificate(issued.pem).serial_number


def shown(service: InProcess) -> tuple[int, int]:
    """Return the number of the certificate that a new connection is shown, by gRPC and by HTTP."""
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    numbers = []
    for address in service.addresses:
        host, _, port = address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), PATIENCE_S) as bare,
            context.wrap_socket(bare, server_hostname=host) as wrapped,
        ):
            der = wrapped.getpeercert(binary_form=True)
            assert der
            numbers.append(x509.load_der_x509_certificate(der).serial_number)
    return numbers[0], numbers[1]


def gauge(service: InProcess) -> float:
    """Return whether the service says that its files are not those in force."""
    answer = service.ask(_scrape(service))
    [line] = [one for one in answer.splitlines() if one.startswith("sealbook_tls_refused ")]
    return float(line.split()[1])


async def _scrape(service: InProcess) -> str:
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    async with httpx.AsyncClient(verify=context) as client:
        url = f"https://{service.addresses.http}/metrics"
        return (await client.get(url)).text  # whoever is on the machine may


def checkpoint(service: InProcess, issued: Issued) -> str:
    """Return what comes of a call with a client certificate and the token."""
    credentials = grpc.ssl_channel_credentials(SERVERS.pem, issued.key, issued.pem)
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(service.addresses.grpc, credentials, own) as channel:
        try:
            channel.unary_unary(CHECKPOINT)(b"", metadata=service.metadata, timeout=PATIENCE_S)
        except grpc.RpcError as e:
            return e.code().name
    return "OK"


def test_new_connections_get_the_new_certificate(service: InProcess) -> None:
    """
    A certificate that was replaced is shown to whoever connects from then on.
    """
    for _ in range(3):
        fresh = renew(service)
        eventually(lambda number=fresh: (number, number) == shown(service))

    assert 0 == gauge(service)


def test_old_connections_go_on(service: InProcess) -> None:
    """
    Nothing that is under way notices that the certificate was replaced.
    """
    credentials = grpc.ssl_channel_credentials(SERVERS.pem, GOOD.key, GOOD.pem)
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    with (
        grpc.secure_channel(service.addresses.grpc, credentials) as channel,
        httpx.Client(verify=context, base_url=f"https://{service.addresses.http}") as http,
    ):
        call = channel.unary_unary(CHECKPOINT)
        call(b"", metadata=service.metadata, timeout=PATIENCE_S)
        assert "ok\n" == http.get("/healthz").text
        fresh = renew(service)
        eventually(lambda: (fresh, fresh) == shown(service))

        assert call(b"", metadata=service.metadata, timeout=PATIENCE_S)
        assert "ok\n" == http.get("/healthz").text


BAD = {
    "another's key": lambda at: at.joinpath("tls.key").write_bytes(SERVERS.serve().key),
    "a certificate cut off": lambda at: _cut(at / "tls.pem"),
    "no certificate": lambda at: at.joinpath("tls.pem").unlink(),
    "no key": lambda at: at.joinpath("tls.key").unlink(),
    "a key that others can read": lambda at: at.joinpath("tls.key").chmod(0o640),
    "no authority of clients": lambda at: at.joinpath("clients.pem").write_bytes(b""),
    "a client for an authority": lambda at: at.joinpath("clients.pem").write_bytes(GOOD.pem),
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("how", BAD)
def test_bad_files_are_not_taken(
    service: InProcess, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What cannot be used is not taken, the old goes on, and the log and a gauge say so, once.
    """
    before = shown(service)
    BAD[how](service.directory)
    eventually(lambda: 1 == gauge(service))
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [one for one in logged if one["event"] == "the new TLS files are not taken"]

    assert before == shown(service)
    assert "OK" == checkpoint(service, GOOD)
    assert 1 == len(said)
    assert said[0]["error"]
    assert 1 == gauge(service)
    assert [] == [line for line in capsys.readouterr().err.splitlines() if "not taken" in line]


def test_put_back(service: InProcess) -> None:
    """
    Once the files are good again the gauge says so.
    """
    _cut(service.directory / "tls.pem")
    eventually(lambda: 1 == gauge(service))
    fresh = renew(service)
    eventually(lambda: 0 == gauge(service))

    assert (fresh, fresh) == shown(service)


def test_one_file_after_the_other(service: InProcess, tmp_path: Path) -> None:
    """
    Who replaces the certificate and then its key is not called wrong in between, unless it lasts.
    """
    text = service.config.read_text().replace('"tls.', f'"{tmp_path}/tls.')
    SERVERS.serve().write(tmp_path, "tls")
    alone = tls.Tls(Config.parse(text, service.config))
    issued, said = SERVERS.serve(), []
    (tmp_path / "tls.pem").write_bytes(issued.pem)
    alone.look()
    said.append(alone.refused)
    issued.write(tmp_path, "tls")
    alone.look()
    said.append(alone.refused)
    (tmp_path / "tls.pem").write_bytes(SERVERS.serve().pem)
    for _ in range(2):
        alone.look()
        said.append(alone.refused)

    assert [False, False, False, True] == said


def test_another_authority_of_clients(service: InProcess) -> None:
    """
    A new authority counts from the next connection on, and the one that is gone counts no more.
    """
    newcomer = NEW_CLIENTS.issue(URI)
    assert ("OK", "UNAVAILABLE") == (checkpoint(service, GOOD), checkpoint(service, newcomer))

    authorities = service.directory / "clients.pem"
    authorities.write_bytes(CLIENTS.pem + NEW_CLIENTS.pem)
    eventually(lambda: "OK" == checkpoint(service, newcomer))
    assert "OK" == checkpoint(service, GOOD)

    authorities.write_bytes(NEW_CLIENTS.pem)
    eventually(lambda: "UNAVAILABLE" == checkpoint(service, GOOD))
    assert "OK" == checkpoint(service, newcomer)
    assert 200 == _fetch(service, newcomer)
    with pytest.raises((httpx.HTTPError, ssl.SSLError)):
        _fetch(service, GOOD)


def _fetch(service: InProcess, issued: Issued) -> int:
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    issued.write(service.directory, "client")
    context.load_cert_chain(service.directory / "client.pem", service.directory / "client.key")
    return httpx.get(f"https://{service.addresses.http}/healthz", verify=context).status_code


def test_under_load(service: InProcess) -> None:
    """
    No call fails while the certificate is replaced again and again, whoever connects meanwhile.
    """
    outcomes: list[str] = []
    stop = threading.Event()

    def calling() -> None:
        while not stop.is_set():
            outcomes.append(checkpoint(service, GOOD))

    threads = [threading.Thread(target=calling) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        fresh = renew(service)
        eventually(lambda number=fresh: (number, number) == shown(service))
    stop.set()
    for thread in threads:
        thread.join()

    assert {"OK"} == set(outcomes)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('client_ca = "clients.pem"\n', ""),
        ('tls_certificate = "tls.pem"\ntls_key = "tls.key"\nclient_ca = "clients.pem"\n', ""),
    ],
)
def test_what_takes_a_restart(service: InProcess, line: str, instead: str) -> None:
    """
    Whether there is TLS, and whether clients have certificates, is settled at the start.
    """
    text = service.config.read_text()
    changed = Config.parse(text.replace(line, instead), service.config)
    as_it_is = Config.parse(text, service.config)

    refused("config-restart", lambda: service.server._tls.prepare(changed))
    refused("config-restart", lambda: tls.Tls(changed).prepare(as_it_is))


def test_other_files(service: InProcess) -> None:
    """
    A configuration that names other files is followed; one that names bad ones is refused whole.
    """
    elsewhere = SERVERS.serve()
    elsewhere.write(service.directory, "elsewhere")
    text = service.config.read_text().replace('"tls.', '"elsewhere.')
    install = service.server._tls.prepare(Config.parse(text, service.config))
    before = shown(service)
    assert number(elsewhere) not in before
    install()
    assert (number(elsewhere),) * 2 == shown(service)

    service.server._tls.prepare(Config.load(service.config))()
    missing = Config.parse(text.replace('"elsewhere.', '"nowhere.'), service.config)
    refused("key-file", lambda: service.server._tls.prepare(missing))
    assert before == shown(service)
