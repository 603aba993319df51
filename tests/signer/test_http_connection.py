"""What a connection to the HTTP side may cost: peers that are slow, silent, or too much."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from structlog.testing import capture_logs

from signer import listening
from signer.http import connection as http_connection
from signer.http import serving as http_serving
from signer.http.connection import Connection
from tests.signer.access.test_mutual_tls import SERVERS, secure
from tests.signer.asking import PATIENCE_S, eventually
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
POST = b"POST /v1/sign HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
LONG = {"_HEAD_S": 10, "_BODY_S": 120, "_UNREAD_S": 20, "_AGE_S": 300, "_GRACE_S": 150}
SHORT = {"_HEAD_S": 0.3, "_BODY_S": 0.5, "_UNREAD_S": 0.3}


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service whose patience is shorter."""
    assert LONG == {name: getattr(http_connection, name) for name in LONG}
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in SHORT.items():
            patch.setattr(http_connection, name, seconds)
        patch.setattr(http_serving, "_KEEP_ALIVE_S", 1)  # whole seconds
        with running(found_in(tmp_path_factory.mktemp("hurried") / "service")) as service:
            yield service


def connected(service: InProcess) -> socket.socket:
    """Return a connection to the HTTP side."""
    host, _, port = service.addresses.http.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_S)


def trusting() -> ssl.SSLContext:
    """Return what trusts a service with TLS."""
    return ssl.create_default_context(cadata=SERVERS.pem.decode())


def said(sock: socket.socket) -> bytes:
    """Return all that comes until the service ends the connection."""
    answer = b""
    try:
        while piece := sock.recv(1 << 16):
            answer += piece
    except ConnectionError:
        pass
    return answer


def drip(sock: socket.socket, raw: bytes) -> int:
    """Send a byte every now and then until the service has had enough, and return how many."""
    for sent, byte in enumerate(raw):
        try:
            sock.sendall(bytes([byte]))
        except ConnectionError:
            return sent
        time.sleep(0.02)
    return len(raw)


@pytest.mark.parametrize("begins", [b"", b"G", GET, POST + b"content-length: 100\r\n\r\n{"])
def test_silent(hurried: InProcess, begins: bytes) -> None:
    """
    Who says nothing, or half a request, is left: after 10 s for a head, two minutes for a body.
    """
    with connected(hurried) as sock:
        sock.sendall(begins.replace(b"%b", hurried.token.encode()))
        answer = said(sock)

    assert not answer.startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize(
    ("head", "tail"),
    [(b"", GET + b"x: " + b"y" * 2_000), (POST + b"content-length: 2000\r\n\r\n", b" " * 2_000)],
    ids=["head", "body"],
)
def test_a_byte_now_and_then(hurried: InProcess, head: bytes, tail: bytes) -> None:
    """
    Who sends a byte now and then has no more time than who sends none.
    """
    with connected(hurried) as sock:
        sock.sendall(head.replace(b"%b", hurried.token.encode()))

        assert drip(sock, tail) < 1_000


@pytest.mark.parametrize(
    "more",
    [
        b"".join(b"x-%d: y\r\n" % n for n in range(100)) + b"\r\n",
        b"x: " + b"y" * 20_000 + b"\r\n\r\n",
        b"x: " + b"y" * 9_000 + b"\r\nz: " + b"y" * 9_000 + b"\r\n\r\n",
        b"x: " + b"y" * 200_000,  # it does not even end
        b"x" * 200_000,
    ],
    ids=["many", "one", "two", "an endless value", "an endless name"],
)
def test_too_many_headers(hurried: InProcess, more: bytes) -> None:
    """
    More than 64 headers, or 16 KiB of them, are refused with a code before anything looks at them.
    """
    with connected(hurried) as sock:
        sock.sendall(GET + more)
        answer = said(sock)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code": "headers-too-large"' in answer


def test_headers_within_limits(hurried: InProcess) -> None:
    """
    Sixty headers and 15 KB are answered.
    """
    headers = {f"x-{n}": "y" * 230 for n in range(58)}
    answer = httpx.get(f"http://{hurried.addresses.http}/healthz", headers=headers)

    assert (200, "ok\n") == (answer.status_code, answer.text)


@pytest.mark.parametrize(
    "body",
    [
        b"1;" + b"x" * 200_000,
        b"2\r\n{}\r\n0\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(9_000)),
        b"2\r\n{}\r\n0\r\nauthorization: Bearer x\r\n\r\n",
        b"2\r\n{}\r\n0\r\nx: " + b"y" * 200_000,
    ],
    ids=["an extension of a chunk", "trailers", "one trailer", "an endless trailer"],
)
def test_around_a_body(hurried: InProcess, body: bytes) -> None:
    """
    What is sent around the pieces of a body is not kept, and a header behind it is none.
    """
    with connected(hurried) as sock:
        post = POST % hurried.token.encode()
        sock.sendall(post + b"transfer-encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            sock.sendall(body)
        answer = said(sock)

    assert b"HTTP/1.1 2" not in answer


def test_who_does_not_read(hurried: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who asks and asks, and reads no answer, is left.
    """
    left = []

    class Watched(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            left.append(self.client)
            super().connection_lost(exc)

    monkeypatch.setattr(http_serving, "Connection", Watched)
    host, _, port = hurried.addresses.http.rpartition(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        sock.setblocking(False)  # noqa: FBT003  named so by Python
        with suppress(BlockingIOError):
            sock.send((GET + b"\r\n").replace(b"healthz", b"v1/trust.json") * 20_000)
        eventually(lambda: sock.getsockname() in left)


def test_between_requests(hurried: InProcess) -> None:
    """
    A connection is kept for the next request for 5 s, here one.
    """
    with connected(hurried) as sock:
        sock.sendall(GET + b"\r\n")
        answer = said(sock)

    assert 1 == answer.count(b"HTTP/1.1 200 ")


def test_age(hurried: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A connection that asks again and again is ended after 300 s, here less, between two answers.
    """
    monkeypatch.setattr(http_connection, "_AGE_S", 1)
    asked = 0
    with connected(hurried) as sock, sock.makefile("rb") as read:
        for _ in range(1_000):
            try:
                sock.sendall(GET + b"\r\n")
            except ConnectionError:
                break
            if not (line := read.readline()):
                break
            assert line.startswith(b"HTTP/1.1 200 ")
            while read.readline().strip():
                pass
            assert b"ok\n" == read.read(3)
            asked += 1
            time.sleep(0.05)

    assert 5 < asked < 500


def test_age_of_a_request(hurried: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A request that is under way then has two minutes and a half, here less.
    """
    monkeypatch.setattr(http_connection, "_AGE_S", 0.2)
    monkeypatch.setattr(http_connection, "_GRACE_S", 0.3)
    monkeypatch.setattr(http_connection, "_BODY_S", PATIENCE_S)
    with connected(hurried) as sock:
        sock.sendall(POST % hurried.token.encode() + b"content-length: 100\r\n\r\n{")
        started = time.monotonic()
        answer = said(sock)
        lasted = time.monotonic() - started

    assert b"" == answer
    assert 0.4 < lasted < PATIENCE_S / 2


def test_upgrades(hurried: InProcess) -> None:
    """
    Nobody is taken elsewhere: a request for another protocol is answered in this one.
    """
    for protocol in ("websocket", "h2c"):
        headers = {"connection": "upgrade", "upgrade": protocol}
        answer = httpx.get(f"http://{hurried.addresses.http}/healthz", headers=headers)

        assert (200, "ok\n") == (answer.status_code, answer.text)


def test_handshake(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who connects to TLS and does not speak it is left after 5 s, here less.
    """
    assert 5 == http_serving._HANDSHAKE_S
    monkeypatch.setattr(http_serving, "_HANDSHAKE_S", 0.3)
    with running(secure(world)) as service:
        for begins in (b"", b"\x16\x03\x01\x02\x00\x01", GET):
            with connected(service) as sock:
                sock.sendall(begins)
                assert b"HTTP/1.1" not in said(sock)


def answered(service: InProcess) -> socket.socket:
    """Return a connection that the service took: one that just ended may still be counted."""
    taken: list[socket.socket] = []

    def is_taken() -> bool:
        sock = connected(service)
        taken.append(sock)
        with suppress(ConnectionError):
            sock.sendall(GET + b"\r\n")
            return sock.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        return False

    eventually(is_taken)
    return taken[-1]


@pytest.mark.parametrize("over_tls", [False, True])
def test_connections(world: World, monkeypatch: pytest.MonkeyPatch, *, over_tls: bool) -> None:
    """
    No more connections are taken than there may be, those in their handshake among them; when
    one ends there is room again.
    """
    monkeypatch.setattr(listening, "most_connections", lambda: 4)
    with running(secure(world) if over_tls else world) as service:
        open_ = [connected(service) if over_tls else answered(service) for _ in range(4)]
        with connected(service) as fifth:
            fifth.settimeout(PATIENCE_S)
            assert b"" == fifth.recv(1)
        for sock in open_:
            sock.close()

        def room() -> bool:
            scheme, verify = ("https", trusting()) if over_tls else ("http", True)
            try:
                url = f"{scheme}://{service.addresses.http}/healthz"
                return httpx.get(url, verify=verify, timeout=PATIENCE_S).status_code == 200
            except httpx.HTTPError:
                return False

        eventually(room)


def test_leaving(hurried: InProcess) -> None:
    """
    Who leaves in the middle of a request is told nothing, and is no fault of the service.
    """
    bearer = f"authorization: Bearer {hurried.token}\r\n".encode()
    with capture_logs() as logged:
        for _ in range(3):
            with connected(hurried) as sock:
                sock.sendall(b"POST /v1/sign HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n")
                sock.sendall(bearer + b'\r\n{"digest":')
        eventually(lambda: 200 == httpx.get(f"http://{hurried.addresses.http}/healthz").status_code)
        time.sleep(0.2)

    assert [] == [line for line in logged if line["event"] == "internal error"]
