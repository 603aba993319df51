"""Who gets through TLS, and who is somebody then: real certificates and peers (A16, A17)."""

from __future__ import annotations

import json
import socket
import ssl
import warnings
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import grpc
import httpx
import pytest

from signer.config import Config
from signer.tls import Tls
from tests.signer.access.certifying import CLIENT, CODE, SERVER, URI, Authority, Issued
from tests.signer.access.test_certificates import BAD, CLIENTS
from tests.signer.asking import PATIENCE_S, SIGN, order, refused
from tests.signer.running import Answer, InProcess, running, start_refused
from tests.signer.world import World, found_in

CHECKPOINT = "/sealbook.v1.Ledger/GetCheckpoint"
SERVERS, OTHERS = Authority("servers"), Authority("clients")  # the others say they are the same
DENIED = CLIENTS.issue("spiffe://bank.example/ci/denied")
BOUND = f"""
[[bindings]]
role = "developer"
repository = "registry.example/team/**"
certificate = "{URI}"

[[bindings]]
role = "developer"
certificate = "spiffe://bank.example/ci/denied"

[[bindings]]
role = "runtime"
from = ["127.0.0.0/8"]
"""


def secure(world: World, access: str = "", *, clients: bool = True) -> World:
    """Let a service speak TLS, with client certificates of the authority of `clients`."""
    SERVERS.serve().write(world.directory, "tls")
    (world.directory / "clients.pem").write_bytes(CLIENTS.pem)
    lines = 'tls_certificate = "tls.pem"\ntls_key = "tls.key"\n'
    world.edit("[listen]\n", f"[listen]\n{lines}" + clients * 'client_ca = "clients.pem"\n')
    if access:
        world.edit("[access]\n", f"[access]\n{access}\n")
    return world


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that knows one pipeline by its certificate."""
    world = found_in(tmp_path_factory.mktemp("mutual") / "service")
    secure(world, f'deny_certificates = ["{DENIED.spki_sha256}"]')
    world.config.write_text(world.config.read_text() + BOUND)
    with running(world) as service:
        yield service


def call(
    service: InProcess,
    issued: Issued | None,
    method: str = SIGN,
    *,
    metadata: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """Call with a client certificate, and no token unless metadata has one."""
    credentials = grpc.ssl_channel_credentials(
        SERVERS.pem, issued.key if issued else None, issued.pem if issued else None
    )
    request = order(1).SerializeToString() if method == SIGN else b""
    with grpc.secure_channel(service.addresses.grpc, credentials) as channel:
        called = channel.unary_stream(method)(request, metadata=metadata, timeout=PATIENCE_S)
        try:
            return Answer(tuple(called))
        except grpc.RpcError:
            trailing = tuple(called.trailing_metadata() or ())
            code = str(dict(trailing).get("sealbook-code", ""))
            return Answer((), called.code().name, code, called.details(), trailing)


def get(
    service: InProcess, issued: Issued | None, path: str, tmp_path: Path, **more: str
) -> httpx.Response:
    """Ask the HTTP side with a client certificate."""
    url = f"https://{service.addresses.http}{path}"
    return httpx.get(url, verify=_context(tmp_path, issued), headers=more, timeout=PATIENCE_S)


def _context(directory: Path, issued: Issued | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    if issued is not None:
        issued.write(directory, "client")
        context.load_cert_chain(directory / "client.pem", directory / "client.key")
    return context


def test_certificate_alone(bank: InProcess) -> None:
    """
    Whoever has the certificate that is bound signs with it, and needs no token.
    """
    answer = call(bank, CLIENTS.issue(URI))

    assert "OK" == answer.status, answer
    assert 1 == len(answer.messages)


def test_somebody_else(bank: InProcess) -> None:
    """
    Another client of the same authority is known, and may not sign.
    """
    answer = call(bank, CLIENTS.issue("spiffe://bank.example/ci/other"))

    assert ("PERMISSION_DENIED", "permission-denied") == (answer.status, answer.code)


NOT_BY_TLS = {
    "none": None,
    "another authority's, of the same name": OTHERS.issue(URI),
    "the servers' authority's": SERVERS.issue(URI),
    "one that ended": CLIENTS.issue(URI, begins=-timedelta(days=2), ends=-timedelta(hours=1)),
    "one that has not begun": CLIENTS.issue(URI, begins=timedelta(hours=1)),
    "a server's": CLIENTS.issue(URI, usages=(SERVER,)),
    "a code signer's": CLIENTS.issue(URI, usages=(CODE,)),
}


@pytest.mark.parametrize("why", NOT_BY_TLS)
def test_not_through_tls(bank: InProcess, why: str) -> None:
    """
    Over gRPC nobody is let in by TLS without a certificate of the clients' authority, in its time.
    """
    answer = call(bank, NOT_BY_TLS[why], metadata=tuple(bank.metadata))

    assert ("UNAVAILABLE", "") == (answer.status, answer.code)


@pytest.mark.parametrize("why", [why for why in NOT_BY_TLS if why != "none"])
def test_not_through_tls_of_http(bank: InProcess, why: str, tmp_path: Path) -> None:
    """
    HTTP asks for no certificate, but whoever shows one that is not good is not answered.
    """
    with pytest.raises((httpx.HTTPError, ssl.SSLError)):
        get(bank, NOT_BY_TLS[why], "/healthz", tmp_path)


NOT_BY_US = [
    *("no extended key usage", "a URI that goes on behind a NUL", "a NUL at the end", "two URIs"),
    *("a DNS name that looks like a URI", "a DNS name in the URI's place", "no URI", "no names"),
]


@pytest.mark.parametrize("why", NOT_BY_US)
@pytest.mark.parametrize("token", [False, True], ids=["alone", "with the token"])
def test_not_somebody(bank: InProcess, why: str, token: bool) -> None:
    """
    What gRPC would take for the bound name is refused by us, and no token makes it better.
    """
    answer = call(bank, BAD[why], metadata=tuple(bank.metadata) if token else ())

    assert ("UNAUTHENTICATED", "bad-certificate") == (answer.status, answer.code)


@pytest.mark.parametrize("why", NOT_BY_US)
def test_not_somebody_of_http(bank: InProcess, why: str, tmp_path: Path) -> None:
    """
    HTTP looks at a certificate that is shown as gRPC does.
    """
    answer = get(bank, BAD[why], "/v1/trust.json", tmp_path)

    assert (401, "bad-certificate") == (answer.status_code, answer.json()["code"])


def test_denied(bank: InProcess, tmp_path: Path) -> None:
    """
    A key on the deny list counts no more, though it is bound, its certificate good and its time
    not over.
    """
    answer = call(bank, DENIED)
    http = get(bank, DENIED, "/v1/trust.json", tmp_path)

    assert ("UNAUTHENTICATED", "bad-certificate") == (answer.status, answer.code)
    assert (401, "bad-certificate") == (http.status_code, http.json()["code"])


def test_without_a_certificate_of_http(bank: InProcess, tmp_path: Path) -> None:
    """
    A cluster that pulls images reads what its network may read, without any certificate.
    """
    assert 200 == get(bank, None, "/v1/trust.json", tmp_path).status_code
    assert "ok\n" == get(bank, CLIENTS.issue(URI), "/healthz", tmp_path).text


def test_certificate_of_http(bank: InProcess, tmp_path: Path) -> None:
    """
    A certificate is who calls over HTTP too: it signs by JSON.
    """
    wanted = order(2)
    answer = httpx.post(
        f"https://{bank.addresses.http}/v1/sign",
        content=json.dumps({"digest": wanted.digest, "repository": wanted.repository}),
        verify=_context(tmp_path, CLIENTS.issue(URI)),
        timeout=PATIENCE_S,
    )

    assert 200 == answer.status_code, answer.text


@pytest.mark.parametrize("side", ["grpc", "http"])
def test_versions(bank: InProcess, side: str, tmp_path: Path) -> None:
    """
    TLS 1.2 and 1.3 are spoken, 1.1 is not, nor 1.2 without an AEAD and forward secrecy.
    """
    address = getattr(bank.addresses, side)

    assert "TLSv1.3" == _spoken(address, tmp_path)
    assert "TLSv1.2" == _spoken(address, tmp_path, ssl.TLSVersion.TLSv1_2)
    with warnings.catch_warnings(action="ignore"):
        assert None is _spoken(address, tmp_path, ssl.TLSVersion.TLSv1_1)
    for ciphers in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"):
        assert None is _spoken(address, tmp_path, ssl.TLSVersion.TLSv1_2, ciphers)


def _spoken(
    address: str,
    directory: Path,
    version: ssl.TLSVersion | None = None,
    ciphers: str = "ALL:@SECLEVEL=0",
) -> str | None:
    """Return the TLS that a server speaks with a client of this version; None is none."""
    context = _context(directory, CLIENTS.issue(URI))
    context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    host, _, port = address.rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), PATIENCE_S) as bare,
            context.wrap_socket(bare, server_hostname=host) as wrapped,
        ):
            return wrapped.version()
    except (ssl.SSLError, ConnectionError):
        return None


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service on every interface, of IPv6 and so of IPv4, that wants no client certificates.

    Whoever calls from 10.0.0.0/8 may fetch, without being known.
    """
    world = secure(found_in(tmp_path_factory.mktemp("anywhere") / "service"), clients=False)
    for side in ("grpc", "http"):
        world.edit(f'{side} = "127.0.0.1:0"', f'{side} = "[::]:0"')
    reads = '\n[[bindings]]\nrole = "runtime"\nfrom = ["10.0.0.0/8"]\n'
    world.config.write_text(world.config.read_text() + reads)
    with running(world) as service:
        yield service


def take(service: InProcess, lines: str) -> None:
    """Let a service take calls as these lines of its configuration say, as a reload would."""
    text = service.config.read_text().replace("[access]\n", f"[access]\n{lines}\n")
    service.server._admitting.prepare(Config.parse(text, service.config))()


def asked(service: InProcess, host: str, **headers: str) -> list[tuple[object, str]]:
    """Call `host` over gRPC and HTTP, and return what each answered: a status and a code."""
    ports = [address.rpartition(":")[2] for address in service.addresses]
    metadata = [*service.metadata, *headers.items()]
    options = [("grpc.ssl_target_name_override", "127.0.0.1")]
    credentials = grpc.ssl_channel_credentials(SERVERS.pem)
    with grpc.secure_channel(f"{host}:{ports[0]}", credentials, options) as channel:
        called = channel.unary_unary(CHECKPOINT)
        try:
            called(b"", metadata=metadata, timeout=PATIENCE_S)
            over_grpc = ("OK", "")
        except grpc.RpcError as e:
            over_grpc = (e.code().name, dict(e.trailing_metadata())["sealbook-code"])
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    context.check_hostname = False
    over_http = httpx.get(
        f"https://{host}:{ports[1]}/v1/trust.json",
        headers=dict(metadata),
        verify=context,
        timeout=PATIENCE_S,
    )
    code = "" if over_http.status_code == 200 else over_http.json()["code"]
    return [over_grpc, (over_http.status_code, code)]


TAKEN = [("OK", ""), (200, "")]
NOT_TAKEN = [("PERMISSION_DENIED", "network"), (403, "network")]


@pytest.mark.parametrize(
    ("allow", "v4", "v6"),
    [
        (["127.0.0.0/8"], True, False),
        (["10.0.0.0/8", "127.0.0.1/32"], True, False),
        ([f"{ip_network('::ffff:7f00:0/104')}"], True, False),
        (["0.0.0.0/0"], True, False),
        (["10.0.0.0/8"], False, False),
        (["::1/128"], False, True),
        (["::/0"], False, True),
        (["127.0.0.1/32", "::1/128"], True, True),
        ([], False, False),
    ],
)
@pytest.mark.parametrize("lie", [False, True], ids=["", "and says otherwise"])
def test_allow(anywhere: InProcess, allow: list[str], *, v4: bool, v6: bool, lie: bool) -> None:
    """
    Calls are taken from the networks that are listed, over gRPC and HTTP alike, and from no
    other: IPv4 in IPv6's clothes is IPv4, neither a header nor the token changes anything.
    """
    take(anywhere, f"allow = {json.dumps(allow)}")
    headers = {"x-forwarded-for": "127.0.0.1, ::1, 10.0.0.1"} if lie else {}

    assert (TAKEN if v4 else NOT_TAKEN) == asked(anywhere, "127.0.0.1", **headers)
    assert (TAKEN if v6 else NOT_TAKEN) == asked(anywhere, "[::1]", **headers)


@pytest.mark.parametrize(
    ("forwarded", "answered"),
    [
        ("10.1.2.3", True),
        ("192.0.2.1, 10.1.2.3", True),
        ("10.1.2.3, 192.0.2.1", False),
        ("10.1.2.3, 127.0.0.1", True),
        ("nonsense", False),
        ("", False),
        (None, False),
    ],
)
def test_proxy(anywhere: InProcess, forwarded: str | None, *, answered: bool) -> None:
    """
    Behind a proxy of ours the caller is who it says, and nobody further to the left.
    """
    take(anywhere, 'allow = ["10.0.0.0/8"]\nproxies = ["127.0.0.1/32"]')
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    context = ssl.create_default_context(cadata=SERVERS.pem.decode())
    port = anywhere.addresses.http.rpartition(":")[2]
    url = f"https://127.0.0.1:{port}/v1/trust.json"
    answer = httpx.get(url, headers=headers, verify=context, timeout=PATIENCE_S)

    assert (200 if answered else 403) == answer.status_code


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "authority of clients"),
        (b"nonsense", "authority of clients"),
        (CLIENTS.issue(URI, usages=(CLIENT,)).pem, "expected certificates of authorities"),
        (CLIENTS.pem + CLIENTS.issue(URI).pem, "expected certificates of authorities"),
        (CLIENTS.pem * 4_000, "expected certificates of authorities"),
        (None, "authority of clients"),
    ],
    ids=["empty", "nonsense", "a client's own", "and a client's", "too large", "not there"],
)
def test_no_authority(
    anywhere: InProcess, tmp_path: Path, content: bytes | None, says: str
) -> None:
    """
    A service whose authority of clients is none does not start.
    """
    path = tmp_path / "clients.pem"
    if content is not None:
        path.write_bytes(content)
    text = anywhere.config.read_text().replace("[listen]\n", f'[listen]\nclient_ca = "{path}"\n')

    assert says in refused("config", lambda: Tls(Config.parse(text, anywhere.config))).message


def test_an_authority_that_goes(world: World) -> None:
    """
    A service does not start without the authority that its clients are to have.
    """
    secure(world)
    (world.directory / "clients.pem").unlink()

    assert "authority of clients" in start_refused(world, "config")
