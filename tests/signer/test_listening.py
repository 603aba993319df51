"""Listening sockets, and what a connection to gRPC may cost: each limit at a real server."""

from __future__ import annotations

import gzip
import socket
import time
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest

from signer import guard, listening
from signer.address import listen
from tests.signer import http2
from tests.signer.asking import PATIENCE_S, SIGN, eventually, order
from tests.signer.http2 import GOAWAY, HEADERS, PING, RST_STREAM, Raw, frame
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

GOOD = order(1).SerializeToString()
AGE, GRACE = "grpc.max_connection_age_ms", "grpc.max_connection_age_grace_ms"
IDLE, HANDSHAKE = "grpc.max_connection_idle_ms", "grpc.server_handshake_timeout_ms"
ALIVE, ANSWER = "grpc.keepalive_time_ms", "grpc.http2.ping_timeout_ms"
# How many times, for a test.
SHORTER = {HANDSHAKE: 20, IDLE: 600, AGE: 150, GRACE: 3_600, ALIVE: 120, ANSWER: 100}


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_no_answer_waits_for_an_acknowledgement(address: str) -> None:
    """
    The protocol is named, without which asyncio leaves Nagle's algorithm on: 40 ms an answer.
    """
    listener, _ = listen(address)
    with listener:
        assert socket.IPPROTO_TCP == listener.proto


def test_nobody_shares_the_port(service: InProcess) -> None:
    """
    A second listener on gRPC's port is refused by the system, whatever it sets.
    """
    host, _, port = service.addresses.grpc.rpartition(":")
    with socket.socket() as second:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            second.bind((host, int(port)))


def test_message_size(service: InProcess) -> None:
    """
    A message of 1 MiB is looked at, one with a byte more is not.
    """
    most, more = (service.raw(bytes(size)) for size in (1 << 20, (1 << 20) + 1))

    assert ("INVALID_ARGUMENT", "bad-request") == (most.status, most.code)
    assert "RESOURCE_EXHAUSTED" == more.status
    assert "larger than max" in more.details


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_no_compression(service: InProcess, algorithm: grpc.Compression) -> None:
    """
    A compressed message is refused: it may be far more than it seems.
    """
    before = service.tree_size
    with (
        grpc.insecure_channel(service.addresses.grpc, compression=algorithm) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(SIGN)(GOOD, metadata=service.metadata)

    assert "UNIMPLEMENTED" == caught.value.code().name
    assert before == service.tree_size


def test_bomb_is_not_inflated(service: InProcess) -> None:
    """
    A message of 200 KB that would be 200 MB is refused for what it says it is.
    """
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert len(bomb) < 1 << 20
    with Raw(service.addresses.grpc) as raw:
        raw.settings()
        block = http2.request(SIGN, ("grpc-encoding", "gzip"))
        message = b"\1" + len(bomb).to_bytes(4, "big") + bomb
        pieces = [message[i : i + http2.LARGEST] for i in range(0, len(message), http2.LARGEST)]
        started = time.monotonic()
        raw.send(frame(HEADERS, block, http2.END_HEADERS, 1))
        raw.send(b"".join(frame(http2.DATA, piece, 0, 1) for piece in pieces))
        answer = raw.until(HEADERS)

    assert b"12" in answer.payload  # UNIMPLEMENTED
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize(
    "more",
    [
        [("x", "a" * 20_000)],
        [("x", "a" * 8_193)],
        [("x", "a" * 7_000), ("y", "b" * 2_000)],
        [(f"k{n}", "") for n in range(1_000)],
    ],
    ids=["20 KB at once", "8 KiB and a byte", "9 KB in two", "a thousand keys"],
)
def test_metadata(service: InProcess, more: list[tuple[str, str]]) -> None:
    """
    Metadata beyond 8 KiB is refused, in one value or in many.
    """
    answer = service.raw(GOOD, metadata=[*service.metadata, *more])

    assert "RESOURCE_EXHAUSTED" == answer.status
    assert "exceeds hard limit" in answer.details


def test_metadata_within_the_limit(service: InProcess) -> None:
    """
    Metadata of 7 KB is taken.
    """
    answer = service.raw(GOOD, metadata=[*service.metadata, ("x", "a" * 7_000)])

    assert "OK" == answer.status


def test_what_it_says_it_takes(service: InProcess) -> None:
    """
    Clients are told how many streams, how much metadata, and how much on a stream that nobody
    has read yet there may be.
    """
    with Raw(service.addresses.grpc) as raw:
        settings = raw.settings()

    assert 256 == settings[http2.MAX_CONCURRENT_STREAMS]
    assert 8 << 10 == settings[http2.MAX_HEADER_LIST_SIZE]
    assert 65_535 == settings[http2.INITIAL_WINDOW_SIZE]


def test_streams(service: InProcess) -> None:
    """
    Of 300 streams on one connection 256 are open, and the others are refused.
    """
    [known] = service.metadata
    block = http2.request(SIGN, known)
    with Raw(service.addresses.grpc) as raw:
        raw.settings()
        opened = [frame(HEADERS, block, http2.END_HEADERS, 2 * n + 1) for n in range(300)]
        raw.send(b"".join(opened))
        refused = Counter(http2.code(raw.until(RST_STREAM)) for _ in range(44))
        raw.send(frame(PING, b"the rest"))
        kinds = [one.kind for one, _ in zip(raw.frames(), range(1), strict=False)]

    assert {http2.REFUSED_STREAM: 44} == refused
    assert RST_STREAM not in kinds


def test_pings(service: InProcess) -> None:
    """
    A third ping on an idle connection ends it.
    """
    with Raw(service.addresses.grpc) as raw:
        raw.settings()
        raw.send(frame(PING, bytes(8)) * 6)
        gone = raw.until(GOAWAY)

    assert (http2.ENHANCE_YOUR_CALM, b"too_many_pings") == (http2.code(gone), gone.payload[8:])


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service whose patience is shorter; what it sets no limit to, it waits for as ever."""
    with pytest.MonkeyPatch.context() as patch:
        shorter = [(name, value // SHORTER.get(name, 1)) for name, value in listening.GRPC_OPTIONS]
        patch.setattr(listening, "GRPC_OPTIONS", tuple(shorter))
        with running(found_in(tmp_path_factory.mktemp("hurried") / "service")) as service:
            patch.undo()
            yield service


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_S)


def _lasts(sock: socket.socket) -> float:
    """Return for how many seconds the peer keeps a connection open."""
    started = time.monotonic()
    sock.settimeout(PATIENCE_S)
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - started


def test_handshake(hurried: InProcess) -> None:
    """
    Who connects and says nothing is left after 5 s, here a twentieth of it.
    """
    assert 5_000 == dict(listening.GRPC_OPTIONS)[HANDSHAKE]
    with _connected(hurried.addresses.grpc) as silent:
        assert _lasts(silent) < PATIENCE_S / 2


def test_idle(hurried: InProcess) -> None:
    """
    A connection without calls is ended after 300 s, here half a second.
    """
    assert 300_000 == dict(listening.GRPC_OPTIONS)[IDLE]
    with Raw(hurried.addresses.grpc) as raw:
        raw.settings()
        gone = raw.until(GOAWAY)

    assert b"idle" in gone.payload[8:]


def test_age(hurried: InProcess) -> None:
    """
    A connection takes no more calls after 300 s, even if one is under way; that one may go on
    for half an hour. Here both are shorter.
    """
    options = dict(listening.GRPC_OPTIONS)
    assert (300_000, 1_800_000) == (options[AGE], options[GRACE])
    [known] = hurried.metadata
    with Raw(hurried.addresses.grpc, polite=True) as raw:
        raw.settings()
        raw.send(frame(HEADERS, http2.request(SIGN, known), http2.END_HEADERS, 1))
        gone = raw.until(GOAWAY)
        started = time.monotonic()
        for _ in raw.frames():
            pass
        lasted = time.monotonic() - started

    assert (0, b"max_age") == (http2.code(gone), gone.payload[8:])
    assert 0.2 < lasted < PATIENCE_S / 2


def test_gone(hurried: InProcess) -> None:
    """
    Who is in a call and answers no ping for 20 s, after a minute, is left. Here both are shorter.
    """
    options = dict(listening.GRPC_OPTIONS)
    assert (60_000, 20_000) == (options[ALIVE], options[ANSWER])
    [known] = hurried.metadata
    with Raw(hurried.addresses.grpc) as raw:
        raw.settings()
        raw.send(frame(HEADERS, http2.request(SIGN, known), http2.END_HEADERS, 1))
        ping, gone = raw.until(PING), raw.until(GOAWAY)

    assert 8 == len(ping.payload)
    assert b"ping_timeout" == gone.payload[8:]


def test_nobody_is_refused_before_the_message(service: InProcess) -> None:
    """
    Whoever is nobody is told so at once, and nothing of what they go on to send is kept.
    """
    with Raw(service.addresses.grpc) as raw:
        raw.settings()
        raw.send(frame(HEADERS, http2.request(SIGN), http2.END_HEADERS, 1))
        answer = raw.until(HEADERS)

    assert b"unauthenticated" in answer.payload


def test_half_a_message(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever is somebody has 30 s for a message, here less.
    """
    assert 30 == guard._MESSAGE_S
    monkeypatch.setattr(guard, "_MESSAGE_S", 0.3)
    [known] = service.metadata
    with Raw(service.addresses.grpc, polite=True) as raw:
        raw.settings()
        raw.send(frame(HEADERS, http2.request(SIGN, known), http2.END_HEADERS, 1))
        raw.send(frame(http2.DATA, b"\0" + (1_000).to_bytes(4, "big") + bytes(900), 0, 1))
        answer = raw.until(HEADERS)

    assert b"upload" in answer.payload


def test_connections(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No more connections are taken than there may be, and when one ends there is room again.
    """
    monkeypatch.setattr(listening, "most_connections", lambda: 4)
    with running(world) as service:
        open_ = [Raw(service.addresses.grpc) for _ in range(4)]
        for raw in open_:
            assert raw.settings()
        with _connected(service.addresses.grpc) as fifth:
            fifth.settimeout(PATIENCE_S)
            assert b"" == fifth.recv(1)
        for raw in open_:
            raw.close()
        eventually(lambda: "OK" == service.raw(GOOD).status)


def test_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The process may open as many files as it needs, and as many connections as files allow.
    """
    limits = {"now": (1024, 20_000)}
    monkeypatch.setattr(listening.resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(
        listening.resource, "setrlimit", lambda _, both: limits.__setitem__("now", both)
    )

    def connections(soft: int, hard: int) -> tuple[int, int]:
        limits["now"] = (soft, hard)
        return listening.most_connections(), limits["now"][0]

    assert (6_325, 20_000) == connections(1_024, 20_000)
    assert (8_192, 65_536) == connections(1_024, 1 << 30)
    assert (2_389, 8_192) == connections(1_024, listening.resource.RLIM_INFINITY)
    assert (2_992, 10_000) == connections(10_000, 20_000)
    assert (341, 2_048) == connections(1_024, 2_048)
    assert (64, 1_024) == connections(1_024, 1_024)
