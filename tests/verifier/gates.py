"""A host whose images are judged: a ledger, its trust directory, and shelves with bundles.

host = Host(tmp_path)
host.gate(Shelf("file", host.book.bundle(0))).decide(host.question)
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.verifier.books import HEADER, Book
from tests.verifier.making import IMAGE, REPOSITORY
from tests.verifier.statuses import STATUS_KEY
from verifier.pull.decision import Decision, Question, Source
from verifier.pull.errors import ServiceUnreachableError
from verifier.pull.gate import Gate
from verifier.pull.settings import PullSettings

DOWN = ServiceUnreachableError("nobody answers")


class Shelf:
    """A double of a source: yields what lies on it, and then perhaps raises. Counts who asks."""

    def __init__(self, name: str, *bundles: bytes, then: BaseException | None = None) -> None:
        self.name = name
        self.found = list(bundles)
        self.then = then
        self.asked: list[float] = []
        self.before: Callable[[], object] = lambda: None

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:  # noqa: ARG002
        self.asked.append(left_s)
        self.before()
        yield from self.found
        if self.then is not None:
            raise self.then


class Stuck(Shelf):
    """A double of a source that hangs until the test is over, as a dead disk does."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.over = threading.Event()
        self.before = self.over.wait


class Host:
    """A directory with pull.toml and the trust files of a book in which nothing is approved yet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.book = Book()
        self.question = Question(IMAGE, REPOSITORY)
        self.policy = ""
        (directory / "trust").mkdir(parents=True)

    def believe(self, version: int = 1) -> None:
        """Write the trust directory anew, with whatever the book says now."""
        trust, status = self.book.trust, self.book.status
        payload = status.payload._replace(version=version)
        files = {"trust.json": trust.json(), "status.json": payload.sealed(STATUS_KEY)}
        if self.policy:
            files["policy.toml"] = (HEADER + self.policy).encode()
        for name, content in files.items():
            (self.directory / "trust" / name).write_bytes(content)
        (self.directory / "trust" / "seen.json").unlink(missing_ok=True)

    def settings(self, text: str = "", sources: str = '["file"]') -> PullSettings:
        """Return the settings, with `text` beside what must be there."""
        (self.directory / "pull.toml").write_text(
            f'trust = "trust"\nsources = {sources}\n{text}\n'
            + ('[file]\ndirectory = "bundles"\n' if "file" in sources else "")
        )
        return PullSettings.load(str(self.directory / "pull.toml"))

    def gate(self, *sources: Source, text: str = "") -> Gate:
        """Return a new gate, which remembers nothing of a process before."""
        return Gate(self.settings(text), sources or None, clock=lambda: self.book.now)

    def decide(self, *sources: Source, text: str = "", **asked: Any) -> Decision:
        """Ask a new gate."""
        return self.gate(*sources, text=text).decide(self.question._replace(**asked))

    def place(self, *bundles: bytes) -> None:
        """Put bundles where the file source looks."""
        directory = self.directory / "bundles" / IMAGE.replace(":", "-")
        directory.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(bundles):
            (directory / f"{number}.json").write_bytes(one)


def said(decision: Decision) -> tuple[bool, str]:
    """Return yes or no, and the code."""
    return decision.allowed, decision.code


def junk(bundle: bytes, count: int) -> list[bytes]:
    """Return copies of a bundle that are all different, and of which no signature is good."""
    found = []
    for number in range(count):
        value = json.loads(bundle)
        signature = value["dsseEnvelope"]["signatures"][0]
        signature["sig"] = f"{number:04d}" + signature["sig"][4:]
        found.append(json.dumps(value).encode())
    return found
