"""What a trail takes: whole lines in order, whatever callers send and whatever the disk does."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.answer import Appended
from ledger.errors import QuorumError, StorageFailedError
from ledger.ledger import Ledger
from signer.access import Caller, Principal
from signer.audit_trail import pen
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Head, Line, print_json
from signer.audit_trail.tail import Closed
from signer.audit_trail.trail import Trail
from signer.errors import RequestError, TrailError
from tests.ledger.making import entry, ledger_over, memory_store
from tests.signer.trails import lines, told, trail_over

WHO = Principal("https://issuer.example", "repo:4711", {}, proof="session")
NASTY = "a\nb\r\x1b[31m\x00\u2028\u2029\u202e\x7f\ud800" + "x" * (1 << 20)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_795_608_000.5

    def __call__(self) -> float:
        return self.now


class Desk:
    """A trail over a ledger in memory, and what the disk answers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger: Ledger = ledger_over(memory_store())
        self.clock = Clock()
        self.trail = self.open()

    def open(self, logged: Closed | None = None) -> Trail:
        """Open the trail, as a start does."""
        folder = Folder(self.directory / "trail")
        return Trail.open(folder, self.ledger, logged, clock=self.clock, timer=self.clock)

    def append(self, *numbers: int) -> list[Any]:
        """Append entries past the trail, and return the answers."""
        return self.ledger.append([entry(n) for n in numbers])

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return what the lines of this kind say, everything written."""
        self.trail.flush()
        return told(self.directory, kind)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new trail."""
    desk = Desk(tmp_path)
    yield desk
    desk.trail.close()


def fail_with(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, times: int = 10**9
) -> list[int]:
    """Let a call of `os` fail in the trail, and return a list that grows with each time."""
    real: Callable[..., Any] = getattr(os, name)
    failed: list[int] = []

    def failing(*args: Any) -> Any:
        if len(failed) < times:
            failed.append(number)
            raise OSError(number, os.strerror(number))
        return real(*args)

    monkeypatch.setattr(pen.os, name, failing)
    return failed


def test_nasty_text(desk: Desk) -> None:
    """
    Newlines, escapes, changes of direction, half characters and a megabyte in whatever a caller
    sends are one line each, in ASCII, escaped and cut.
    """
    caller = Caller(NASTY, NASTY, NASTY)
    somebody = Principal(NASTY, NASTY, {}, claims={NASTY: NASTY}, caller=caller)
    with desk.trail.decided(somebody, NASTY, {"repository": NASTY, "digests": [NASTY]}):
        pass
    desk.trail.denied(Caller(NASTY, NASTY), NASTY, NASTY, NASTY)
    desk.trail.flush()

    raw = (desk.directory / "trail" / "1.jsonl").read_bytes()
    assert raw.isascii()
    assert not {*b"\x00\x1b\r\x7f"} & {*raw}
    written = raw.splitlines(keepends=True)
    assert ["opened", "decision", "outcome", "denied"] == [
        Line.parse(line[:-1]).head.kind for line in written
    ]
    assert all(len(line) < 20_000 for line in written)


def test_files_are_ours_alone(desk: Desk) -> None:
    """
    Nobody else may enter the directory or read a segment.
    """
    folder = desk.directory / "trail"

    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert 0o600 == stat.S_IMODE((folder / "1.jsonl").stat().st_mode)


def test_decision_is_written_at_once(desk: Desk) -> None:
    """
    A decision is in the file when the block begins, its outcome after it.
    """
    with desk.trail.decided(WHO, "sign", {"rule": "bindings.3"}, [bytes(32)]):
        [decision] = told(desk.directory, "decision")
        assert [] == told(desk.directory, "outcome")

    assert {
        "who": WHO.name,
        "proof": "session",
        "what": "sign",
        "rule": "bindings.3",
        "tree_size": 0,
    }.items() <= decision.items()
    assert [{"entries": []}] == desk.told("outcome")


def test_outcome_has_entries(desk: Desk) -> None:
    """
    What was appended is in the outcome, with its leaf; what was there is there again.
    """
    [old] = desk.append(1)
    with desk.trail.decided(WHO, "sign", {}, [entry(2).dedup]) as course:
        course.found(0)
        course.appended([entry(2)], desk.append(2))
    with desk.trail.decided(WHO, "sign", {}, [entry(2).dedup]) as course:
        course.appended([entry(2)], desk.append(2))

    assert isinstance(old, Appended)
    first, again = desk.told("outcome")
    assert ([1], [0]) == (first["entries"], first["again"])
    assert ([], [1]) == (again["entries"], again["again"])


def test_entry_is_one_decisions(desk: Desk) -> None:
    """
    Two who asked for the same at once share an entry, and it came of one decision.
    """
    wanted = [entry(1).dedup]
    one = desk.trail.decide(WHO, "sign", {}, wanted)
    other = desk.trail.decide(WHO, "sign", {}, wanted)
    leaf = bytes(32)
    desk.trail.came_of(one, [(0, leaf)])
    desk.trail.came_of(other, [(0, leaf)])
    desk.trail.came_of(other, [(0, leaf)])

    assert [[0], []] == [outcome["entries"] for outcome in desk.told("outcome")]


def test_failure_is_the_outcome(desk: Desk) -> None:
    """
    What is refused after the decision has the reason as its outcome, and is not told twice.
    """
    somebody = WHO._replace(caller=Caller("192.0.2.1", "", "f00d"))

    def refuse() -> None:
        with desk.trail.decided(somebody, "sign", {}):
            raise RequestError("no")

    with pytest.raises(RequestError):
        refuse()
    desk.trail.denied(somebody.caller, somebody.name, "sign", "bad-request")

    [outcome] = desk.told("outcome")
    assert "bad-request" == outcome["code"]
    assert [] == desk.told("denied")


def test_bug_is_the_outcome(desk: Desk) -> None:
    """
    A bug in the middle of a flow leaves an outcome that says no more than that.
    """

    def fail() -> None:
        with desk.trail.decided(WHO, "sign", {}):
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        fail()

    assert [{"code": "internal-error", "entries": []}] == desk.told("outcome")


def test_committed_but_refused(desk: Desk) -> None:
    """
    An entry that is durable and could not be answered with is in the outcome all the same.
    """
    with desk.trail.decided(WHO, "sign", {}, [entry(1).dedup]) as course:
        desk.append(1)
        course.appended([entry(1)], [QuorumError("not published")])

    [outcome] = desk.told("outcome")
    assert ([0], QuorumError.code) == (outcome["entries"], outcome["code"])


def test_unknown_is_found_at_the_next_start(desk: Desk) -> None:
    """
    Where nobody knows what became of it there is no outcome, until a start has looked.
    """
    with desk.trail.decided(WHO, "sign", {}, [entry(1).dedup, entry(2).dedup]) as course:
        desk.append(1)
        course.appended([entry(1)], [StorageFailedError("nobody knows")])
    assert [] == desk.told("outcome")

    desk.open().close()
    assert [{"recovered": True, "entries": [0]}] == desk.told("outcome")


def test_no_space(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A decision for which there is no space is not told, and nothing is torn; outcomes wait.
    """
    decision = desk.trail.decide(WHO, "sign", {})
    with monkeypatch.context() as full:
        fail_with(full, "write", errno.ENOSPC)
        desk.trail.came_of(decision, [])
        with pytest.raises(TrailError):
            desk.trail.decide(WHO, "sign", {"reason": "never"})
        assert not desk.trail.writable
        with pytest.raises(TrailError):
            desk.trail.sync()
    desk.trail.decide(WHO, "sign", {"reason": "later"})

    assert desk.trail.writable
    assert [None, "later"] == [d.get("reason") for d in desk.told("decision")]
    assert 1 == len(desk.told("outcome"))
    chained(lines(desk.directory))


def test_half_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a disk took of a line before it was full is taken off again.
    """
    real, taken = os.write, []

    def half(fd: int, data: bytes) -> int:
        taken.append(data)
        return real(fd, data[: len(data) // 2])

    with monkeypatch.context() as full:
        full.setattr(pen.os, "write", half)
        with pytest.raises(TrailError):
            desk.trail.decide(WHO, "sign", {})
    desk.trail.decide(WHO, "sign", {})

    assert taken
    assert 1 == len(desk.told("decision"))
    chained(lines(desk.directory))


@pytest.mark.parametrize("name", ["write", "fdatasync"])
def test_failed_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """
    After an I/O error nothing is decided or synced any more; no sync is tried a second time.
    """
    failed = fail_with(monkeypatch, name, errno.EIO, times=1)
    with pytest.raises(TrailError):  # noqa: PT012  one of the two is the one that fails
        desk.trail.decide(WHO, "sign", {})
        desk.trail.sync()

    for _ in range(3):
        with pytest.raises(TrailError):
            desk.trail.decide(WHO, "sign", {})
        with pytest.raises(TrailError):
            desk.trail.sync()
        desk.trail.flush()
        desk.trail.denied(Caller(), "", "sign", "unauthenticated")
    assert [errno.EIO] == failed
    assert not desk.trail.writable


def test_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A trail that cannot be written is refused at start.
    """
    fail_with(monkeypatch, "open", errno.EROFS)

    with pytest.raises(TrailError):
        trail_over(ledger_over(memory_store()), tmp_path)


def test_sync_with_nothing_new(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A batch in which nothing was decided costs no sync, and one in which many were costs one.
    """
    desk.trail.sync()
    synced: list[int] = []
    monkeypatch.setattr(pen.os, "fdatasync", synced.append)
    desk.trail.sync()
    assert [] == synced

    for _ in range(5):
        desk.trail.decide(WHO, "sign", {})
    desk.trail.sync()
    assert 1 == len(synced)


def test_flood_of_refusals(desk: Desk) -> None:
    """
    A flood of refusals is counted, not written line by line.
    """
    for _ in range(10_000):
        desk.trail.denied(Caller("192.0.2.1"), "", "/sealbook.v1.Signer/Sign", "unauthenticated")

    refusals, [suppressed] = desk.told("denied"), desk.told("suppressed")
    assert len(refusals) < 500
    assert 10_000 == len(refusals) + suppressed["codes"]["unauthenticated"]


def test_many_threads(desk: Desk) -> None:
    """
    Many threads tell at once, while segments end: each line is whole and follows the one before.
    """

    def tell() -> None:
        for _ in range(60):
            with desk.trail.decided(WHO, "sign", {}):
                desk.trail.denied(Caller(), "", "sign", "unauthenticated")
            desk.trail.sync()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if desk.trail.due(0):
            desk.trail.finish_segment()
    for thread in threads:
        thread.join()

    assert 240 == len(desk.told("decision")) == len(desk.told("outcome"))
    assert len(desk.trail.folder.segments()) > 1
    chained(lines(desk.directory))


def test_time_never_goes_back(desk: Desk) -> None:
    """
    A clock that is set back does not put lines out of order.
    """
    desk.trail.decide(WHO, "sign", {})
    desk.clock.now -= 3600
    desk.trail.decide(WHO, "sign", {})
    desk.trail.flush()

    times = [line.head.time for line in lines(desk.directory)]
    assert sorted(times) == times


def test_segment_is_due(desk: Desk) -> None:
    """
    A segment is finished a while after somebody did something; a start is not something.
    """
    desk.clock.now += 100
    assert not desk.trail.due(60)
    desk.trail.decide(WHO, "sign", {})
    desk.clock.now += 59
    assert not desk.trail.due(60)
    desk.clock.now += 1
    assert desk.trail.due(60)

    closed = desk.trail.finish_segment()
    assert (1, 0) == (closed.segment, closed.first)
    assert not desk.trail.due(0)


def test_goes_on_after_a_start(desk: Desk) -> None:
    """
    The next start goes on in the open segment, whose age counts from its first line.
    """
    desk.trail.decide(WHO, "sign", {})
    desk.trail.close()
    desk.clock.now += 61

    trail = desk.open()
    assert trail.due(60)
    assert 1 == trail.open_segment
    trail.close()
    chained(lines(desk.directory))


def test_torn_line(desk: Desk) -> None:
    """
    A torn last line is cut off at the next start, which says so.
    """
    desk.trail.decide(WHO, "sign", {})
    desk.trail.close()
    path = desk.directory / "trail" / "1.jsonl"
    path.write_bytes(path.read_bytes() + b'{"content":{"to')

    desk.open().close()
    assert [15] == [line.get("cut") for line in told(desk.directory, "recovered")]
    chained(lines(desk.directory))


@pytest.mark.parametrize("lost", ["removed", "altered", "all"])
def test_lost_segments(desk: Desk, lost: str) -> None:
    """
    Where segments are missing, or are not what the ledger tells of them, the trail goes on after
    what it tells, says so, and touches nothing.
    """
    desk.trail.decide(WHO, "sign", {})
    closed = desk.trail.finish_segment()
    desk.trail.close()
    folder = desk.directory / "trail"
    if lost != "altered":
        (folder / "1.jsonl").unlink()
    else:
        path = folder / "1.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"prev"', b'"verp"'))
    if lost == "all":
        (folder / "2.jsonl").unlink()

    trail = desk.open(closed)
    trail.close()
    newest = Folder(folder).segments()[-1]
    first = Line.parse(next(Folder(folder).lines(newest)).removesuffix(b"\n"))
    assert newest > closed.segment
    assert (closed.last + 1, closed.hash) == (first.head.seq, first.head.prev)
    assert True is first.fields["lost"]


def test_outcome_of_a_finished_segment(desk: Desk) -> None:
    """
    A decision whose segment ended before its outcome was known gets it in the next one, also
    after a crash.
    """
    desk.trail.decide(WHO, "sign", {}, [entry(1).dedup])
    desk.append(1)
    desk.trail.finish_segment()
    later = desk.trail.decide(WHO, "sign", {}, [entry(2).dedup])
    desk.trail.close()

    desk.open().close()
    outcomes = [line for line in lines(desk.directory) if line.head.kind == "outcome"]
    assert [1, later.seq] == [line.head.of for line in outcomes]
    assert [[0], []] == [[index for index, _ in line.head.entries] for line in outcomes]


def test_line_is_exact() -> None:
    """
    A line has one spelling, and its content is what its head commits to.
    """
    content = print_json({"who": "somebody"})
    head = Head(7, "2026-11-26T07:10:00.123Z", "denied", bytes(32), bytes(32))
    raw = Line(head, content, bytes(16)).bytes()

    with pytest.raises(Exception, match="commits to"):
        Line.parse(raw)
    assert raw != Line(head, content, bytes(16)).without_content().bytes()
    assert head == Line.parse(Line(head, None).bytes()).head


def chained(found: list[Line]) -> None:
    """Check that each line follows the one before."""
    for before, line in itertools.pairwise(found):
        assert (before.head.seq + 1, before.head.hash) == (line.head.seq, line.head.prev)
