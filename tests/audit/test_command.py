"""`sealbook audit`, as an auditor uses it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit.making import NOW, ORIGIN, REPOSITORY, Log, trust
from tests.audit.operating import static_server
from tests.signer.commands import ROOT, SEALBOOK, Done, check_refused, lines, sealbook
from verifier.tlogpolicy import TlogPolicy

PATIENCE_S = 60


class Desk:
    """An auditor's directory, and a ledger to look at."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = Log().grow(9)
        self.tree = self.log.write(home / "tree")
        self.trust = home / "trust.json"
        self.trust.write_bytes(trust("w1").json())
        self.write()

    def write(self, size: int | None = None, seen: int = NOW) -> None:
        """Publish what is logged, cosigned at `seen`."""
        self.log.write(self.tree, size, self.log.note(size, cosigned={"w1": seen}))

    def options(self) -> tuple[object, ...]:
        return (
            "--trust",
            self.trust,
            "--state",
            self.home / "state",
            "--evidence",
            self.home / "evidence",
        )

    def run(self, *more: object, source: object = None) -> Done:
        return sealbook("audit", source or self.tree, *self.options(), *more)


@pytest.fixture(name="desk")
def desk_(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_it_says(desk: Desk) -> None:
    """
    It says what was checked, by how many tiles and witnesses, and remembers it by the log's name.
    """
    done = desk.run()

    assert 0 == done.returncode, done.stderr
    for words in (
        f"{ORIGIN}: 9 entries",
        "checked     0 to 9",
        "witnesses   1: w1",
        "findings    0",
    ):
        assert words in done.stdout
    assert "checked     9 to 9" in desk.run().stdout
    assert (desk.home / "state" / f"{ORIGIN}.json").exists()


def test_json(desk: Desk) -> None:
    """
    With --json each finding, each match and the sum are an object a line.
    """
    desk.log.delete_body(4, logged=False)
    (desk.tree / "bodies").rename(desk.home / "gone")
    desk.write()
    done = desk.run("--json", "--match", f"repository={REPOSITORY}")
    values = lines(done)

    assert 1 == done.returncode
    assert [1, 2, 3, 5, 6, 7, 8] == [v["match"]["index"] for v in values if "match" in v]
    [finding] = [v["finding"] for v in values if "finding" in v]
    assert ("body-missing", 4) == (finding["code"], finding["index"])
    assert (9, 1, 7) == tuple(values[-1]["audit"][n] for n in ("checked", "findings", "matches"))


def test_a_fork_names_its_evidence(desk: Desk) -> None:
    """
    The finding is one line with the file's name, which a stranger can check.
    """
    desk.run()
    other = Log()
    other.grow(3).approve(77)
    other.grow(12)
    desk.log = other
    desk.write()
    done = desk.run()
    [line] = [line for line in done.stdout.splitlines() if line.startswith("finding: ")]
    [file] = (desk.home / "evidence").iterdir()
    checked = subprocess.run(
        [sys.executable, "-m", "verifier", "evidence", "--trust", desk.trust, file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 1 == done.returncode
    assert file.name in line
    assert (0, True) == (checked.returncode, ORIGIN in checked.stdout), checked.stderr


def test_over_http(desk: Desk) -> None:
    """
    Any web server that serves the files will do.
    """
    with static_server(desk.tree) as url:
        done = desk.run(source=url + "/")

        assert (0, "") == (done.returncode, done.stderr)
    check_refused(desk.run(source=url), "unreachable")


def test_when(desk: Desk) -> None:
    """
    It says of an entry when it was not there yet and when it was, and by whose word.
    """
    desk.write(4, NOW - 500)
    assert 0 == desk.run().returncode
    desk.write(9, NOW)
    marks = desk.home / "status.json"
    marks.write_text(
        '{"marks":[[2,"2025-06-15T14:50:00Z"],[6,"2025-06-15T14:58:00Z"]],"version":1}'
    )
    done = desk.run("--when", 5, "--marks", marks, "--json")
    told = {
        (bound["bound"], bound["by"]): bound["time"] for bound in lines(done)[-1]["when"]["bounds"]
    }

    assert "2025-06-15T14:58:20Z" == told["not before", "witness w1"]
    assert "2025-06-15T15:06:40Z" == told["not after", "witness w1"]
    assert "2025-06-15T14:50:00Z" == told["not before", "the status file's marks"]
    assert "2025-06-15T14:58:00Z" == told["not after", "the status file's marks"]
    assert ("not before", "this auditor") in told
    assert "not after" in desk.run("--when", 5).stdout
    assert "not before" in desk.run("--when", 100).stdout


def test_a_policy_instead_of_a_trust_file(desk: Desk) -> None:
    """
    A tlog-policy names log and witnesses; whose entries these are it does not know.
    """
    policy = desk.home / "policy"
    pinned = trust("w1")
    rows = tuple((row.checkpoint_key, "") for row in pinned.logs)
    policy.write_text(str(TlogPolicy(rows, pinned.quorum)))
    done = sealbook(
        "audit", desk.tree, "--policy", policy, "--state", desk.home / "s", "--full", "--json"
    )

    assert 0 == done.returncode, done.stderr
    assert (9, 0) == tuple(lines(done)[-1]["audit"][name] for name in ("checked", "opaque"))


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("SOURCE",),
        ("SOURCE", "--trust", "a", "--policy", "b"),
        ("SOURCE", "--trust", "a", "--service", "localhost:1"),
        ("--trust", "a", "--service", "localhost:1"),
        ("SOURCE", "--trust", "a", "--match", "colour=red"),
        ("SOURCE", "--trust", "a", "--match", "digest"),
        ("SOURCE", "--trust", "a", "--match", "digest=a", "--no-bodies"),
        ("SOURCE", "--trust", "a", "--post", "https://me.example"),
        ("SOURCE", "--trust", "a", "--marks", "m"),
        ("SOURCE", "--trust", "a", "--when", "-1"),
        ("SOURCE", "--trust", "a", "--follow", "--full"),
        ("SOURCE", "--trust", "a", "--max-age", "1h"),
        ("SOURCE", "--trust", "a", "--nonsense"),
    ],
    ids=" ".join,
)
def test_asked_wrongly(wrong: tuple[str, ...]) -> None:
    """
    What cannot be meant is exit code 2, before anything is read.
    """
    done = sealbook("audit", *wrong)

    assert (2, "") == (done.returncode, done.stdout)
    assert "usage: sealbook audit" in done.stderr


def test_help_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    """
    --help has an example for each kind of source, and says what the exit codes mean.
    """
    done = sealbook("audit", "--help")

    assert 0 == done.returncode
    for words in ("https://", "/srv/export", "--service", "--follow", "exit code"):
        assert words in done.stdout


@contextlib.contextmanager
def receiver(statuses: list[int]) -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """Take POSTs, answering with these statuses and then 204, and hand on what was accepted."""
    got: queue.Queue[dict[str, Any]] = queue.Queue()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = statuses.pop(0) if statuses else 204
            if status == 204:  # before the answer, after which the next one may come
                got.put(json.loads(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
        finally:
            server.shutdown()
            thread.join()


def test_follow_and_post(desk: Desk) -> None:
    """
    While it follows, each new match is posted, through a receiver's failures; SIGTERM ends it.
    """
    wanted = ("--follow", "--every", "0", "--match", f"repository={REPOSITORY}")
    with receiver([500]) as (url, got):
        command = [SEALBOOK, "audit", desk.tree, *desk.options(), *wanted, "--post", url]
        process = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            first = [got.get(timeout=PATIENCE_S)["index"] for _ in range(8)]
            desk.log.approve(50)
            desk.write()
            later = got.get(timeout=PATIENCE_S)
        finally:
            os.kill(process.pid, signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_S)

    assert list(range(1, 9)) == first
    assert (9, ORIGIN, [str(REPOSITORY)]) == (
        later["index"],
        later["origin"],
        later["labels"]["repository"],
    )
    assert (0, "") == (process.returncode, said)


_BARE = """
import sys
for name in ("grpc", "google", "pydantic", "pysqlite3", "sqlite3", "sqlite_utils", "uvicorn",
             "starlette", "structlog", "prometheus_client"):
    sys.modules[name] = None
from signer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_runs_on_a_bare_machine(desk: Desk) -> None:
    """
    An auditor needs neither gRPC nor pydantic nor SQLite; only --service says what it needs.
    """
    with static_server(desk.tree) as url:
        for source in (desk.tree, url):
            done = _bare("audit", source, *desk.options())
            assert (0, "") == (done.returncode, done.stderr)
    token = desk.home / "token"
    token.write_text("x\n")
    token.chmod(0o600)
    done = _bare("audit", "--service", "127.0.0.1:1", "--token-file", token, "--trust", desk.trust)

    assert 1 == done.returncode
    assert "needs grpc" in done.stderr


def _bare(*args: object) -> Done:
    return subprocess.run(
        [sys.executable, "-c", _BARE, *map(str, args)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
