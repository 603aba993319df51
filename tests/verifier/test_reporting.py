"""What is told of pulls: counts and nothing else, never in anybody's way, and within bounds."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.making import IMAGE, REPOSITORY
from verifier.pull import reporting, spool
from verifier.pull.containerd import _report
from verifier.pull.decision import Decision
from verifier.pull.reporting import ROWS, Counts, Reporter, row_of, told
from verifier.pull.settings import CacheSettings, PullSettings, ServiceSettings
from verifier.pull.sources.exchange import Exchange

PATIENCE_S = 30.0
FINE = Decision(allowed=True, digest=IMAGE, repository=REPOSITORY)
UNSIGNED = FINE._replace(allowed=False, code="unsigned", message="nobody signed it", hint="sign it")
WARNED = UNSIGNED._replace(allowed=True)


class Service(ThreadingHTTPServer):
    """A double of the service: keeps what it is told, and answers what it is told to answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.free = threading.Event()
        self.free.set()

    def handle_error(self, *_: object) -> None:
        """Say nothing of those who did not wait for an answer."""

    @property
    def settings(self) -> ServiceSettings:
        return ServiceSettings(f"http://127.0.0.1:{self.server_address[1]}")

    @property
    def counted(self) -> dict[tuple[str, str, str], int]:
        """Return what was taken, added up."""
        counted: dict[tuple[str, str, str], int] = {}
        for one in self.told:
            row = (one["outcome"], one["code"], one["repository"])
            counted[row] = counted.get(row, 0) + one["count"]
        return counted


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.free.wait(PATIENCE_S)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.server.bodies.append(body)
        assert "/v1/pulls" == self.path
        if status == 200:
            self.server.told += json.loads(body)["pulls"]
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
        yield service
        service.free.set()
        service.shutdown()


@pytest.fixture
def settings(service: Service, tmp_path: Path) -> PullSettings:
    return PullSettings(
        "trust",
        ("service",),
        service=service.settings,
        cache=CacheSettings(str(tmp_path)),
        report=True,
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the processes listed that would empty the spool, instead of starting them."""
    started: list[str] = []
    monkeypatch.setattr(spool, "_start_sender", started.append)
    return started


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def many(count: int) -> Counts:
    counts = Counts()
    for n in range(count):
        counts.add(("refused", "unsigned", f"a.example/x{n}"))
    return counts


REFUSED = ("OUTCOME_REFUSED", "unsigned", str(REPOSITORY))
ALL = {
    ("OUTCOME_ALLOWED", "", str(REPOSITORY)): 1,
    ("OUTCOME_WARNED", "unsigned", str(REPOSITORY)): 1,
    REFUSED: 2,
}


def test_counts_and_nothing_else(service: Service, settings: PullSettings) -> None:
    """
    The service learns how often which repository was let run and not, and by which code: no
    digest, no message, nothing of the host.
    """
    reporter = Reporter(settings, every_s=0.01)
    for decision in (FINE, WARNED, UNSIGNED, UNSIGNED):
        reporter.note(decision)
    until(lambda: service.counted == ALL)
    reporter.close()

    assert all({"repository", "outcome", "code", "count"} == set(one) for one in service.told)
    for body in service.bodies:
        for secret in (str(IMAGE), IMAGE.hex, "nobody signed it", "sign it", os.uname().nodename):
            assert secret.encode() not in body


def test_only_if_asked_to(
    service: Service, settings: PullSettings, tmp_path: Path, started: list[str]
) -> None:
    """
    Where the settings do not say so nobody is told, no thread runs and nothing is written.
    """
    quiet = settings._replace(report=False)
    reporter = Reporter(quiet)
    reporter.note(UNSIGNED)
    assert reporter._thread is None
    reporter.close()
    for one in (quiet, settings._replace(cache=CacheSettings()), settings._replace(service=None)):
        spool.note(one, UNSIGNED, "pull.toml")
        spool.empty(one, 0)
        _report(quiet, UNSIGNED, "pull.toml")

    assert [] == service.bodies == started
    assert [] == list(tmp_path.iterdir())


def test_told_at_the_end(service: Service, settings: PullSettings) -> None:
    """
    What was counted since is told when the process ends in order, and nothing is counted after.
    """
    reporter = Reporter(settings)
    reporter.note(UNSIGNED)
    reporter.close(PATIENCE_S)
    reporter.note(UNSIGNED)
    reporter.close(PATIENCE_S)

    assert {REFUSED: 1} == service.counted
    assert {} == reporter._counts.rows


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_later(service: Service, settings: PullSettings, status: int) -> None:
    """
    While the service cannot take it, it is kept, and told once.
    """
    service.statuses = [status, status]
    reporter = Reporter(settings, every_s=0.01)
    reporter.note(UNSIGNED)
    until(lambda: service.counted == {REFUSED: 1})
    reporter.close(PATIENCE_S)

    assert 3 == len(service.bodies)


def test_nobody_there(settings: PullSettings) -> None:
    """
    While nobody answers all of it is kept, in its bounds.
    """
    with Service() as gone:
        nowhere = Exchange(gone.settings)
    counts = many(2000)
    left = told(nowhere, counts)

    assert left.rows == counts.rows
    assert ROWS + 1 == len(left.rows)
    assert 2000 - ROWS == left.rows["refused", "other", ""]


def test_refused_is_said(service: Service, settings: PullSettings) -> None:
    """
    A service that lets us tell it nothing is complained of once, and again after it took some.
    """
    service.statuses += [403, 403, 200, 401]
    complaints: list[str] = []
    reporter = Reporter(settings, 0.01, complaints.append)
    for n in range(1, 5):
        reporter.note(FINE)
        until(lambda n=n: len(service.bodies) == n)
    reporter.close(PATIENCE_S)

    assert ["HTTP 403", "HTTP 401"] == [one.rpartition(": ")[2] for one in complaints]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
def test_not_again(service: Service, status: int) -> None:
    """
    What the service took, or will never take, is not told again; nor more at once than it takes.
    """
    service.statuses = [status] * 5
    left = told(Exchange(service.settings), many(2000))

    assert {} == left.rows
    assert [256, 256, 256, 256, 1] == [len(json.loads(one)["pulls"]) for one in service.bodies]


def test_never_in_the_way(
    service: Service, settings: PullSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While the service hangs everything is counted at once, in bounds; what may have arrived is not
    told again.
    """
    monkeypatch.setattr(reporting, "_PATIENCE_S", 0.2)
    service.free.clear()
    reporter = Reporter(settings, every_s=0.01)
    reporter.note(FINE)
    until(lambda: not reporter._counts.rows)  # on its way
    for n in range(5000):
        reporter.note(UNSIGNED._replace(repository=f"a.example/x{n}"))
        assert ROWS + 1 >= len(reporter._counts.rows)
    reporter.close(0)
    assert reporter._thread is not None
    reporter._thread.join(PATIENCE_S)
    service.free.set()

    assert {} == reporter._counts.rows


@pytest.mark.parametrize("bug", [OSError("no"), RuntimeError("no"), MemoryError()])
def test_no_fault_is_seen(
    settings: PullSettings, monkeypatch: pytest.MonkeyPatch, bug: Exception
) -> None:
    """
    Whatever goes wrong in counting or telling, whoever decides does not notice.
    """

    def broken(*_: object, **__: object) -> None:
        raise bug

    reporter = Reporter(settings, every_s=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(reporting, "told", broken)
        reporter.note(UNSIGNED)
        until(lambda: not reporter._counts.rows)
    with monkeypatch.context() as patch:
        patch.setattr(reporting, "row_of", broken)
        reporter.note(UNSIGNED)
    reporter.close(PATIENCE_S)
    with monkeypatch.context() as patch:
        patch.setattr(spool, "_spool", broken)
        spool.note(settings, UNSIGNED, "pull.toml")
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", broken)
        _report(settings, UNSIGNED, "pull.toml")
    with monkeypatch.context() as patch:
        patch.setattr(spool, "note", broken)
        _report(settings, UNSIGNED, "pull.toml")


# The spool of processes that are gone in a moment.


def spooled(tmp_path: Path) -> list[str]:
    return (tmp_path / "pulls").read_text().splitlines()


def test_spooled(
    service: Service, settings: PullSettings, tmp_path: Path, started: list[str]
) -> None:
    """
    A line is written for each, and one process started for all of a while, which tells them once.
    """
    for decision in (FINE, WARNED, UNSIGNED, UNSIGNED):
        spool.note(settings, decision, "/etc/pull.toml")
    assert [
        f"1 allowed - {REPOSITORY}",
        f"1 warned unsigned {REPOSITORY}",
        *[f"1 refused unsigned {REPOSITORY}"] * 2,
    ] == spooled(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / "pulls").stat().st_mode)
    assert ["/etc/pull.toml"] == started

    spool.empty(settings, 0)
    spool.empty(settings, 0)
    assert ALL == service.counted
    assert {"pulls.stamp"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("age_s", [spool.GATHER_S + 1, -3600.0])
def test_started_again(
    settings: PullSettings, tmp_path: Path, started: list[str], age_s: float
) -> None:
    """
    After a while the next one starts another process, also when the clock went back meanwhile.
    """
    spool.note(settings, FINE, "one")
    at = time.time() - age_s
    os.utime(tmp_path / "pulls.stamp", (at, at))
    spool.note(settings, FINE, "two")
    spool.note(settings, FINE, "three")

    assert ["one", "two"] == started


def test_spooled_again(
    service: Service, settings: PullSettings, tmp_path: Path, started: list[str]
) -> None:
    """
    What the service cannot take lies there again, added up, for the next time.
    """
    for decision in (UNSIGNED, UNSIGNED, FINE):
        spool.note(settings, decision, "pull.toml")
    service.statuses = [503]
    spool.empty(settings, 0)
    assert {f"2 refused unsigned {REPOSITORY}", f"1 allowed - {REPOSITORY}"} == set(
        spooled(tmp_path)
    )

    spool.note(settings, WARNED, "pull.toml")
    spool.empty(settings, 0)
    assert ALL == service.counted
    assert ["pull.toml"] == started


def test_full(settings: PullSettings, tmp_path: Path, started: list[str]) -> None:
    """
    A full spool takes no more.
    """
    (tmp_path / "pulls").write_bytes(b"x" * spool.SPOOL)
    spool.note(settings, FINE, "pull.toml")

    assert spool.SPOOL == (tmp_path / "pulls").stat().st_size
    assert ["pull.toml"] == started


def _nothing(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("odd", [os.mkfifo, _nothing, lambda path: path.symlink_to("/dev/null")])
def test_odd_spools(
    settings: PullSettings, tmp_path: Path, started: list[str], odd: Callable[[Path], object]
) -> None:
    """
    What is no file of ours is not written to, and not waited for.
    """
    odd(tmp_path / "pulls")
    spool.note(settings, FINE, "pull.toml")
    spool.empty(settings, 0)

    assert [] == started
    assert not (tmp_path / "pulls.stamp").exists()


def test_nowhere_to_write(settings: PullSettings, tmp_path: Path, started: list[str]) -> None:
    """
    Without a directory, as on a disk that cannot be written, nothing happens.
    """
    gone = settings._replace(cache=CacheSettings(str(tmp_path / "gone")))
    spool.note(gone, FINE, "pull.toml")
    spool.empty(gone, 0)

    assert [] == started


def test_odd_lines(
    service: Service, settings: PullSettings, tmp_path: Path, started: list[str]
) -> None:
    """
    What whoever can write the spool puts there is told only if it can be meant.
    """
    (tmp_path / "pulls").write_bytes(
        b"1 refused unsigned A.example/App\n1 refused - a.example/app\n1 allowed x a.example/app\n"
        b"-1 allowed - a.example/app\n12345678 allowed - a.example/app\n1 odd x a.example/app\n"
        b"\xff\xfe\n1 refused " + b"x" * 65 + b" a.example/app\n1 refused other -\n1 allowed"
    )
    spool.empty(settings, 0)

    assert {("OUTCOME_REFUSED", "other", ""): 1} == service.counted
    assert [] == started


def test_a_process_of_its_own(
    service: Service,
    settings: PullSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The process that empties the spool has nothing of ours open, in a session of its own, and does
    it by the settings that it is told of.
    """
    record = tmp_path / "record"
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\nfds=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)\n"
        f'echo "$fds" > {record}.new\n'
        f'cut -d" " -f6 /proc/$$/stat >> {record}.new\necho $$ "$@" >> {record}.new\n'
        f"mv {record}.new {record}\n"
    )
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    said = tmp_path / "pull.toml"
    said.write_text(
        f'trust = "trust"\nsources = ["service"]\n[service]\nurl = "{settings.service.url}"\n'  # type: ignore[union-attr]
        f'[cache]\ndirectory = "{tmp_path}"\n[report]\nenabled = true\n'
    )
    spool.note(settings, UNSIGNED, str(said))
    until(record.exists)
    *fds, session, call = record.read_text().splitlines()
    pid, *arguments = call.split()

    assert ["/dev/null"] * 3 == fds
    assert pid == session
    assert ["-I", "-m", "verifier.pull.spool", str(said)] == arguments
    monkeypatch.setattr(spool, "GATHER_S", 0)
    spool.main(arguments[-1])
    assert {REFUSED: 1} == service.counted


def test_rows() -> None:
    """
    An answer is told as what it was.
    """
    assert [("allowed", ""), ("warned", "unsigned"), ("refused", "unsigned")] == [
        row_of(one)[:2] for one in (FINE, WARNED, UNSIGNED)
    ]
