"""The warm daemon: who is answered, what, how many at once, and how it ends."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.verifier.making import IMAGE
from tests.verifier.pulling import GOOD, UNSIGNED, Host
from verifier.errors import VerificationError
from verifier.pull import gate, line
from verifier.pull.daemon import Daemon, SocketError, listen
from verifier.pull.decision import Decision, Question
from verifier.pull.errors import PullSettingsError
from verifier.pull.line import DaemonError, ask

PATIENCE_S = 20


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@contextlib.contextmanager
def running(host: Host, **options: object) -> Iterator[list[str]]:
    """Run a daemon in a thread meanwhile; give what it tells."""
    told: list[str] = []
    daemon = Daemon(str(host.settings), tell=told.append, **options)  # type: ignore[arg-type]
    stop, asked_to = socket.socketpair()
    with stop, asked_to, listen(str(host.socket)) as listener:
        serving = threading.Thread(target=daemon.serve, args=(listener, stop), daemon=True)
        serving.start()
        try:
            yield told
        finally:
            asked_to.send(b".")
            serving.join(PATIENCE_S)
            assert not serving.is_alive()
    host.socket.unlink()


@pytest.fixture
def told(host: Host) -> Iterator[list[str]]:
    with running(host) as told:
        yield told


def answered(host: Host, question: Question = GOOD) -> Decision:
    return ask(str(host.socket), host.asked(question), PATIENCE_S)


def said(host: Host, *lines: bytes) -> bytes:
    """Say this on one connection, and return all that comes back until it is closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(host.socket))
        got = b""
        with contextlib.suppress(BrokenPipeError):  # it hung up before all was said,
            for one in lines:
                connection.sendall(one)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # or before it read all
            while more := connection.recv(1 << 16):
                got += more
        return got


def test_answers(host: Host, told: list[str]) -> None:
    """
    It answers as the gate does, and tells what it refused, and that alone.
    """
    yes, no = answered(host), answered(host, UNSIGNED)

    assert (True, "") == (yes.allowed, yes.code)
    assert (False, "unsigned", ("file",)) == (no.allowed, no.code, no.sources)
    assert [no.line] == told


def test_second_time_is_remembered(host: Host, told: list[str]) -> None:
    """
    What was just answered is answered without any source being asked.
    """
    assert [("file",), ()] == [answered(host).sources, answered(host).sources]


def test_many_questions_on_one_connection(host: Host, told: list[str]) -> None:
    """
    A connection may ask one question after another.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(host.socket))
        for question in (GOOD, UNSIGNED, GOOD):
            connection.sendall(host.asked(question).line())
            decision = line.read_answer(connection.recv(line.ANSWER), question)
            assert (question == GOOD) == decision.allowed


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"what?\n", "not JSON"),
        (b"{}\n", "expected a field"),
        (b"x" * (line.QUESTION + 1), "expected a line of at most"),
        (b'{"settings":', "ends early"),
        (b"{}\n{}\n", "not JSON"),
        (b"\xff\n", "not JSON"),
    ],
)
def test_nonsense(host: Host, told: list[str], sent: bytes, why: str) -> None:
    """
    What is no question gets no answer but an error, and the next one is answered.
    """
    answer = said(host, sent)

    assert b'{"error": "malformed"' in answer
    assert why.encode() in answer
    assert answered(host).allowed


def test_other_settings(host: Host, told: list[str]) -> None:
    """
    Whoever means other settings than the daemon's is told, and not answered under these.
    """
    asked = host.asked()._replace(settings="/etc/sealbook/pull.toml")

    with pytest.raises(DaemonError, match="other-settings"):
        ask(str(host.socket), asked, PATIENCE_S)


def test_others_are_not_answered(
    host: Host, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A user who is neither root nor the daemon's own gets no answer.
    """
    monkeypatch.setattr(line, "peer_uid", lambda _: 12345)

    assert b'{"error": "not-allowed"' in said(host, host.asked().line())


@pytest.mark.parametrize("where", ["settings", "option"])
def test_named_users_are_answered(host: Host, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """
    A user who is named in the settings, or when the daemon was started, is answered.
    """
    monkeypatch.setattr(line, "peer_uid", lambda _: 12345)
    if where == "settings":
        with host.settings.open("a") as file:
            file.write("uids = [12345]\n")
    with running(host, uids=[12345] if where == "option" else []):
        assert b'{"allowed": true' in said(host, host.asked().line())


def test_idle(host: Host) -> None:
    """
    A connection that asks nothing is closed after a while.
    """
    with running(host, idle_s=0.1), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(host.socket))
        connection.sendall(b"{")

        assert b"" == connection.recv(1)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Make the gate say that it was asked, and wait until it may answer."""
    begun, free = threading.Event(), threading.Event()
    decide = gate.Gate.decide

    def wait(self: gate.Gate, question: Question, deadline_s: float | None = None) -> Decision:
        begun.set()
        assert free.wait(PATIENCE_S)
        return decide(self, question, deadline_s)

    monkeypatch.setattr(gate.Gate, "decide", wait)
    yield begun, free
    free.set()


def test_bound(host: Host, held: tuple[threading.Event, threading.Event]) -> None:
    """
    More connections than are allowed are told so at once, and those that were there are answered.
    """
    begun, free = held
    answers: list[Decision] = []
    with running(host, connections=1):
        asking = threading.Thread(target=lambda: answers.append(answered(host)), daemon=True)
        asking.start()
        assert begun.wait(PATIENCE_S)
        with pytest.raises(DaemonError, match="busy"):
            answered(host)
        free.set()
        asking.join(PATIENCE_S)

        assert answers[0].allowed


def test_many_at_once(host: Host, told: list[str]) -> None:
    """
    Fifty who ask at once are all answered, each about what it asked.
    """
    answers: list[tuple[Question, Decision]] = []

    def one(question: Question) -> None:
        answers.append((question, answered(host, question)))

    asking = [threading.Thread(target=one, args=(q,)) for q in (GOOD, UNSIGNED) * 25]
    for each in asking:
        each.start()
    for each in asking:
        each.join(PATIENCE_S)

    assert 50 == len(answers)
    assert all((question == GOOD) == decision.allowed for question, decision in answers)


def test_stops_after_what_was_begun(
    host: Host, held: tuple[threading.Event, threading.Event]
) -> None:
    """
    Told to stop, it still says the answer that it is working on.
    """
    begun, free = held
    answers: list[Decision] = []
    asking = threading.Thread(target=lambda: answers.append(answered(host)), daemon=True)
    with running(host):
        asking.start()
        assert begun.wait(PATIENCE_S)
        threading.Timer(0.2, free.set).start()
    asking.join(PATIENCE_S)

    assert answers[0].allowed


def test_bug(host: Host, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A bug in the gate is no answer, so that whoever asked judges by itself; the next is answered.
    """

    def fail(*_: object) -> Decision:
        raise ValueError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(gate.Gate, "decide", fail)
        with pytest.raises(DaemonError, match="internal-error"):
            answered(host)
    assert answered(host).allowed


def test_trust_is_read_again(host: Host, told: list[str]) -> None:
    """
    Once the trust file is gone or changed, what was remembered is no yes any more.
    """
    assert answered(host).allowed
    (host.directory / "trust" / "trust.json").write_bytes(b"{}")

    assert not answered(host).allowed


def test_settings_are_read_again(host: Host, told: list[str]) -> None:
    """
    Settings count as soon as they are written; while they are broken nothing is answered.
    """
    assert not answered(host, UNSIGNED).allowed
    host.configure('warn = ["*"]')
    assert answered(host, UNSIGNED).allowed
    host.configure("warn = 1")
    with pytest.raises(DaemonError, match="bad-pull-settings"):
        answered(host)
    host.settings.unlink()
    with pytest.raises(DaemonError, match="bad-pull-settings"):
        answered(host)
    host.configure()
    assert answered(host).allowed


def test_told_to_read_settings_that_are_gone(host: Host) -> None:
    """
    Told to read its settings again, and they are gone, it answers under the old ones no more.
    """
    daemon = Daemon(str(host.settings))
    host.settings.unlink()

    for _ in range(2):
        with pytest.raises(PullSettingsError):
            daemon.reload()
    assert b"bad-pull-settings" in daemon._answer(host.asked().line())


def test_mode(host: Host) -> None:
    """
    The socket is open to its owner alone, or to whom the mode says.
    """
    for mode in (0o600, 0o660):
        with listen(str(host.socket), mode):
            assert mode == stat.S_IMODE(host.socket.stat().st_mode)


def test_place_of_a_daemon_that_died(host: Host) -> None:
    """
    A socket that a daemon left behind is replaced; one at which somebody listens is not.
    """
    listen(str(host.socket)).close()

    with listen(str(host.socket)), pytest.raises(SocketError, match="another daemon"):
        listen(str(host.socket))


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("x")])
def test_something_else_in_the_place(host: Host, make: Callable[[Path], object]) -> None:
    """
    What is no socket is never taken away.
    """
    make(host.socket)

    with pytest.raises(SocketError):
        listen(str(host.socket))
    assert os.path.lexists(host.socket)


def test_question_and_answer_are_read_as_written(host: Host) -> None:
    """
    What one side writes is what the other reads.
    """
    asked = host.asked()
    said = ("a", "b", "c", ("file",))
    decision = Decision(False, IMAGE, GOOD.repository, *said, remembered=True)  # noqa: FBT003

    assert asked == line.Asked.parse(asked.line())
    assert decision == line.read_answer(line.answer_line(decision), GOOD)
    with pytest.raises(VerificationError):
        line.Asked.parse(line.answer_line(decision))
