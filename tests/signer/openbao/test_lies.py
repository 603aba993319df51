"""A server that answers wrongly: nothing bad is released, and nothing is waited for."""

from __future__ import annotations

import base64
import itertools
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from signer.errors import KeyObjectError, KeyUnavailableError
from signer.keys import CheckedKey, create_key, open_key
from signer.keys.home import DEADLINE_S, Role
from tests.signer.asking import eventually, refused
from tests.signer.openbao.lying import Answering, Lying
from tests.signer.openbao.server import secret
from verifier.errors import SealbookError

TOKEN = "s.canary-of-the-tests"
Request = dict[str, Any]


@pytest.fixture
def lying() -> Iterator[Lying]:
    """A server that does not lie yet."""
    with Lying() as server:
        yield server


@pytest.fixture
def opened(lying: Lying, tmp_path: Path) -> Iterator[Callable[[], CheckedKey]]:
    """Open its key; it is closed in the end."""
    secret(tmp_path / "token", TOKEN)
    keys = []

    def open_() -> CheckedKey:
        query = "namespace=images/test&auth=token&token-source=file:token&tls=off"
        keys.append(open_key(f"openbao://{lying.address}/transit/keys/release?{query}", tmp_path))
        return keys[-1]

    yield open_
    for key in keys:
        key.close()


@pytest.mark.usefixtures("patient")
def test_asked(lying: Lying, opened: Callable[[], CheckedKey]) -> None:
    """
    A server is asked for one version of a key, by its namespace, and told no more than a hash.
    """
    key = opened()
    lying.asked.clear()
    key.public.verify(key.sign(b"message"), b"message")
    [(kind, headers, request)] = [asked for asked in lying.asked if asked[0] == "sign"]

    assert ("sign", 2, True) == (kind, request["key_version"], request["prehashed"])
    assert 32 == len(base64.b64decode(request["input"]))
    assert TOKEN == headers["x-vault-token"]
    assert "images/test" == headers["x-vault-namespace"]


def _signing(make: Callable[[Lying, Request], object]) -> Callable[[Lying], Any]:
    def lie(lying: Lying) -> Any:
        return lambda answer, request: answer.send(200, {"data": make(lying, request)})

    return lie


def _of_another_key(_: Lying, request: Request) -> object:
    with_another = Lying()
    with_another._server.server_close()
    return {"signature": with_another.signature(request)}


def _spelled_twice(lying: Lying, request: Request) -> object:
    """Sign, and set bits in the last character of Base64 that no decoder needs."""
    signature = "vault:v2:AAAA"
    while not signature.endswith("="):
        signature = lying.signature(request)
    whole = signature.rstrip("=")
    return {"signature": signature.replace(whole, whole[:-1] + chr(ord(whole[-1]) + 1))}


WRONG = {
    "other version": lambda lying, r: {"signature": lying.signature(r, "v1")},
    "version 02": lambda lying, r: {"signature": lying.signature(r, "v02")},
    "version of other digits": lambda lying, r: {"signature": lying.signature(r, "v٢")},
    "no version": lambda lying, r: {"signature": lying.signature(r).rpartition(":")[2]},
    "other prefix": lambda lying, r: {"signature": lying.signature(r).replace("vault", "bao")},
    "line": lambda lying, r: {"signature": lying.signature(r) + "\n"},
    "twice": lambda lying, r: {"signature": lying.signature(r) * 2},
    "empty": lambda *_: {"signature": "vault:v2:"},
    "no Base64": lambda *_: {"signature": "vault:v2:A"},
    "Base64 of other bits": lambda *_: {"signature": "vault:v2:AB=="},
    "second spelling": _spelled_twice,
    "zeros": lambda *_: {"signature": "vault:v2:" + "A" * 96},
    "number": lambda *_: {"signature": 2},
    "none": lambda *_: {},
    "list": lambda *_: [],
    "another key": _of_another_key,
    "another message": lambda lying, _: {
        "signature": lying.signature({"input": base64.b64encode(bytes(32)).decode()})
    },
}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_signature(
    lying: Lying, opened: Callable[[], CheckedKey], wrong: Callable[[Lying, Request], object]
) -> None:
    """
    A signature by another version or key, or none at all, is not released, and ends the use.
    """
    key = opened()
    lying.says["sign"] = _signing(wrong)(lying)

    refused("key-failed", lambda: key.sign(b"message"))
    del lying.says["sign"]
    assert not key.healthy
    refused("key-failed", lambda: key.sign(b"message"))


def _silent(answer: Answering, _: Request) -> None:
    time.sleep(5)
    answer.send(503)


def _dripping(answer: Answering, _: Request) -> None:
    answer.send_response(200)
    answer.send_header("content-length", "1000000")
    answer.end_headers()
    for _ in range(300):
        answer.wfile.write(b" ")
        time.sleep(0.2)


def _hang_up(answer: Answering, _: Request) -> None:
    answer.connection.shutdown(socket.SHUT_RDWR)
    answer.close_connection = True


AWAY: dict[str, Callable[[Answering, Request], object]] = {
    "sealed": lambda answer, _: answer.send(503, {"errors": ["Vault is sealed"]}),
    "busy": lambda answer, _: answer.send(429, {"errors": []}),
    "broken": lambda answer, _: answer.send(500, {"errors": ["no"]}),
    "elsewhere": lambda answer, _: answer.send(307, {}, location="http://127.0.0.1:1/v1/x"),
    "gone": lambda answer, _: answer.send(404, {"errors": []}),
    "a page": lambda answer, _: answer.send(200, b"<html>"),
    "nothing": lambda answer, _: answer.send(200, b""),
    "two fields": lambda answer, _: answer.send(200, b'{"data":{},"data":{}}'),
    "a bomb": lambda answer, _: answer.send(200, b'{"a":' + b"[" * 100_000),
    "hung up": _hang_up,
    "silent": _silent,
    "dripping": _dripping,
}


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_away(
    lying: Lying,
    opened: Callable[[], CheckedKey],
    away: Callable[[Answering, Request], object],
) -> None:
    """
    A server that is there and does not sign fails calls in time, and is used when it does again.
    """
    key = opened()
    lying.says["sign"] = away
    since = time.monotonic()
    refused("key-unavailable", lambda: key.sign(b"message"))

    assert time.monotonic() - since < 10 * DEADLINE_S
    assert key.healthy
    del lying.says["sign"]
    eventually(lambda: _signs(key))


@pytest.mark.parametrize("kind", ["lookup-self", "keys"])
@pytest.mark.parametrize(
    "away", ["sealed", "busy", "broken", "elsewhere", "a page", "hung up", "dripping"]
)
def test_away_at_opening(
    lying: Lying, opened: Callable[[], CheckedKey], kind: str, away: str
) -> None:
    """
    A server that is away is not one that refuses: what was asked then can be asked again.
    """
    lying.says[kind] = AWAY[away]
    since = time.monotonic()
    refused("key-unavailable", opened)

    assert time.monotonic() - since < 10 * DEADLINE_S
    del lying.says[kind]
    opened()


def test_endless(lying: Lying, opened: Callable[[], CheckedKey]) -> None:
    """
    An answer that does not end is not read to its end.
    """
    sent: list[int] = []
    over = threading.Event()

    def endless(answer: Answering, _: Request) -> None:
        answer.send_response(200)
        answer.end_headers()
        try:
            sent.extend(answer.wfile.write(bytes(65_536)) for _ in range(1 << 12))
        finally:
            over.set()

    key = opened()
    lying.says["sign"] = endless
    refused("key-unavailable", lambda: key.sign(b"message"))

    eventually(over.is_set)
    assert sum(sent) < 32 << 20  # some is on its way in the system's buffers


@pytest.mark.usefixtures("patient")
def test_elsewhere(lying: Lying, opened: Callable[[], CheckedKey]) -> None:
    """
    A token goes where the configuration says, and not where a server sends us.
    """
    key = opened()
    with Lying() as other:
        other.private = lying.private
        to = f"http://{other.address}/v1/transit/sign/release"
        lying.says["sign"] = lambda answer, _: answer.send(307, {}, location=to)
        refused("key-unavailable", lambda: key.sign(b"message"))

        assert [] == other.asked


@pytest.mark.usefixtures("patient")
def test_another_key(lying: Lying, opened: Callable[[], CheckedKey]) -> None:
    """
    A server that comes back with another key in the place is not asked to sign, and this is said.
    """
    key = opened()._key
    with Lying() as other:
        described = other.description()
    lying.says["keys"] = lambda answer, _: answer.send(200, {"data": described})
    lying.says["sign"] = lambda answer, _: answer.send(503)

    def says_so() -> bool:
        with pytest.raises((KeyObjectError, KeyUnavailableError)) as caught:
            key.sign(b"message")
        return "another key than it was" in caught.value.message

    eventually(says_so)
    lying.asked.clear()
    refused("key-object", lambda: key.sign(b"message"))
    assert "sign" not in [kind for kind, _, _ in lying.asked]


def _signs(key: CheckedKey) -> bool:
    try:
        key.public.verify(key.sign(b"message"), b"message")
    except KeyUnavailableError:
        return False
    return True


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "more",
    [
        {"type": "ecdsa-p384"},
        {"type": 1},
        {"exportable": True},
        {"exportable": "no"},
        {"latest_version": "2"},
        {"keys": {}},
        {"keys": {"2": {}}},
        {"keys": {"2": {"public_key": ""}}},
        {"keys": {"2": "2026-11-26"}},
        {"soft_deleted": True},
    ],
    ids=str,
)
def test_wrong_description(
    lying: Lying, opened: Callable[[], CheckedKey], more: dict[str, object]
) -> None:
    """
    A key that the server describes badly, or as one that is not guarded, is not opened.
    """
    lying.says["keys"] = lambda answer, _: answer.send(200, {"data": lying.description(**more)})

    with pytest.raises((KeyObjectError, KeyUnavailableError)):
        opened()
    assert "sign" not in [kind for kind, _, _ in lying.asked]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("algorithm", "versions", "code"),
    [
        ("ecdsa-p384", (0, 1), "key-object"),
        ("ecdsa-p256", (1, 3), "key-exists"),
        ("ecdsa-p256", (1, 1), "key-exists"),
    ],
    ids=["another algorithm", "another rotation", "nothing"],
)
def test_not_what_was_made(
    lying: Lying, tmp_path: Path, algorithm: str, versions: tuple[int, int], code: str
) -> None:
    """
    A key that is not what was to be made, since somebody else made one meanwhile, is not used.
    """
    secret(tmp_path / "token", TOKEN)
    [pem] = [version["public_key"] for version in lying.description()["keys"].values()]  # type: ignore[attr-defined]
    before, after = versions
    newest = before

    def keys(answer: Answering, request: Request) -> None:
        nonlocal newest
        if answer.command == "POST":
            newest = after
            answer.send(200, {"data": {}})
        elif newest:
            described = lying.description(
                latest_version=newest, keys={str(newest): {"public_key": pem}}
            )
            answer.send(200, {"data": described})
        else:
            answer.send(404, {"errors": []})

    lying.says["keys"] = keys
    query = f"version={before + 1}&auth=token&token-source=file:token&tls=off"
    uri = f"openbao://{lying.address}/transit/keys/release?{query}"

    refused(code, lambda: create_key(uri, tmp_path, Role("release", "approve"), algorithm))
    assert "sign" not in [kind for kind, _, _ in lying.asked]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("kind", "status"),
    [*itertools.product(["lookup-self", "keys", "sign"], [0, 200, 307, 400, 403, 404, 500])],
)
def test_token_is_not_told(
    lying: Lying,
    opened: Callable[[], CheckedKey],
    caplog: pytest.LogCaptureFixture,
    kind: str,
    status: int,
) -> None:
    """
    A token is in no error and no log, even if the server repeats it.
    """
    caplog.set_level("DEBUG")
    body = {"errors": [f"no: {TOKEN}"], "data": TOKEN}
    lying.says[kind] = _hang_up if status == 0 else lambda answer, _: answer.send(status, body)
    with pytest.raises(SealbookError) as caught:
        opened()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)

    assert TOKEN not in f"{told} {caught.value.hint} {caplog.text}"
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, httpx.HTTPError)  # which would hold the request
        error = error.__cause__ or error.__context__
