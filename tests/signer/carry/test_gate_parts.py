"""What the gates are made of: asking the service, and telling somebody in bounded time."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from ledger.transport import Request, Response, TransportError
from signer.carry.alerting import TYPE, alert
from signer.carry.judging import fetching
from signer.errors import ServiceError
from signer.transport import HttpTransport
from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.repository import Repository

IMAGE = Digest.of(b"image")
HERE = Repository("registry.example/team/app")


class Answers:
    """Answers each request with the next of these, and keeps what was asked."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self._answers = iter(answers)
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        status, body = next(self._answers)
        return Response(status, "application/json", json.dumps(body).encode())


def fetched(*answers: tuple[int, object], token: str = "") -> tuple[list[bytes], Answers]:
    """Return what is fetched of a service that answers so."""
    service = Answers(*answers)
    return list(fetching(service, "http://service/", HERE, token)(IMAGE)), service


def test_pages() -> None:
    """
    Bundles come in pages, which are asked for by where the last one ended, as who we are.
    """
    pages = ({"bundles": [{"a": 1}, {"b": 2}], "next": 7}, {"bundles": [{"c": 3}], "next": 0})
    found, service = fetched(*((200, page) for page in pages), token="secret")

    assert [{"a": 1}, {"b": 2}, {"c": 3}] == [json.loads(one) for one in found]
    where = f"http://service/v1/bundles/{IMAGE}?repository=registry.example/team/app&start="
    assert [f"{where}0", f"{where}7"] == [one.url for one in service.asked]
    assert (("authorization", "Bearer secret"),) == service.asked[0].headers


def test_nothing_there() -> None:
    """
    A service that has no bundle has none, and is not asked for more.
    """
    found, service = fetched((404, {}))

    assert ([], 1, ()) == (found, len(service.asked), service.asked[0].headers)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, {}), ServiceError),
        ((200, {"bundles": []}), MalformedError),
        ((200, {"bundles": {}, "next": 0}), MalformedError),
        ((200, {"bundles": [{}] * 51, "next": 0}), MalformedError),
        ((200, []), MalformedError),
    ],
)
def test_bad_answers(answer: tuple[int, object], error: type[Exception]) -> None:
    """
    What is no list of bundles is no reason to let an image through, and none to refuse it.
    """
    with pytest.raises(error):
        fetched(answer)


def test_endless_pages() -> None:
    """
    A service that always has one more page is not asked for ever.
    """
    found, service = fetched(*((200, {"bundles": [{}], "next": 1}) for _ in range(1000)))

    assert len(found) == len(service.asked) == 16


def test_alert() -> None:
    """
    Whoever listens is told what was refused, in JSON, and of what kind that is.
    """
    service = Answers((204, ""))
    alert(service, "http://hook", {"digest": IMAGE})
    [request] = service.asked
    told = json.loads(request.body)

    assert ("POST", "http://hook") == request[:2]
    assert (TYPE, IMAGE) == (told["type"], told["digest"])
    assert told["at"].endswith("Z")
    assert (("content-type", "application/json"),) == request.headers


@pytest.mark.parametrize("status", [199, 300, 404, 500])
def test_alert_not_taken(status: int) -> None:
    """
    An answer that is no yes means that nobody was told.
    """
    with pytest.raises(TransportError, match=str(status)):
        alert(Answers((status, "")), "http://hook", {})


@pytest.fixture
def trickling() -> Iterator[str]:
    """Somebody who answers a byte at a time, and never ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while not stop.wait(0.05):
                    try:
                        taken.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        stop.set()
        thread.join()


def test_alert_in_bounded_time(trickling: str) -> None:
    """
    Who answers a byte at a time is not waited for longer than was said.
    """
    started = time.monotonic()
    with pytest.raises(TransportError, match="no answer"):
        alert(HttpTransport(), trickling, {}, timeout_s=0.5)

    assert time.monotonic() - started < 5
