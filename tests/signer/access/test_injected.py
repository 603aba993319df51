"""L1: whatever a caller writes somewhere, a log line is one line of JSON, and short."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.signer.access.known import bearer
from tests.signer.asking import PATIENCE_S, SIGN, eventually, order
from tests.signer.running import Process, serving
from tests.signer.world import World, found_in

LONG = "x" * 100_000
ODD = {
    "newline": '\n{"event": "forged"}\n',
    "carriage return": "\r\nforged",
    "ANSI": "\x1b[2J\x1b[31mforged",
    "line separator": "\u2028forged",
    "paragraph separator": "\u2029forged",
    "right to left": "\u202eforged\u2066",
    "NUL": "\0forged",
    "quote": '","event":"forged',
    "long": LONG,
}
_MOST_LINE = 16 << 10  # bytes


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service in a process of its own, whose log and trail are files."""
    with serving(found_in(tmp_path_factory.mktemp("injected") / "service")) as one:
        yield one


def lines(path: Path) -> list[str]:
    """Return the lines of a file, by line feed alone."""
    return path.read_bytes().decode().split("\n")[:-1]


def said(world: World) -> list[str]:
    """Return all lines of log and trail."""
    trail = [line for file in sorted((world.directory / "trail").glob("*")) for line in lines(file)]
    return [*lines(world.directory / "log"), *trail]


@pytest.mark.parametrize("name", ODD)
def test_injection(service: Process, name: str) -> None:
    """
    A name with odd characters in a method, path, header, repository, key or token makes no line
    of its own, nothing that a terminal obeys, and nothing that is long.
    """
    odd, before = ODD[name], len(said(service))
    short, url = odd[:60], f"http://{service.addresses.http}"
    ascii_ = short.encode("ascii", "replace").decode().translate({0: "?", 10: "?", 13: "?"})
    raw = short.encode()
    for text in (short, odd):
        service.raw(order(1, repository=text, key=text, reason=text, tag=text).SerializeToString())
    service.raw(b"", f"/sealbook.v1.Signer/{ascii_}")
    service.raw(b"", SIGN, [("authorization", f"Bearer {ascii_}"), ("user-agent", ascii_)])
    service.raw(b"", SIGN, bearer("developer", ascii_))
    service.raw(b"", SIGN, [("x-forwarded-for", ascii_)])
    service.raw(b"", SIGN, [])  # of which the trail tells in any case
    with httpx.Client(timeout=PATIENCE_S) as http:
        for path in (f"/v1/bundles/{odd[:2000]}", f"/t/{short}/api/v2/log/entries", f"/{short}"):
            http.get(httpx.URL(url).copy_with(raw_path=quote(path).encode()))
        for header in ("user-agent", "authorization", "x-forwarded-for"):
            http.request("POST", url + "/v1/sign", headers={header: ascii_.strip() or "x"})
        http.post(
            url + "/v1/sign",
            json={"repository": odd, "digest": odd},
            headers=dict(service.metadata),
        )
        http.post(url + "/v1/sign", content=raw, headers=dict(service.metadata))

    eventually(lambda: len(said(service)) > before)
    for line in said(service)[before:]:
        value = json.loads(line)
        assert value.get("event") != "forged"
        assert len(line) < _MOST_LINE
        assert not [c for c in line if c < " " or c in "\x7f\u2028\u2029\u202e\u2066"]
