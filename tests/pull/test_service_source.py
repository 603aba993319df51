"""Asking the service at pull time: one deadline over all of it, and nothing is taken on trust."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.pull.hostile import SLACK, Asked, HostileRegistry, answer, bounded, moved, told
from tests.pull.papers import Authority
from tests.verifier.books import Book
from tests.verifier.making import IMAGE, REPOSITORY, rows
from verifier.errors import VerificationError
from verifier.pull.decision import Question
from verifier.pull.settings import ServiceSettings
from verifier.pull.sources.service import ServiceSource
from verifier.statement import APPROVAL

QUESTION = Question(IMAGE, REPOSITORY)
PATH = f"/v1/bundles/{IMAGE}"
SCAN = "https://cosign.sigstore.dev/attestation/vuln/v1"


def settings(server: HostileRegistry, **more: str) -> ServiceSettings:
    return ServiceSettings(f"http://{server.address}", **more)


def ask(server: HostileRegistry, left_s: float = 10.0, **more: str) -> list[bytes]:
    return list(ServiceSource(settings(server, **more)).bundles(QUESTION, left_s))


def refused(server: HostileRegistry, left_s: float) -> tuple[str, list[object]]:
    """Return the code, and what was yielded before it."""
    found: list[object] = []
    try:
        for one in ServiceSource(settings(server)).bundles(QUESTION, left_s):
            found.append(json.loads(one))  # noqa: PERF401  it raises
    except VerificationError as e:
        return e.code, found
    return "", found


def page(*bundles: object, after: int = 0) -> list[bytes]:
    return told({"bundles": bundles, "next": after})


def test_pages(hostile: HostileRegistry) -> None:
    """
    All pages are asked for, by digest and repository, and their bundles come as they are.
    """

    def send(asked: Asked) -> Iterable[bytes]:
        return page({"n": 2}) if "start=7" in asked.target else page({"n": 1}, after=7)

    hostile.sends[PATH] = send

    assert [{"n": 1}, {"n": 2}] == sorted(map(json.loads, ask(hostile)), key=str)
    assert [
        f"{PATH}?repository={REPOSITORY}&start=0",
        f"{PATH}?repository={REPOSITORY}&start=7",
    ] == [one.target for one in hostile.asked]
    assert "authorization" not in hostile.asked[0].headers


def test_nothing(hostile: HostileRegistry) -> None:
    """
    Only a service that says so has nothing: another's 404 could be anybody's.
    """
    hostile.sends[PATH] = lambda _: answer(404, b'{"code":"not-found","message":"no bundle"}')
    assert [] == ask(hostile)
    for body in (b"", b"Not Found", b'{"code":"no-such-path"}', b"[]"):
        hostile.sends[PATH] = lambda _, body=body: answer(404, body)  # type: ignore[misc]
        with pytest.raises(VerificationError) as caught:
            ask(hostile)
        assert "bad-service-answer" == caught.value.code


def drip(server: HostileRegistry, pieces: Iterable[bytes]) -> Iterable[bytes]:
    return server.slowly(pieces, 0.05)


CUT = "bad-service-answer"
EMPTY = b'{"bundles":[],"next":0}'


def cut(rest: bytes) -> Iterator[bytes]:
    """Send so much, and hang up."""
    yield b"HTTP/1.1 200 X\r\n" + rest
    raise ConnectionAbortedError


@pytest.mark.parametrize(
    ("send", "code"),
    rows(
        ("denied", lambda _: answer(401), "service-denied"),
        ("forbidden", lambda _: answer(403), "service-denied"),
        ("too often", lambda _: answer(429), "service-busy"),
        ("busy", lambda _: answer(503), "service-busy"),
        ("broken", lambda _: answer(500, b"secret"), "bad-service-answer"),
        ("moved", lambda _: moved("http://127.0.0.1:1/"), "bad-service-answer"),
        ("a page of a portal", lambda _: answer(200, b"<html>"), "bad-service-answer"),
        ("another shape", lambda _: told({"bundles": {}}), "bad-service-answer"),
        ("no next", lambda _: told({"bundles": []}), "bad-service-answer"),
        ("a negative next", lambda _: page(after=-1), "bad-service-answer"),
        ("a list", lambda _: told([]), "bad-service-answer"),
        ("deep", lambda _: answer(200, b"[" * 100_000), "bad-service-answer"),
        ("a key twice", lambda _: answer(200, b'{"next":0,"next":0}'), "bad-service-answer"),
        (
            "compressed",
            lambda _: answer(200, b"x", {"Content-Encoding": "gzip"}),
            "bad-service-answer",
        ),
        ("no HTTP", lambda _: [b"SSH-2.0-x\r\n\r\n"], "bad-service-answer"),
        ("no status", lambda _: [b"HTTP/1.1 abc\r\n\r\n"], "bad-service-answer"),
        (
            "a header without end",
            lambda _: [b"HTTP/1.1 200 X\r\nA: ", b"x" * 100_000],
            "bad-service-answer",
        ),
        (
            "headers without end",
            lambda _: [b"HTTP/1.1 200 X\r\n", *[b"A: b\r\n"] * 1000],
            "bad-service-answer",
        ),
        (
            "too large, it says",
            lambda _: answer(200, b"", {"Content-Length": str(5 << 30)}),
            "bad-service-answer",
        ),
        ("shorter than it says", lambda _: cut(b"Content-Length: 99\r\n\r\n" + EMPTY), CUT),
        ("cut", lambda _: cut(b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"), CUT),
    ),
)
def test_answers_that_are_none(
    hostile: HostileRegistry, send: Callable[[Asked], Iterable[bytes]], code: str
) -> None:
    """
    Whatever else comes is said to be what it is, and never taken for "nothing is signed".
    """
    hostile.sends[PATH] = send
    with pytest.raises(VerificationError) as caught:
        ask(hostile)

    assert code == caught.value.code
    assert "secret" not in caught.value.message
    assert 1 == len(hostile.asked)


def test_an_answer_without_end(hostile: HostileRegistry) -> None:
    """
    CVE-2023-46737: an endless answer is read up to the limit, and no further.
    """
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
    hostile.sends[PATH] = lambda _: itertools.chain([head], itertools.repeat(chunk))
    with bounded(seconds=3, mebibytes=30), pytest.raises(VerificationError) as caught:
        ask(hostile, 20.0)

    assert "bad-service-answer" == caught.value.code


@pytest.mark.parametrize("where", ["silent", "status", "header", "body", "chunks"])
def test_a_byte_at_a_time(hostile: HostileRegistry, where: str) -> None:
    """
    Whatever drips, and wherever, all of the exchange is over by the deadline.
    """
    head = b"HTTP/1.1 200 X\r\n"
    sends: dict[str, Iterable[bytes]] = {
        "silent": [b"", b""] * 100,
        "status": [bytes([one]) for one in b"HTTP/1.1 200 " + b"X" * 500],
        "header": [head, *[b"A", b":", b"b"] * 500],
        "body": [head + b"Content-Length: 1000\r\n\r\n", *[b"{"] * 1000],
        "chunks": [head + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 1000],
    }
    hostile.sends[PATH] = lambda _: drip(hostile, sends[where])
    began = time.monotonic()
    with pytest.raises(VerificationError) as caught:
        ask(hostile, 0.3)

    assert "pull-timeout" == caught.value.code
    assert time.monotonic() - began < 0.3 * SLACK


def test_pages_that_drip(hostile: HostileRegistry) -> None:
    """
    The deadline is for all pages together; what had come by then counts.
    """
    number = itertools.count(1)

    def send(_: Asked) -> Iterable[bytes]:
        time.sleep(0.15)
        at = next(number)
        return page({"n": at}, after=at)

    hostile.sends[PATH] = send
    code, found = refused(hostile, 0.6)

    assert "pull-timeout" == code
    assert {"n": 1} in found


@pytest.mark.parametrize(
    ("after", "asked"),
    rows(
        ("on", lambda at: at + 1, 16),
        ("same", lambda _: 5, 2),
        ("back", lambda at: max(1, 9 - at), 2),
    ),
)
def test_pages_without_end(
    hostile: HostileRegistry, after: Callable[[int], int], asked: int
) -> None:
    """
    O1: pages that go on for ever, or in a circle, end; what was found counts.
    """
    number = itertools.count(1)
    hostile.sends[PATH] = lambda _: page({"n": 1}, after=after(next(number)))
    code, found = refused(hostile, 20.0)

    assert "bad-service-answer" == code
    assert {"n": 1} in found
    assert asked == len(hostile.asked)


def test_the_newest_of_each_kind_first(hostile: HostileRegistry) -> None:
    """
    An image that is scanned each night is judged by its newest scan, and nothing hides its
    approval.
    """
    book = Book()
    kinds = ["https://spdx.dev/Document", APPROVAL, *[SCAN] * 100]
    for number, kind in enumerate(kinds):
        if kind == APPROVAL:
            book.approve()
        else:
            book.attest("scanner", kind, {"n": number})
    bundles = [json.loads(book.bundle(index)) for index in range(len(kinds))]
    hostile.sends[PATH] = lambda _: page(*bundles)
    found = [json.loads(one) for one in ask(hostile)]

    assert [bundles[1], bundles[0], bundles[101], bundles[100]] == found[:4]
    assert len(bundles) == len(found)


def test_a_token(hostile: HostileRegistry, tmp_path: Path) -> None:
    """
    The token in the file is sent, as it is now, and a file without one is told by its name.
    """
    hostile.sends[PATH] = lambda _: page()
    source = ServiceSource(settings(hostile, token=str(tmp_path / "token")))
    for token in ("one", "two"):
        (tmp_path / "token").write_text(token + "\n")
        assert [] == list(source.bundles(QUESTION, 5.0))
    assert ["Bearer one", "Bearer two"] == [one.headers["authorization"] for one in hostile.asked]
    for content in (b"", b"a\nb", b"\xff", b"x" * (100 << 10)):
        (tmp_path / "token").write_bytes(content)
        with pytest.raises(VerificationError) as caught:
            list(source.bundles(QUESTION, 5.0))
        assert "unreadable" == caught.value.code
        assert "token" in caught.value.message
    assert 2 == len(hostile.asked)


def test_nobody_there() -> None:
    """
    A port where nobody listens, and a name that nobody has, are a service that is away.
    """
    for host in ("127.0.0.1:1", "no-such-name.invalid"):
        with pytest.raises(VerificationError) as caught:
            list(ServiceSource(ServiceSettings(f"http://{host}")).bundles(QUESTION, 5.0))
        assert caught.value.code in ("service-unreachable", "pull-timeout")
        assert host in caught.value.message


class TestTls:
    """The service under TLS."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        """An authority that we trust."""
        return Authority(tmp_path / "papers")

    @pytest.fixture
    def server(self, authority: Authority) -> Iterator[HostileRegistry]:
        """A server that wants a certificate of its clients."""
        with HostileRegistry(tls=authority.server(clients=True)) as server:
            server.sends[PATH] = lambda _: page({"n": 1})
            yield server

    @pytest.fixture
    def files(self, authority: Authority) -> dict[str, str]:
        """Our certificate, its key, and whom we trust."""
        own = authority.issue("client")
        return {
            "ca": str(authority.certificate),
            "client_certificate": str(own.certificate),
            "client_key": str(own.key),
        }

    def ask(self, server: HostileRegistry, left_s: float = 10.0, **files: str) -> list[bytes]:
        said = ServiceSettings(f"https://{server.address}", **files)
        return list(ServiceSource(said).bundles(QUESTION, left_s))

    def test_both_show_who_they_are(self, server: HostileRegistry, files: dict[str, str]) -> None:
        """
        The server's certificate is checked, and ours is shown.
        """
        assert [b'{"n":1}'] == self.ask(server, **files)

    def test_without_ours(self, server: HostileRegistry, files: dict[str, str]) -> None:
        """
        Without our certificate the server does not talk to us.
        """
        with pytest.raises(VerificationError) as caught:
            self.ask(server, ca=files["ca"])

        assert "service-unreachable" == caught.value.code

    def test_a_stranger(
        self, server: HostileRegistry, files: dict[str, str], tmp_path: Path
    ) -> None:
        """
        A server under another authority is not asked.
        """
        stranger = str(Authority(tmp_path / "stranger").certificate)
        with pytest.raises(VerificationError) as caught:
            self.ask(server, **files | {"ca": stranger})

        assert "service-unreachable" == caught.value.code
        assert "certificate" in caught.value.message
        assert [] == server.asked

    @pytest.mark.parametrize("name", ["ca", "client_certificate", "client_key"])
    @pytest.mark.parametrize("content", [None, "", "junk"])
    def test_files_that_are_none(
        self,
        server: HostileRegistry,
        files: dict[str, str],
        name: str,
        content: str | None,
    ) -> None:
        """
        A certificate or key that is missing, empty or junk is told, and nobody is asked.
        """
        path = Path(files[name])
        path.unlink()
        if content is not None:
            path.write_text(content)
        with pytest.raises(VerificationError) as caught:
            self.ask(server, **files)

        assert "unreadable" == caught.value.code
        assert [] == server.asked

    def test_a_handshake_that_hangs(self, files: dict[str, str]) -> None:
        """
        A peer that never shakes hands is over by the deadline.
        """
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            source = ServiceSource(ServiceSettings(url, ca=files["ca"]))
            began = time.monotonic()
            with pytest.raises(VerificationError) as caught:
                list(source.bundles(QUESTION, 0.3))

        assert "pull-timeout" == caught.value.code
        assert time.monotonic() - began < 0.3 * SLACK


def test_bundles_that_are_none(hostile: HostileRegistry) -> None:
    """
    Whatever stands in place of a bundle is handed on as it is, for the judge to refuse.
    """
    odd = [None, [], 7, "x", {}, {"dsseEnvelope": None}, {"dsseEnvelope": {"payload": "!"}}]
    hostile.sends[PATH] = lambda _: page(*odd)

    assert sorted(json.dumps(one) for one in odd) == sorted(
        json.dumps(json.loads(one)) for one in ask(hostile)
    )
