"""Whatever goes wrong inside the command, it is a no.

The stages are found by watching runs of the command; see `stages`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.verifier.books import HEADER, Book
from tests.verifier.dossiers import dossier
from tests.verifier.making import IMAGE, REPOSITORY, World, witnesses
from tests.verifier.making import policy as quorum
from tests.verifier.shell import ENVIRONMENT, FAR, Answer, Shell
from tests.verifier.stages import Run, failing, stages, sweeping
from tests.verifier.statuses import DAY, STATUS_KEY
from verifier import verify as flow
from verifier.digest import Digest
from verifier.publickey import Key
from verifier.trust.status import Mark

# A file that was not closed because closing it was made to fail.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    with sweeping():
        yield


class Panic(BaseException):
    """As what `cryptography` raises when its own code in Rust fails: no Exception."""


ERRORS = (RuntimeError, MemoryError, Panic)
POLICY = """
[[images]]
under = "*"
witnesses = 1

[images.approval]
signers = 2
max_age = "30 days"
"""


def _one(shell: Shell) -> list[str]:
    """One bundle."""
    return [*_asked(shell), "bundle.json"]


def _policy(shell: Shell) -> list[str]:
    """Two bundles, under a policy, with a status file."""
    book = Book()
    book.witnesses = witnesses(2)
    book.quorum = quorum(1, book.witnesses)
    book.issued = book.cosigned = int(time.time()) - 60
    book.marks = (Mark(0, book.issued - DAY),)
    entries = [book.approve("release"), book.approve("qa")]
    trust, status = book.trust._replace(expires=FAR), book.status.payload
    files = {
        "trust.json": trust.json(),
        "status.json": status.sealed(cast("Key", STATUS_KEY)),
        "policy.toml": (HEADER + POLICY).encode(),
        **{f"{entry}.json": book.bundle(entry) for entry in entries},
    }
    for name, content in files.items():
        (shell.folder / name).write_bytes(content)
    more = ("--status", "status.json", "--policy", "policy.toml")
    return [*more, *_asked(shell), *(f"{entry}.json" for entry in entries)]


def _evidence(shell: Shell) -> list[str]:
    """A dossier."""
    world = World()
    shell.write(world)
    (shell.folder / "evidence.zip").write_bytes(dossier(world))
    return ["evidence", "--trust", "trust.json", "evidence.zip"]


def _asked(shell: Shell) -> tuple[str, ...]:
    return "--trust", "trust.json", "--repository", REPOSITORY, IMAGE


QUESTIONS: dict[str, Callable[[Shell], list[str]]] = {
    "one": _one,
    "policy": _policy,
    "evidence": _evidence,
}


@pytest.fixture
def asking(
    request: pytest.FixtureRequest, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The words of a question whose answer is yes, to be asked in its folder."""
    monkeypatch.chdir(shell.folder)
    words = QUESTIONS[request.param](shell)
    assert 0 == shell.run(*words).code
    return words


def _run(shell: Shell, *words: str) -> Run:
    return Run(lambda: None, lambda _: shell.run(*words))


@pytest.mark.parametrize("asking", QUESTIONS, indirect=True)
@pytest.mark.parametrize("error", ERRORS)
def test_bugs_are_no(shell: Shell, asking: list[str], error: type[BaseException]) -> None:
    """
    An exception that nobody expected, at any stage, is a no, says so, and says nothing else.
    """
    run = _run(shell, *asking)
    wrong = {}
    for stage in _inside(run):
        answer = failing(run, stage, error("canary"))
        if answer[:2] != (1, "") or "\nno: " not in f"\n{answer.err}":
            wrong[stage.name] = answer

    assert {} == wrong


@pytest.mark.parametrize("asking", QUESTIONS, indirect=True)
def test_bugs_are_no_in_json(shell: Shell, asking: list[str]) -> None:
    """
    With --json too, and mostly it is called our mistake.
    """
    words = [*asking, "--json"]
    run = _run(shell, *words)
    codes = []
    for stage in _inside(run):
        answer = failing(run, stage, RuntimeError("canary"))
        said = json.loads(answer.out)
        assert (1, "no") == (answer.code, said["verdict"]), stage.name
        codes.append(said["code"])

    assert codes.count("internal-error") > 0.9 * len(codes)


@pytest.mark.parametrize("asking", QUESTIONS, indirect=True)
def test_bugs_while_refusing(shell: Shell, asking: list[str]) -> None:
    """
    A mistake on the way to a no, or while it is said, is never a yes.
    """
    words = [Digest.of(b"another image") if word == IMAGE else word for word in asking]
    (shell.folder / "evidence.zip").write_bytes(b"PK")
    run = _run(shell, *words)
    assert 1 == run().code
    for stage in _inside(run):
        try:
            answer: Answer = failing(run, stage, RuntimeError("canary"))
        except RuntimeError:
            shell.capsys.readouterr()
            continue  # which the interpreter ends with exit code 1
        assert answer.code != 0, stage.name
        assert "yes" not in answer.out, stage.name


def _inside(run: Run) -> list[Any]:
    """Return the stages, but for those within pytest's own standard output.

    When that cannot be flushed, what was printed may be out already; a test below is about that.
    """
    itself = ("Incremental", "CaptureIO.flush")
    found = [stage for stage in stages(run) if not any(one in stage.name for one in itself)]
    assert len(found) > 40
    return found


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_interruption(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, stop: Callable[[int], BaseException]
) -> None:
    """
    Being stopped is not caught, and prints no verdict.
    """

    def fail(*_: object) -> None:
        raise stop(1)

    monkeypatch.setattr(flow.Verifier, "verify", fail)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        shell.ask()

    assert not any(shell.capsys.readouterr())


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "JSON"])
@pytest.mark.parametrize("where", ["full", "closed", "unread"])
def test_nobody_hears_the_answer(shell: Shell, where: str, more: tuple[str, ...]) -> None:
    """
    A yes that cannot be written, because the disk is full or nobody listens, is no exit code 0.
    """
    words = ["-m", "verifier", *more, *_one(shell)]

    assert 0 == _exit_code(shell.folder, words, "read")
    assert 0 != _exit_code(shell.folder, words, where)


def _exit_code(folder: Path, words: list[str], where: str) -> int:
    """Run the program with its standard output going there, and return its exit code."""
    script = {
        "read": 'exec "$@" >/dev/null',
        "full": 'exec "$@" >/dev/full',
        "closed": 'exec "$@" >&-',
        # The other end of the pipe is gone before anything is written.
        "unread": '{ sleep 1; "$@"; echo $? >code; } | true; exit $(cat code)',
    }[where]
    command = ("sh", "-c", script, "sh", sys.executable, *words)
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode
