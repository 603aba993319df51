"""Sources: files and HTTP, within limits, and nothing outside of what was named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.audit.source import DirectoryReader, HttpReader, StaticSource
from ledger.errors import SourceError
from ledger.transport import Request, Response, TransportError
from tests.audit.making import Log, Outsider


def test_a_link_below_the_directory_is_refused(tmp_path: Path) -> None:
    """
    No file or folder that is a link is followed, the directory itself may be one.
    """
    folder = Log().grow(3).write(tmp_path / "tree")
    (tmp_path / "link").symlink_to(folder)
    assert [] == Outsider(tmp_path).found(tmp_path / "link")
    for path in ("checkpoint", "tile", "tile/0"):
        (folder / path).rename(tmp_path / "moved")
        (folder / path).symlink_to(tmp_path / "moved")
        with pytest.raises(SourceError):
            Outsider(tmp_path).found(folder)
        (folder / path).unlink()
        (tmp_path / "moved").rename(folder / path)
    assert [] == Outsider(tmp_path).found(folder)


@pytest.mark.timeout(60)
def test_what_is_no_file_and_what_is_too_large(tmp_path: Path) -> None:
    """
    A pipe is not waited for, a directory is no file, and a large file is not read.
    """
    read = DirectoryReader(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "fits").write_bytes(b"1234")
    for name in ("pipe", "folder", "large"):
        with pytest.raises(SourceError):
            read(name, 4)
    with pytest.raises(SourceError):
        read("fits", 3)

    assert b"1234" == read("fits", 4)
    assert read("absent", 4) is None
    assert read("absent/too", 4) is None


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """
    An unreachable source is an error and no finding.
    """
    with pytest.raises(SourceError):
        Outsider(tmp_path).audit(tmp_path / "absent")


class Web:
    """A stand-in for a web server: remembers what was asked, and answers as told."""

    def __init__(self, folder: Path) -> None:
        self.read = DirectoryReader(folder)
        self.asked: list[Request] = []
        self.status = 0

    def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        body = self.read(request.url.removeprefix("https://ledger.example/log/"), request.limit)
        status = self.status or (404 if body is None else 200)
        return Response(status, "", body or b"")


def test_the_token_goes_to_bodies_alone(tmp_path: Path) -> None:
    """
    Whoever serves tiles need not be allowed to read what was signed.
    """
    web = Web(Log().grow(3).write(tmp_path / "tree"))
    source = StaticSource(HttpReader("https://ledger.example/log/", web, "secret"))

    assert [] == Outsider(tmp_path).found(source)
    for request in web.asked:
        expected = (("authorization", "Bearer secret"),) if "/bodies/" in request.url else ()
        assert expected == request.headers
    assert 3 == sum("/bodies/" in request.url for request in web.asked)


def test_the_token_goes_where_it_is_asked_for(tmp_path: Path) -> None:
    """
    A server that serves nothing to strangers is sent the token with everything.
    """
    web = Web(Log().grow(3).write(tmp_path / "tree"))

    def ask(request: Request) -> Response:
        return web(request) if request.headers else Response(401, "", b"")

    reader = HttpReader("https://ledger.example/log/", ask, "secret")
    assert [] == Outsider(tmp_path).found(StaticSource(reader))
    assert all((("authorization", "Bearer secret"),) == one.headers for one in web.asked)


@pytest.mark.parametrize("status", [301, 401, 403, 429, 500, 206])
def test_an_answer_that_says_nothing(tmp_path: Path, status: int) -> None:
    """
    Only 404 and 410 mean that something is not there; the rest is no answer, and no finding.
    """
    web = Web(Log().grow(3).write(tmp_path / "tree"))
    web.status = status
    with pytest.raises(SourceError) as caught:
        Outsider(tmp_path).audit(StaticSource(HttpReader("https://ledger.example/log", web)))

    assert str(status) in caught.value.message
    assert ("--token-file" in caught.value.hint) == (status in (401, 403))


def test_no_answer_at_all(tmp_path: Path) -> None:
    """
    A transport's failure comes through, and the pin is not touched.
    """

    def broken(request: Request) -> Response:
        raise TransportError(request.url)

    outsider = Outsider(tmp_path)
    with pytest.raises(TransportError):
        outsider.audit(StaticSource(HttpReader("https://ledger.example", broken)))
    assert not outsider.state.exists()
