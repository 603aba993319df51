"""The plugin of containerd, started as containerd starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.verifier.making import IMAGE, REPOSITORY
from tests.verifier.pulling import OTHER, ROOT, Host, call, described
from verifier.pull import containerd, gate, line
from verifier.pull.decision import Decision

LINE = 32 << 10


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def asked_here(
    host: Host, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Ask the plugin in this process; return its exit code and what it said."""
    monkeypatch.setenv("SEALBOOK_PULL", str(host.settings))

    def ask(*words: str, stdin: bytes = described(IMAGE)) -> tuple[int, str]:
        with _standard_input(stdin):
            code = containerd.main(words or call())
        told = capfd.readouterr().out
        assert told.endswith("\n")
        assert 1 == told.count("\n")
        assert len(told) < LINE
        return code, told

    return ask


@contextmanager
def _standard_input(content: bytes) -> Iterator[None]:
    reading, writing = os.pipe()
    kept = os.dup(0)
    feeding = threading.Thread(target=_feed, args=(writing, content))
    feeding.start()
    os.dup2(reading, 0)
    os.close(reading)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        feeding.join()


def _feed(writing: int, content: bytes) -> None:
    with open(writing, "wb") as file:
        try:
            file.write(content)
        except BrokenPipeError:
            return


def test_yes(host: Host) -> None:
    """
    A signed image is exit code 0 and one line, in a process of its own.
    """
    done = host.run()

    assert (0, b"") == (done.returncode, done.stderr)
    assert f"sealbook: {REPOSITORY}@{IMAGE} may run\n" == done.stdout.decode()


def test_no(host: Host) -> None:
    """
    An unsigned image is exit code 1 and one line with the reason, in a process of its own.
    """
    done = host.run(*call(digest=OTHER), stdin=described(OTHER))

    assert (1, b"") == (done.returncode, done.stderr)
    assert f"sealbook: {REPOSITORY}@{OTHER} refused: " in done.stdout.decode()
    assert "(unsigned)" in done.stdout.decode()


@pytest.mark.parametrize(
    "name", [str(REPOSITORY), f"{REPOSITORY}@{IMAGE}", f"{REPOSITORY}:1.4@{IMAGE}"]
)
def test_names(asked_here: Callable[..., tuple[int, str]], name: str) -> None:
    """
    An image may be named without a tag, by its digest, and by both.
    """
    assert 0 == asked_here(*call(name))[0]


def test_operation(asked_here: Callable[..., tuple[int, str]]) -> None:
    """
    A containerd that also verifies at the start of containers says what a pull is, and is answered.
    """
    assert 0 == asked_here(*call(), "-operation", "pull")[0]
    assert "(bad-call)" in asked_here(*call(), "-operation", "run")[1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (call(digest=OTHER), "bad-call"),  # of another image than the descriptor
        (call(name=f"{REPOSITORY}@{OTHER}"), "bad-call"),  # of another than the name
        (call(kind="application/json"), "bad-call"),
        (call(name="app"), "bad-place"),
        (call(name=f"{REPOSITORY}:"), "bad-place"),
        (call(name="\x1b[2J\n"), "bad-place"),
        (call(name=f"{REPOSITORY}@sha256:12"), "bad-digest"),
        (call()[:4], "bad-call"),
        (call()[:5], "bad-call"),
        ([*call(), *call()[:2]], "bad-call"),
        ([*call(), "-allow", "yes"], "bad-call"),
        (["--help"], "bad-call"),
        (["-name", "x" * 100_000], "bad-call"),
    ],
)
def test_calls_that_are_not_containerds(
    asked_here: Callable[..., tuple[int, str]], words: list[str], code: str
) -> None:
    """
    Arguments that disagree, are missing, are given twice or are unknown are a no that says so.
    """
    answer = asked_here(*words)

    assert 1 == answer[0]
    assert f"({code})" in answer[1]
    assert answer[1].strip().isprintable()


@pytest.mark.parametrize(
    ("stdin", "code"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"{", "malformed"),
        (b"\xff", "malformed"),
        (b"{}", "bad-call"),
        (described(None), "bad-call"),
        (described([IMAGE]), "bad-call"),
        (described(IMAGE)[:-3] + b',"digest":"' + IMAGE.encode() + b'"}', "duplicate-key"),
        (b" " * (65 << 10), "bad-call"),
        (b"[" * 60_000, "over-limit"),
    ],
)
def test_descriptors_that_are_none(
    asked_here: Callable[..., tuple[int, str]], stdin: bytes, code: str
) -> None:
    """
    Whatever is on standard input instead of the image's descriptor is a no that says so.
    """
    answer = asked_here(stdin=stdin)

    assert 1 == answer[0]
    assert f"({code})" in answer[1]


def test_endless_standard_input(host: Host) -> None:
    """
    Standard input that never ends is read as far as a descriptor can be long, and is a no.
    """
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "verifier.pull.containerd", *call()],
            cwd=ROOT,
            env=os.environ | {"SEALBOOK_PULL": str(host.settings)},
            stdin=endless,
            capture_output=True,
            check=False,
        )

    assert 1 == done.returncode
    assert b"(bad-call)" in done.stdout


@pytest.mark.parametrize("fault", [ValueError("a bug"), MemoryError(), SystemExit(0)])
def test_bug(
    asked_here: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
) -> None:
    """
    A bug of ours, even one that ends the process well, is a no without a traceback.
    """

    def fail(*_: object) -> Decision:
        raise fault

    monkeypatch.setattr(gate.Gate, "decide", fail)

    code, told = asked_here()

    assert 1 == code
    assert "(internal-error)" in told


def test_output_that_nobody_reads(host: Host) -> None:
    """
    A yes that cannot be written is none.
    """
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "verifier.pull.containerd", *call()],
            cwd=ROOT,
            env=os.environ | {"SEALBOOK_PULL": str(host.settings)},
            input=described(IMAGE),
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (1, b"") == (done.returncode, done.stderr)


def test_never_too_late(host: Host) -> None:
    """
    Whatever the process waits for, here standard input, it refuses by itself before it is killed.
    """
    program = (
        "from verifier.pull import containerd; raise SystemExit(containerd.main(patience_s=1))"
    )
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", program, *call()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.read()

    assert 1 == process.returncode
    assert b"sealbook: refused: no answer in 1 s (pull-timeout)\n" == told
    assert time.monotonic() - began < 10


@pytest.fixture
def daemon(host: Host) -> Iterator[socket.socket]:
    """A socket in the daemon's place, where nobody answers yet."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(host.socket))
        listening.listen()
        yield listening


@contextmanager
def _saying(daemon: socket.socket, answer: bytes) -> Iterator[None]:
    """Answer one question with these bytes, whatever it was, and hang up."""

    def say() -> None:
        connection, _ = daemon.accept()
        with connection, suppress(OSError):  # whoever asked may be gone
            connection.recv(line.QUESTION)
            connection.sendall(answer)

    saying = threading.Thread(target=say, daemon=True)
    saying.start()
    yield
    saying.join(10)
    assert not saying.is_alive(), "the daemon was not asked"


YES = Decision(True, OTHER, REPOSITORY)  # noqa: FBT003


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}\n",
        b"yes\n",
        b'{"allowed":true}\n',
        line.answer_line(YES)[:-1],
        line.answer_line(YES)[:-2],
        line.answer_line(YES) * 2,
        line.answer_line(YES._replace(digest=IMAGE)),
        line.answer_line(YES._replace(repository="registry.example/other")),
        line.answer_line(YES).replace(b"true", b"1"),
        line.answer_line(YES).replace(b"}", b',"also":1}'),
        line.answer_line(YES._replace(allowed=False)),
        line.error_line("busy", "too many"),
        b" " * (line.ANSWER + 1),
        b"\x00\xff\n",
    ],
)
def test_daemon_that_answers_something_else(
    host: Host,
    daemon: socket.socket,
    asked_here: Callable[..., tuple[int, str]],
    answer: bytes,
) -> None:
    """
    Where the daemon's answer is none, the plugin judges by itself: the unsigned image is refused.
    """
    with _saying(daemon, answer):
        code, told = asked_here(*call(digest=OTHER), stdin=described(OTHER))

    assert 1 == code
    assert "(unsigned)" in told


def test_daemon_is_believed(
    host: Host, daemon: socket.socket, asked_here: Callable[..., tuple[int, str]]
) -> None:
    """
    An answer of the daemon to the very question counts: nothing else is asked.
    """
    with _saying(daemon, line.answer_line(YES)):
        code, told = asked_here(*call(digest=OTHER), stdin=described(OTHER))

    assert 0 == code
    assert "may run" in told


def test_daemon_of_somebody_else(
    host: Host,
    daemon: socket.socket,
    asked_here: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Where another user listens and says yes, that counts for nothing: the plugin judges by itself.
    """
    monkeypatch.setattr(line, "peer_uid", lambda _: 12345)

    with _saying(daemon, line.answer_line(YES)):
        code, told = asked_here(*call(digest=OTHER), stdin=described(OTHER))

    assert 1 == code
    assert "(unsigned)" in told


def test_daemon_that_is_stuck(
    host: Host, daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A daemon that takes the question and says nothing leaves the plugin time to judge by itself.
    """
    monkeypatch.setenv("SEALBOOK_PULL", str(host.settings))
    with _standard_input(described(IMAGE)):
        assert 0 == containerd.main(call(), patience_s=3)
