"""The gate in time: an answer by the deadline, whatever hangs, and one search for many askers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.verifier.gates import Host, Shelf, Stuck, said
from verifier.pull import gate as gates
from verifier.pull.decision import Question
from verifier.pull.errors import PullTimeoutError

SLACK = 10  # on a machine that is busy, nothing is timed closer than this


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that believes a ledger with one approval."""
    host = Host(tmp_path)
    host.book.approve()
    host.believe()
    return host


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """A source that hangs."""
    stuck = Stuck("layout")
    yield stuck
    stuck.over.set()


def test_a_source_that_hangs(host: Host, stuck: Stuck) -> None:
    """
    A source that never comes back is a no, in time, which says what was waited for.
    """
    began = time.monotonic()
    found = host.gate(stuck).decide(host.question, 0.5)

    assert (False, "pull-timeout") == said(found)
    assert "layout" in found.message
    assert 0.4 < time.monotonic() - began < 0.5 * SLACK


def test_a_trust_directory_that_hangs(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A disk that does not answer is a no, in time.
    """
    over = threading.Event()
    gate = host.gate(Shelf("file"))
    monkeypatch.setattr(gate._beliefs, "_stamp", over.wait)
    found = gate.decide(host.question, 0.2)
    over.set()

    assert (False, "pull-timeout") == said(found)
    assert "believed" in found.message


def test_a_slow_source_leaves_time_for_the_next(host: Host) -> None:
    """
    Each source has its share of what is left, so that one that drips does not starve another.
    """
    drips, good = Shelf("registry"), Shelf("file", host.book.bundle(0))

    class Drips(Shelf):
        def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
            del question
            until = time.monotonic() + left_s
            while time.monotonic() < until:
                yield b"{}"
                time.sleep(0.02)
            raise PullTimeoutError("it drips")

    drips = Drips("registry")
    gate = host.gate(drips, good)

    assert (True, "") == said(gate.decide(host.question, 3.0))


def test_a_source_that_does_not_look_at_the_time(host: Host) -> None:
    """
    A source that yields on after its time is let go.
    """
    began = time.monotonic()

    class Slow(Shelf):
        def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
            del question, left_s
            for number in range(40):
                time.sleep(0.1)
                yield b"%d" % number

    found = host.gate(Slow("registry"), Shelf("file")).decide(host.question, 1.0)

    assert (False, "pull-timeout") == said(found)
    assert "registry" in found.message
    assert ("registry", "file") == found.sources
    assert time.monotonic() - began < 4


def test_the_settings_bound_the_deadline(host: Host) -> None:
    """
    Whoever asks may give less time than the settings, and never more.
    """
    shelf = Shelf("file")
    gate = host.gate(shelf, text="deadline_s = 2\n[cache]\nrefused_s = 0\n")
    gate.decide(host.question)
    gate.decide(host.question, 0.5)
    gate.decide(host.question, 1000.0)

    assert 1 < shelf.asked[0] <= 2
    assert shelf.asked[1] <= 0.5
    assert 1 < shelf.asked[2] <= 2


def test_many_ask_the_same_at_once(host: Host) -> None:
    """
    While something is being asked, whoever asks the same waits for that answer: one search.
    """
    go = threading.Event()
    shelf = Shelf("service", host.book.bundle(0))
    shelf.before = go.wait
    gate = host.gate(shelf)
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(gate.decide, host.question) for _ in range(20)]
        while not shelf.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        go.set()
        found = [one.result() for one in asked]

    assert {(True, "")} == {said(one) for one in found}
    assert 1 == len(shelf.asked)


def test_who_has_more_time_waits_on(host: Host) -> None:
    """
    Whoever joined somebody with less time than they have is not refused for the other's haste.
    """
    shelf = Shelf("service", host.book.bundle(0))
    first = threading.Event()
    shelf.before = lambda: None if len(shelf.asked) > 1 else first.wait(0.5)
    shelf.then = None
    gate = host.gate(shelf, text="[cache]\nrefused_s = 0\n")
    with ThreadPoolExecutor(2) as pool:
        hasty = pool.submit(gate.decide, host.question, 0.2)
        while not shelf.asked:
            time.sleep(0.01)
        patient = pool.submit(gate.decide, host.question, 20.0)

        assert (False, "pull-timeout") == said(hasty.result())
        assert (True, "") == said(patient.result())


def test_no_more_threads_than_are_bounded(
    host: Host, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Questions that hang do not pile up: beyond a bound the answer is no, at once.
    """
    monkeypatch.setattr(gates, "_AT_ONCE", 3)
    gate = host.gate(stuck)
    names = [f"registry.example/team/app{n}" for n in range(4)]
    asked = [Question(host.question.digest, type(host.question.repository)(n)) for n in names]

    with ThreadPoolExecutor(3) as pool:
        hanging = pool.map(lambda one: gate.decide(one, 2.0).code, asked[:3])
    assert ["pull-timeout"] * 3 == list(hanging)
    assert "pull-busy" == gate.decide(asked[3], 5.0).code
    stuck.over.set()
    while gate._flying:
        time.sleep(0.01)
    assert "unsigned" == gate.decide(asked[3], 20.0).code


def test_no_thread_is_to_be_had(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When the system gives no thread, the answer is no, and the next question is asked again.
    """
    gate = host.gate(Shelf("file", host.book.bundle(0)))
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError()))
        assert (False, "internal-error") == said(gate.decide(host.question))

    assert (True, "") == said(gate.decide(host.question))


def test_a_source_instead(host: Host) -> None:
    """
    A source of one's own is asked in place of the one of its name, and others are as they were.
    """
    ours, theirs, other = Shelf("registry"), Shelf("registry", host.book.bundle(0)), Shelf("x")
    gate = host.gate(Shelf("file"), ours)

    assert (False, "unsigned") == said(gate.decide(host.question))
    found = gate.decide(host.question, instead=[theirs, other])
    assert ((True, ""), ("file", "registry")) == (said(found), found.sources)
    assert [1, 0] == [len(ours.asked), len(other.asked)]
    assert ("file", "registry") == gate.sources


def test_a_no_of_somebodys_own_source(host: Host) -> None:
    """
    A no of a source of one's own is remembered for nobody else; a yes is one for all.
    """
    ours, theirs = Shelf("registry", host.book.bundle(0)), Shelf("registry")
    gate = host.gate(ours)

    assert (False, "unsigned") == said(gate.decide(host.question, instead=[theirs]))
    assert gate.decide(host.question, instead=[theirs]).remembered
    assert (True, "") == said(gate.decide(host.question))
    assert (True, "") == said(gate.decide(host.question, instead=[theirs]))
    assert 1 == len(theirs.asked)
