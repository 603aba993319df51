"""The library: its documented example runs, it does no I/O, and threads may share it."""

from __future__ import annotations

import inspect
import io
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import verifier
from tests.verifier.books import HEADER, Book
from tests.verifier.making import IMAGE, NOW, ORIGIN, REPOSITORY, Signer, verdict
from tests.verifier.statuses import DAY, HOUR, STATUS_KEY
from verifier.digest import Digest
from verifier.policy import Policy
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.trust.status import Mark, Status, StatusPayload
from verifier.verdict import RefusedError, Verdict
from verifier.verify import Verifier

README = Path(__file__).parents[2] / "README.md"
RULES = """[[images]]
under = "*"
[images.approval]
max_age = "90 days"
[images.vulnerabilities]
max_severity = "high"
"""


def readme() -> str:
    """Return the example that README has for people who write Python."""
    found = re.search(r"As a library\n+```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    return found[1]


def documented() -> str:
    """Return the example that the package itself has."""
    paragraphs = str(verifier.__doc__).split("\n\n")
    return dedent("\n".join(one for one in paragraphs if one.startswith("    ")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A ledger whose files lie in the current folder, signed just now."""
    now = int(time.time())
    book = Book()
    repository = re.search(r'Repository\("([^"]*)"\)', readme())
    inside = re.search(r'Repository\("([^"]*)"\)', documented())
    assert repository
    assert inside
    for i, name in enumerate({repository[1], inside[1]}):
        book.approve(repository=Repository(name), annotations={"n": str(i)})
    trust = book.trust._replace(issued=now - DAY, expires=now + DAY)
    payload = StatusPayload(ORIGIN, 1, now, now + HOUR, book.note, (Mark(0, now - DAY),), ())
    (tmp_path / "trust.json").write_bytes(trust.json())
    (tmp_path / "status.json").write_bytes(payload.sealed(STATUS_KEY))
    (tmp_path / "policy.toml").write_text(f'{HEADER}[[images]]\nunder = "*"\n[images.approval]\n')
    (tmp_path / "bundles").mkdir()
    for i in range(len(book.entries)):
        (tmp_path / "bundles" / f"{i}.json").write_bytes(book.bundle(i))
    monkeypatch.chdir(tmp_path)
    return book


@pytest.mark.parametrize("example", [readme, documented], ids=["README", "package"])
@pytest.mark.usefixtures("folder")
def test_the_example(example: Any) -> None:
    """
    The documented example runs as it stands, gives a verdict, and has ten lines.
    """
    names: dict[str, Any] = {"digest": str(IMAGE)}
    text = example()
    exec(compile(text, "example", "exec"), names)

    found = names["verdict"]
    assert isinstance(found, Verdict)
    assert found.allowed
    assert 10 >= len([line for line in text.splitlines() if line.strip()])
    assert {"verifier", "pathlib"} == set(re.findall(r"^from (\S+) import", text, re.MULTILINE))


@pytest.mark.parametrize("example", [readme, documented], ids=["README", "package"])
@pytest.mark.usefixtures("folder")
def test_the_example_refuses(example: Any) -> None:
    """
    For another image the same example raises, with a code and every rule.
    """
    names: dict[str, Any] = {"digest": str(Digest.of(b"another image"))}
    with pytest.raises(verifier.VerificationError) as caught:
        exec(compile(example(), "example", "exec"), names)

    assert isinstance(caught.value, RefusedError)
    assert caught.value.code
    assert [False, True] == [answer.met for answer in caught.value.verdict.answers]


def test_typed() -> None:
    """
    The package says that it is typed, and every public parameter and result is.
    """
    assert (Path(verifier.__file__).parent / "py.typed").is_file()
    for name in verifier.__all__:
        for method, function in inspect.getmembers(getattr(verifier, name), inspect.isfunction):
            if (method.startswith("_") and method != "__init__") or not function.__module__:
                continue
            if not function.__module__.startswith("verifier"):
                continue
            signature = inspect.signature(function)
            hints = [one.annotation for one in list(signature.parameters.values())[1:]]
            assert inspect.Signature.empty not in (*hints, signature.return_annotation), method


_TOUCHED: list[str] = []
_WATCHED: set[int] = set()
_OUTSIDE = ("open", "os.", "socket.", "subprocess.", "shutil.", "glob.", "urllib.", "tempfile.")


def _watch(event: str, _: object) -> None:
    if threading.get_ident() in _WATCHED and event.startswith(_OUTSIDE):
        _TOUCHED.append(event)


sys.addaudithook(_watch)  # stays, and is silent unless a test is watching


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give the list of what reaches out of the process; the usual ways of doing so raise."""

    def never(*_: object, **__: object) -> None:
        raise OSError("a verification reached out of the process")

    _TOUCHED.clear()
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", never)
        patch.setattr(io, "open", never)
        for name in ("open", "stat", "lstat", "listdir", "scandir", "getenv"):
            patch.setattr(os, name, never)
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, never)
        _WATCHED.add(threading.get_ident())
        try:
            yield _TOUCHED
        finally:
            _WATCHED.clear()


def test_the_watch_sees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    What reads a file is seen by this test, and stopped.
    """
    with watched(monkeypatch) as touched:
        with pytest.raises(OSError, match="reached out"):
            (tmp_path / "x").stat()
        with pytest.raises(FileNotFoundError):
            io.FileIO(str(tmp_path / "x"))
        seen = list(touched)
    assert ["open"] == seen


def test_no_io(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Reading trust, status and policy, and judging under them, open no file and no connection.
    """
    book = Book()
    good, bad = book.bundle(book.approve()), book.bundle(book.approve(digest=Digest.of(b"x")))
    trust, text = book.trust.json(), (HEADER + RULES.partition("[images.v")[0]).encode()
    payload = StatusPayload(ORIGIN, 1, NOW, NOW + HOUR, book.note, book.marks, ())
    sealed = payload.sealed(STATUS_KEY)

    def ask() -> tuple[str, str, bool]:
        root = TrustRoot.parse(trust)
        status = Status.parse(sealed, root)
        judge = Verifier(root, lambda: NOW, status=status, policy=Policy.parse(text))
        plain = Verifier(root, lambda: NOW)
        return (
            plain.verify(good, IMAGE, REPOSITORY).key,
            verdict(lambda: judge.judge([bad], IMAGE, REPOSITORY)),
            judge.judge([bad, good], IMAGE, REPOSITORY).allowed,
        )

    expected = ask()  # what is imported once is imported now
    with watched(monkeypatch) as touched:
        found = ask()
        seen = list(touched)

    assert ("release", "digest-mismatch", True) == expected == found
    assert [] == seen


def test_no_clock_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A verifier asks the clock that it was given, and no other.
    """
    book = Book()
    data = book.bundle(book.approve())
    judge = book.verifier('[[images]]\nunder = "*"\n[images.approval]\n')
    for name in ("time", "time_ns", "localtime"):
        monkeypatch.setattr(time, name, lambda *_: pytest.fail("another clock was asked"))

    assert judge.judge([data], IMAGE, REPOSITORY).allowed


def test_threads() -> None:
    """
    32 threads that share one verifier get for each question the answer that one alone gets.
    """
    book = Book()
    entries = [book.approve(annotations={"n": str(i)}) for i in range(6)]
    elsewhere = book.approve(repository=Repository("registry.example/team/other"))
    book.approve(digest=Digest.of(b"another image"))
    book._rows[entries[5]] = (Signer(), book._rows[entries[5]][1])
    bundles = [book.bundle(i) for i in range(len(book.entries))]
    judge = book.verifier('[[images]]\nunder = "*"\n[images.approval]\n')
    questions = [
        partial(judge.judge, [bundles[i]], IMAGE, REPOSITORY) for i in range(len(bundles))
    ] + [partial(judge.verify, data, IMAGE, REPOSITORY) for data in bundles]
    alone = [verdict(question) for question in questions]
    start = threading.Barrier(32)

    def ask(number: int) -> list[str]:
        start.wait(60)
        order = range(number, number + len(questions))
        found = {i % len(questions): verdict(questions[i % len(questions)]) for i in order}
        return [found[i] for i in range(len(questions))]

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))

    assert {"yes", "unknown-key", "digest-mismatch", "repository-mismatch"} == set(alone)
    assert "repository-mismatch" == alone[elsewhere]
    assert [alone] * 32 == answers


def test_values_do_not_change() -> None:
    """
    What is read is a value: nobody can change a trust root, a policy or a verdict in place.
    """
    book = Book()
    text = (HEADER + '[[images]]\nunder = "*"\n[images.approval]\n').encode()
    found = book.judge('[[images]]\nunder = "*"\n[images.approval]\n', book.approve())
    values: list[tuple[Any, str]] = [
        (book.trust, "expires"),
        (Policy.parse(text), "images"),
        (found, "mode"),
        (found.approvals[0], "key"),
        (book.status, "payload"),
    ]
    for value, field in values:
        with pytest.raises(AttributeError):
            setattr(value, field, None)
