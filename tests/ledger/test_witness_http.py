"""A witness as an ASGI application: what it reads, for how long, and what it never says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.errors import LedgerError, StorageFailedError, StorageFullError
from ledger.witness.server import Witness
from ledger.witness.state import WitnessState
from ledger.witness.wire import BODY
from tests.ledger.witnessing import Bench, origin_hash

SHOWN = f"/{origin_hash().hex()}/checkpoint"


class Got(NamedTuple):
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Front:
    """A witness, asked as a server of HTTP would ask it; `unread` counts what it left."""

    def __init__(self, bench: Bench, read_s: float = 30) -> None:
        self.bench = bench
        self.failures: list[LedgerError] = []
        self.app = Witness(bench.judge, self.failures.append, read_s=read_s)
        self.unread = 0

    def ask(
        self, method: str, path: str, *parts: bytes | None, headers: dict[str, str] | None = None
    ) -> Got:
        """Send a request whose body comes in `parts`; None means that no more comes."""
        return asyncio.run(self._ask(method, path, list(parts), headers or {}))

    async def _ask(
        self, method: str, path: str, parts: list[bytes | None], headers: dict[str, str]
    ) -> Got:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0) if parts else b""
            if part is None:
                await asyncio.Event().wait()  # whoever sends has fallen asleep
            if part == b"<gone>":
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": raw}
        await self.app(scope, receive, send)
        self.unread = len(parts)
        start, end = sent
        names = {name.decode(): value.decode() for name, value in start["headers"]}
        return Got(start["status"], names, end["body"])


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """A witness that knows one log and has cosigned nothing."""
    with Bench(tmp_path) as bench:
        yield Front(bench)


def test_checkpoint_comes_in_pieces(front: Front) -> None:
    """
    A body may arrive in pieces; what is cosigned is then shown, in plain text.
    """
    body = front.bench.body(0)

    assert 404 == front.ask("GET", SHOWN).status
    assert 200 == front.ask("POST", "/add-checkpoint", body[:50], body[50:]).status
    shown = front.ask("GET", SHOWN)

    assert front.bench.recorded.note.encode() == shown.body
    assert "text/plain; charset=utf-8" == shown.headers["content-type"]
    assert "no-store" == shown.headers["cache-control"]
    head = front.ask("HEAD", SHOWN)
    assert (200, b"", str(len(shown.body))) == (
        head.status,
        head.body,
        head.headers["content-length"],
    )


def test_conflict_has_the_media_type_of_a_size(front: Front) -> None:
    """
    A 409 names the recorded size, in the form that the specification gives it.
    """
    front.bench.submit(0)

    got = front.ask("POST", "/add-checkpoint", front.bench.body(0))

    assert (409, b"1\n", "text/x.tlog.size") == (got.status, got.body, got.headers["content-type"])


def test_health(front: Front) -> None:
    """
    Operators may ask whether the process answers.
    """
    assert (200, b"ok\n") == front.ask("GET", "/health")[::2]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/", 404),
        ("GET", "/add-checkpoint/", 404),
        ("GET", SHOWN.upper(), 404),
        ("GET", SHOWN + "/", 404),
        ("GET", SHOWN[:-1], 404),
        ("GET", f"/{'0' * 64}/checkpoint", 404),
        ("GET", f"/x{SHOWN}", 404),
        ("GET", "/add-checkpoint", 405),
        ("PUT", "/add-checkpoint", 405),
        ("G", "/health", 405),
        ("POST", SHOWN, 405),
        ("DELETE", SHOWN, 405),
    ],
)
def test_what_is_not_there(front: Front, method: str, path: str, status: int) -> None:
    """
    Another path is a 404, another method a 405 that names those that are.
    """
    got = front.ask(method, path)

    assert status == got.status
    assert (status == 405) == ("allow" in got.headers)


@pytest.mark.parametrize("told", [str(BODY + 1), "9" * 40, "-1", "x", ""])
def test_too_large_a_body_is_not_read(front: Front, told: str) -> None:
    """
    A length that is too large, or none, is refused before a byte is read.
    """
    got = front.ask("POST", "/add-checkpoint", b"x", b"y", headers={"content-length": told})

    assert (413, "close", 2) == (got.status, got.headers["connection"], front.unread)


def test_body_of_unknown_length_is_cut(front: Front) -> None:
    """
    A body that tells no length is read up to the limit, and no further.
    """
    got = front.ask("POST", "/add-checkpoint", b"x" * BODY, b"x", b"x", b"x")

    assert (413, 2) == (got.status, front.unread)


def test_slow_sender_is_left(tmp_path: Path) -> None:
    """
    A body that does not arrive is given up on, and the connection with it.
    """
    with Bench(tmp_path) as bench:
        got = Front(bench, read_s=0.01).ask("POST", "/add-checkpoint", b"old", None)

    assert (408, "close") == (got.status, got.headers["connection"])


def test_sender_who_leaves(front: Front) -> None:
    """
    Half a request is no request.
    """
    assert 400 == front.ask("POST", "/add-checkpoint", b"old 0", b"<gone>", b"").status


def test_failed_disk_ends_the_witness(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    After a failed write nothing is cosigned, and the process is told to end.
    """

    def failing(*_: object) -> None:
        raise StorageFailedError("commit: disk I/O error")

    monkeypatch.setattr(WitnessState, "advance", failing)

    got = front.ask("POST", "/add-checkpoint", front.bench.body(0))

    assert (503, b"nothing was cosigned: storage-failed\n") == (got.status, got.body)
    assert ["storage-failed"] == [e.code for e in front.failures]


def test_full_disk_ends_nothing(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A full disk refuses, and the witness goes on when there is space.
    """

    def full(*_: object) -> None:
        raise StorageFullError("commit: no space")

    with monkeypatch.context() as patched:
        patched.setattr(WitnessState, "advance", full)
        assert 503 == front.ask("POST", "/add-checkpoint", front.bench.body(0)).status

    assert [] == front.failures
    assert 200 == front.ask("POST", "/add-checkpoint", front.bench.body(0)).status


def test_subtrees_have_a_path(front: Front) -> None:
    """
    `sign-subtree` is there, and refuses what it cannot read.
    """
    assert 400 == front.ask("POST", "/sign-subtree", b"subtree").status
