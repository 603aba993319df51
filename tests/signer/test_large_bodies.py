"""Large bodies over the wire: whole or not at all, and never in memory at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from ledger.resources import body_path
from ledger.spooling import PIECE
from signer.access import Caller
from signer.http import tiles as tiles_http
from signer.rekor.messages import PRINCIPAL
from signer.service.ledger import LedgerService
from signer.v1 import ledger_pb2
from tests.audit.test_forms import attest, sbom
from tests.signer.asking import PATIENCE_S
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier import dsse

GET_BODY = "/sealbook.v1.Ledger/GetBody"
LARGE = 12 << 20  # bytes


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with one attestation of 1 MiB."""
    with running(found_in(tmp_path_factory.mktemp("large") / "service")) as service:
        attest(service, sbom(25_000))
        yield service


def file_of(service: InProcess) -> Path:
    [path] = (service.directory / "ledger" / "bodies" / "sha256").iterdir()
    return path


def get(service: InProcess, method: str = "GET", **headers: str) -> httpx.Response:
    """Ask for the large body over HTTP, with the token."""
    url = f"http://{service.addresses.http}/bodies/sha256/{file_of(service).name}"
    bearer = {"authorization": f"Bearer {service.token}"}
    return httpx.request(method, url, headers={**bearer, **headers}, timeout=PATIENCE_S)


def stream(service: InProcess) -> list[bytes]:
    """Ask for the large body over gRPC, and return its pieces."""
    request = ledger_pb2.GetBodyRequest(name=f"sha256:{file_of(service).name}")
    answer = service.raw(request.SerializeToString(), GET_BODY)
    assert "OK" == answer.status, answer
    return [ledger_pb2.GetBodyResponse.FromString(m).data for m in answer.messages]


def test_over_http(service: InProcess) -> None:
    """
    A large body comes whole, with its length and the tag of its hash; HEAD says the same, and who
    has it already gets nothing.
    """
    body = file_of(service).read_bytes()
    answer, head = get(service), get(service, "HEAD")
    again = get(service, **{"if-none-match": answer.headers["etag"]})

    assert (200, body, str(len(body))) == (
        answer.status_code,
        answer.content,
        answer.headers["content-length"],
    )
    assert "1.5" in json.loads(dsse.parse_pae(body)[1])["predicate"]["specVersion"]
    assert "private, no-store" == answer.headers["cache-control"]
    assert f'"{hashlib.sha256(body).hexdigest()[:32]}"' == answer.headers["etag"]
    varying = {"date"}
    assert {k: v for k, v in answer.headers.items() if k not in varying} == {
        k: v for k, v in head.headers.items() if k not in varying
    }
    assert (200, b"", 304, b"") == (
        head.status_code,
        head.content,
        again.status_code,
        again.content,
    )


def test_for_readers_alone(service: InProcess) -> None:
    """
    Without a token nobody gets a body, however large.
    """
    assert 401 == get(service, authorization="Bearer wrong").status_code


def test_over_grpc(service: InProcess) -> None:
    """
    A large body comes in pieces that fit a message of the usual size.
    """
    pieces = stream(service)

    assert file_of(service).read_bytes() == b"".join(pieces)
    assert len(pieces) > 3
    assert max(map(len, pieces)) <= PIECE


@contextmanager
def without(service: InProcess) -> Iterator[Path]:
    """Take the file of the large body away; what is put in its place is taken away afterwards."""
    path = file_of(service)
    kept = path.read_bytes()
    path.write_bytes(b"")
    try:
        yield path
    finally:
        path.write_bytes(kept)


def refused_over_grpc(service: InProcess, path: Path) -> None:
    request = ledger_pb2.GetBodyRequest(name=f"sha256:{path.name}").SerializeToString()
    assert "internal-error" == service.raw(request, GET_BODY).code


def test_altered(service: InProcess) -> None:
    """
    A body that was altered breaks off before its end, so that nobody takes it for whole.
    """
    kept = file_of(service).read_bytes()
    with without(service) as path:
        path.write_bytes(b"?" + kept[1:])
        with pytest.raises(httpx.RemoteProtocolError):
            get(service)
        refused_over_grpc(service, path)
    assert 200 == get(service).status_code


def test_cut(service: InProcess) -> None:
    """
    A body that is shorter than its row says is refused before anything of it is sent.
    """
    with without(service) as path:
        answer = get(service)
        refused_over_grpc(service, path)

    assert 500 <= answer.status_code
    assert ("internal-error", "no-store") == (
        answer.json()["code"],
        answer.headers["cache-control"],
    )


def peak(work: Callable[[], int]) -> int:
    """Return how many bytes of Python's `work` held at once; it must have got a large body."""
    tracemalloc.start()
    try:
        assert LARGE <= work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory(tmp_path: Path) -> None:
    """
    Whoever serves a body of many MiB, over either protocol, holds a few pieces of it.
    """
    with running(found_in(tmp_path / "service")) as service:
        attest(service, b'{"bomFormat":"CycloneDX","specVersion":"1.5","x":"%b"}' % (b"y" * LARGE))
        name = f"sha256:{file_of(service).name}"
        ledger = service.ledger
        holder = service.server._tokens.holder(service.token, Caller())
        assert holder is not None

        async def over_http() -> int:
            handler = tiles_http.routes(ledger)["/bodies/{path:path}"]
            path = f"/{body_path(name)}"
            scope = {
                "type": "http",
                "method": "GET",
                "path": path,
                "raw_path": path.encode(),
                "headers": [],
                PRINCIPAL: holder,
            }
            answer: Any = await handler(Request(scope))
            return sum([len(piece) async for piece in answer.body_iterator])

        async def over_grpc() -> int:
            request = ledger_pb2.GetBodyRequest(name=name)
            pieces = LedgerService(ledger).body(holder, request)
            return sum([len(piece.data) async for piece in pieces])

        held = [peak(lambda work=work: asyncio.run(work())) for work in (over_http, over_grpc)]  # type: ignore[misc]

    assert max(held) < 6 * PIECE


def test_swept_at_the_start(tmp_path: Path) -> None:
    """
    A service that starts removes what a crash left over of bodies, and nothing that an entry names.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        attest(service, sbom(3_000))
        named = file_of(service)
    orphan = named.with_name(hashlib.sha256(b"orphan").hexdigest())
    orphan.write_bytes(b"orphan")
    half = named.parent.parent / "half.new"
    half.write_bytes(b"half")
    with running(world) as service:
        attest(service, sbom(4_000))

    left = [path for path in named.parent.parent.rglob("*") if path.is_file()]
    assert (2, False, False) == (len(left), orphan.exists(), half.exists())
    assert named in left


def test_unknown(service: InProcess) -> None:
    """
    A body that no published entry names is unknown; a name that is none is refused as such.
    """
    codes = [
        service.raw(ledger_pb2.GetBodyRequest(name=name).SerializeToString(), GET_BODY).code
        for name in ("sha256:" + "0" * 64, "sha256:short", "", "sha256/" + "0" * 64)
    ]

    assert ["unknown-entry", "malformed", "malformed", "malformed"] == codes
