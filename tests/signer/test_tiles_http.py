"""The C2SP side of HTTP: what is served to whom, how it is described, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from signer.access import Principal
from signer.access.tokens import Tokens
from tests.ledger.making import edit
from tests.signer.asking import REPOSITORY, item
from tests.signer.running import InProcess, running
from tests.signer.world import World

PREFIXES = ["", "/api/v2"]
IMMUTABLE = "public, max-age=31536000, immutable"
SIZE = 258  # entries: one full tile and two more


@pytest.fixture(scope="module")
def filled(service: InProcess) -> InProcess:
    """The shared service with its genesis entry and 257 approvals."""
    for some in (range(200), range(200, SIZE - 1)):
        items = [item(n) for n in some]
        service.asking(lambda client, items=items: client.sign_batch(REPOSITORY, items))
    assert SIZE == service.tree_size
    return service


@pytest.fixture
def http(filled: InProcess) -> Iterator[httpx.Client]:
    """A client of the filled service's HTTP side."""
    with httpx.Client(base_url=f"http://{filled.addresses.http}") as client:
        yield client


def body_path(service: InProcess, index: int) -> str:
    """The path of the body of an entry."""
    body = service.ledger.row(index).body
    assert body is not None
    return f"/bodies/sha256/{hashlib.sha256(body).hexdigest()}"


def token(service: InProcess) -> dict[str, str]:
    """The header of a caller who has the token."""
    return {"authorization": f"Bearer {service.token}"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_checkpoint(filled: InProcess, http: httpx.Client, prefix: str) -> None:
    """
    The checkpoint is what the ledger shows the public, as text that caches keep for a second.
    """
    answer = http.get(f"{prefix}/checkpoint")

    assert (200, filled.ledger.public_note()) == (answer.status_code, answer.text)
    assert "text/plain; charset=utf-8" == answer.headers["content-type"]
    assert "public, max-age=1" == answer.headers["cache-control"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/tile/0/000", 8192),
        ("/tile/0/000.p/17", 17 * 32),
        ("/tile/0/001.p/1", 32),
        ("/tile/0/001.p/2", 2 * 32),
        ("/tile/1/000.p/1", 32),
        ("/tile/entries/000", None),
        ("/tile/entries/000.p/255", None),
        ("/tile/entries/001.p/2", None),
    ],
)
def test_tiles(http: httpx.Client, prefix: str, path: str, size: int | None) -> None:
    """
    Tiles and bundles are bytes that never change, and every cache may know it.
    """
    answer = http.get(prefix + path)
    headers = answer.headers

    assert 200 == answer.status_code
    assert len(answer.content) == size or size is None
    assert "application/octet-stream" == headers["content-type"]
    assert IMMUTABLE == headers["cache-control"]
    assert str(len(answer.content)) == headers["content-length"]
    assert "content-encoding" not in headers


@pytest.mark.parametrize("path", ["/checkpoint", "/tile/0/000", "/tile/entries/001.p/2"])
def test_head(http: httpx.Client, path: str) -> None:
    """
    HEAD says what GET would.
    """
    got, headed = http.get(path), http.head(path)
    told = ["content-type", "content-length", "cache-control", "etag"]

    assert (200, b"") == (headed.status_code, headed.content)
    assert [got.headers[h] for h in told] == [headed.headers[h] for h in told]


def test_not_modified(http: httpx.Client) -> None:
    """
    Who has a tile already is told so, and is not sent it again.
    """
    tag = http.get("/tile/0/000").headers["etag"]
    other = http.get("/tile/0/001.p/2").headers["etag"]

    for known in (tag, f"W/{tag}", f'"x", {tag}'):
        answer = http.get("/tile/0/000", headers={"if-none-match": known})
        assert (304, b"", tag) == (answer.status_code, answer.content, answer.headers["etag"])
    for unknown in (other, tag.strip('"'), '"x"', ""):
        assert 200 == http.get("/tile/0/000", headers={"if-none-match": unknown}).status_code


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        # What a tree may have, and this one does not.
        ("/tile/0/001", 404, "not-found"),
        ("/tile/0/001.p/3", 404, "not-found"),
        ("/tile/0/002.p/1", 404, "not-found"),
        ("/tile/1/000", 404, "not-found"),
        ("/tile/1/000.p/2", 404, "not-found"),
        ("/tile/2/000.p/1", 404, "not-found"),
        ("/tile/63/000", 404, "not-found"),
        ("/tile/entries/001", 404, "not-found"),
        ("/tile/entries/001.p/3", 404, "not-found"),
        # What no tree has.
        ("/tile/", 400, "malformed"),
        ("/tile/0/", 400, "malformed"),
        ("/tile/0/0", 400, "malformed"),
        ("/tile/0/000/", 400, "malformed"),
        ("/tile/0/000.p/0", 400, "malformed"),
        ("/tile/0/000.p/256", 400, "malformed"),
        ("/tile/64/000", 400, "malformed"),
        ("/tile/0/x000/000", 400, "malformed"),
        ("/tile/0/%2e%2e/0/000", 400, "malformed"),
        ("/tile//0/000", 400, "malformed"),
        ("/tile/0/00%30", 400, "malformed"),
        ("/tile/0%2f000", 400, "malformed"),
        ("/tile/0/000%00", 400, "malformed"),
        ("/tile/0/000%0a", 400, "malformed"),
        ("/tile/%ff", 400, "malformed"),
        ("/tile/0/" + "x001/" * 3_000 + "000", 400, "malformed"),
    ],
)
def test_refused(http: httpx.Client, prefix: str, path: str, status: int, code: str) -> None:
    """
    A path that no tree has is malformed, one that this tree lacks is not found, and neither
    answer is kept by a cache.
    """
    answer = http.get(http.base_url.copy_with(raw_path=(prefix + path).encode()))

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "no-store" == answer.headers["cache-control"]
    assert len(answer.text) < 500


def test_dots(filled: InProcess) -> None:
    """
    Dots lead nowhere when a client sends them as they are.
    """
    for path in ("/tile/0/../0/000", "/tile/../token", "/bodies/../token", "/api/v2/../v2/tile/0"):
        connection = HTTPConnection(filled.addresses.http)
        try:
            connection.request("GET", path, headers=token(filled))
            assert connection.getresponse().status in (400, 404)
        finally:
            connection.close()


@pytest.mark.parametrize(
    "path", ["/api/v2", "/api/v2/", "/tile", "/checkpoint/", "/api/checkpoint"]
)
def test_unknown(http: httpx.Client, path: str) -> None:
    """
    Nothing else is served beside them.
    """
    assert 404 == http.get(path).status_code


def test_nothing_beyond_what_is_published(world: World) -> None:
    """
    What is durable, but not published, is not served.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        before = service.ledger.published
        service.asking(lambda client: client.sign(item(1).digest, REPOSITORY))
        hidden = body_path(service, 1)
        assert 200 == h.get("/tile/0/000.p/2").status_code
        assert 200 == h.get(hidden, headers=token(service)).status_code
        service.ledger._published = before

        assert 404 == h.get("/tile/0/000.p/2").status_code
        assert 404 == h.get("/tile/entries/000.p/2").status_code
        assert 404 == h.get(hidden, headers=token(service)).status_code
        assert 200 == h.get("/tile/0/000.p/1").status_code


@pytest.mark.parametrize("prefix", PREFIXES)
def test_body(filled: InProcess, http: httpx.Client, prefix: str) -> None:
    """
    Who has the token gets a body by its hash, which no cache may keep.
    """
    path = body_path(filled, 7)
    answer = http.get(prefix + path, headers=token(filled))

    assert (200, filled.ledger.row(7).body) == (answer.status_code, answer.content)
    assert "application/octet-stream" == answer.headers["content-type"]
    assert "private, no-store" == answer.headers["cache-control"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer " + "a" * 43)],
        [("authorization", "bearer TOKEN")],
        [("authorization", "TOKEN")],
        [("authorization", "Basic TOKEN")],
        [("authorization", "Bearer TOKEN ,")],
        [("authorization", "Bearer TOKEN"), ("authorization", "Bearer TOKEN")],
        [("cookie", "TOKEN"), ("x-authorization", "Bearer TOKEN")],
        [("authorization", "Bearer " + "TOKEN" * 20)],
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_body_without_token(
    filled: InProcess, http: httpx.Client, headers: list[tuple[str, str]], *, known: bool
) -> None:
    """
    Without exactly one good token nobody learns even whether a body is there.
    """
    path = body_path(filled, 7) if known else "/bodies/sha256/" + "0" * 64
    sent = [(name, value.replace("TOKEN", filled.token)) for name, value in headers]
    answer = http.get(path, headers=sent)

    assert (401, "unauthenticated") == (answer.status_code, answer.json()["code"])
    assert "Bearer" == answer.headers["www-authenticate"]
    assert "no-store" == answer.headers["cache-control"]
    assert filled.token not in answer.text


def test_token_in_the_url(filled: InProcess, http: httpx.Client) -> None:
    """
    A token in the URL, where every log keeps it, counts for nothing.
    """
    params = {"token": filled.token, "access_token": filled.token}

    assert 401 == http.get(body_path(filled, 7), params=params).status_code


def test_body_for_whom_may_not_read(
    filled: InProcess, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Somebody who is known, and may not read, is told so.
    """
    nobody = Principal("urn:sealbook:token", "nobody", {})
    monkeypatch.setattr(Tokens, "holder", lambda *_: nobody)
    answer = http.get(body_path(filled, 7), headers=token(filled))

    assert (403, "permission-denied") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/bodies/sha256/" + "0" * 64, 404, "not-found"),
        ("/bodies/sha512/" + "0" * 128, 404, "not-found"),
        ("/bodies/sha256/" + "0" * 63, 400, "malformed"),
        ("/bodies/sha256/" + "A" * 64, 400, "malformed"),
        ("/bodies/md5/" + "0" * 32, 400, "malformed"),
        ("/bodies/sha256/%30" + "0" * 63, 400, "malformed"),
        ("/bodies/%2e%2e/token", 400, "malformed"),
        ("/bodies/", 400, "malformed"),
    ],
)
def test_body_refused(
    filled: InProcess, http: httpx.Client, path: str, status: int, code: str
) -> None:
    """
    A hash that nothing published has is not found, and one that is none is malformed.
    """
    url = http.base_url.copy_with(raw_path=path.encode())
    answer = http.get(url, headers=token(filled))

    assert (status, code) == (answer.status_code, answer.json()["code"])


def test_body_that_was_altered(world: World) -> None:
    """
    A body that does not hash to its name is not served, and what is wrong is not told.
    """
    with running(world) as service:
        service.asking(lambda client: client.sign(item(1).digest, REPOSITORY))
        path = body_path(service, 1)
    edit(world.directory / "ledger" / "ledger.db", "UPDATE entry SET body = X'00' WHERE idx = 1")
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        answer = h.get(path, headers=token(service))

        assert (500, "internal-error") == (answer.status_code, answer.json()["code"])


def test_reads_do_not_wait_for_each_other(filled: InProcess, http: httpx.Client) -> None:
    """
    A read of the store holds up no other request.
    """
    store = filled.ledger.store
    real = store.tile
    within: list[int] = []

    def slow(tile: Any) -> bytes:
        within.append(http.get("/checkpoint").status_code)
        return real(tile)

    store.tile = slow  # type: ignore[method-assign]
    try:
        assert 200 == httpx.get(http.base_url.join("/tile/0/000")).status_code
    finally:
        del store.tile
    assert [200] == within
