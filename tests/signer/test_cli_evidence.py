"""`sealbook evidence` and `sealbook report`, on a real service, from wherever it is read."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit.operating import Operator, sign, static_server
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import ROOT, Done, check_refused, one, sealbook
from tests.signer.running import InProcess
from verifier.bundle import Bundle
from verifier.dossier import Dossier
from verifier.note import Note
from verifier.trust import TrustRoot

# The command as it is on an auditor's machine: none of the service's libraries can be imported.
AUDITORS_PROGRAM = """\
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in (
            "grpc", "google", "pydantic", "pysqlite3", "sqlite_utils", "sqlite3", "starlette",
            "structlog", "uvicorn", "prometheus_client",
        ):
            raise ModuleNotFoundError(f"no {name}", name=name)

sys.meta_path.insert(0, Refuse())
from signer.cli import main

sys.exit(main(sys.argv[1:]))
"""


class Desk:
    """A service with some signatures, its export, and a stranger's folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.operator = Operator(home)
        self.trust = self.operator.world.directory / "trust.json"
        self.token = self.operator.world.directory / "token"

    def run(self, command: str, *args: object) -> Done:
        return sealbook(command, *args, "--trust", self.trust, cwd=self.home)

    def ways(self, service: InProcess) -> dict[str, tuple[object, ...]]:
        """Export, and return the options of each way to read."""
        token = ("--token-file", self.token)
        return {
            "directory": (self.operator.export(service, self.home / "export", "--bodies"),),
            "http": (f"http://{service.addresses.http}", *token),
            "grpc": ("--service", service.addresses.grpc, *token),
        }

    def proven(self, path: Path) -> str:
        """Return what a stranger sees proven in a dossier."""
        done = subprocess.run(
            [sys.executable, "-m", "verifier", "evidence", "--trust", self.trust, path],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout


@pytest.fixture(name="desk")
def desk_(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def size_of(dossier: bytes) -> int:
    """Return the size of the tree that a dossier is under."""
    return Bundle.parse(Dossier.parse(dossier).bundle).checkpoint.tree_size


def test_whichever_way_it_is_read(desk: Desk) -> None:
    """
    Directory, HTTP and gRPC give a dossier of an approval and of an event, and the same report.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 300)
        reports = []
        for way, where in desk.ways(service).items():
            for index, said in ((0, "records 'genesis'"), (257, "approves sha256:")):
                out = desk.home / f"{way}-{index}.zip"
                done = desk.run("evidence", *where, "--entry", index, "--out", out)
                assert 0 == done.returncode, done.stderr
                assert said in desk.proven(out)
            done = desk.run("report", *where, "--from", 5, "--to", 290)
            assert 0 == done.returncode, done.stderr
            reports.append(json.loads(done.stdout))

    assert [285] * 3 == [r["counted"]["signatures"] for r in reports]
    for name in ("groups", "by"):
        assert reports[0]["counted"][name] == reports[1]["counted"][name]
        assert reports[0]["counted"][name] == reports[2]["counted"][name]
    # Only the service itself says when an entry came.
    assert [None, None, True] == [r["counted"]["times"] and True for r in reports]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4, 6, 12, 128, 256, 260, 263])
def test_from_anywhere(service_: InProcess, start: int) -> None:
    """
    Over gRPC a part may begin anywhere: the edge of the tree there is proven as well.
    """
    where = ("--service", service_.addresses.grpc, "--token-file", "token")
    done = service_.command("report", *where, "--trust", "trust.json", "--from", start)

    assert 0 == done.returncode, done.stderr
    assert 263 - start == json.loads(done.stdout)["counted"]["entries"]


@pytest.fixture(scope="module", name="service_")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with Operator(tmp_path_factory.mktemp("anywhere")).serve() as service:
        sign(service, 1, 263)
        yield service


def test_the_same_bytes_from_everywhere(desk: Desk) -> None:
    """
    One entry under one checkpoint is one dossier, wherever it was read.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 5)
        made = []
        for way, where in desk.ways(service).items():
            out = desk.home / f"{way}.zip"
            assert 0 == desk.run("evidence", *where, "--entry", 3, "--out", out).returncode
            # Signatures with a time may be made anew; the tree below them is one.
            made.append(Dossier.parse(out.read_bytes()))

    assert 1 == len({Note.parse(str(d.checkpoint)).text for d in made})
    assert 1 == len({d.statement for d in made})
    assert 1 == len({d.proof.partition("\n\n")[0] for d in made})


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_while_the_ledger_grows(desk: Desk, way: str) -> None:
    """
    Dossiers and reports made while entries come in are each under one checkpoint, and proven.
    """
    trust = TrustRoot.parse(desk.trust.read_bytes())
    with desk.operator.serve() as service:
        sign(service, 1, 250)
        where = desk.ways(service)[way]
        done = threading.Event()

        def grow() -> None:
            n = 250
            while not done.is_set():
                sign(service, n, n + 3)
                n += 3

        thread = threading.Thread(target=grow)
        thread.start()
        sizes = set()
        try:
            for i in range(5):
                out = desk.home / f"{i}.zip"
                made = desk.run("evidence", *where, "--entry", 240 + i, "--out", out)
                assert 0 == made.returncode, made.stderr
                assert f"entry {240 + i} of" in Dossier.parse(out.read_bytes()).verify(trust)
                sizes.add(size_of(out.read_bytes()))
                told = desk.run("report", *where)
                assert 0 == told.returncode, told.stderr
                value = json.loads(told.stdout)
                assert value["checkpoint"]["tree_size"] == value["counted"]["entries"]
                assert value["counted"]["entries"] == value["counted"]["signatures"] + 1
        finally:
            done.set()
            thread.join()
    assert len(sizes) > 1


def test_on_an_auditors_machine(desk: Desk) -> None:
    """
    Without gRPC, pydantic and SQLite, all but --service works; that names its extra.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 4)
        export = desk.operator.export(service, desk.home / "export", "--bodies")

        def run(*args: object) -> Done:
            return subprocess.run(
                [sys.executable, "-c", AUDITORS_PROGRAM, *map(str, args), "--trust", desk.trust],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        with static_server(export) as url:
            for where in (export, url):
                out = desk.home / f"{where == url}.zip"
                made = run("evidence", where, "--entry", 2, "--out", out, "--json")
                assert 0 == made.returncode, made.stderr
                assert 2 == one(made)["entry"]
                told = run("report", where, "--format", "html", "--out", out.with_suffix(".html"))
                assert 0 == told.returncode, told.stderr
                assert "3 signatures in 4 entries, 0 findings\n" in told.stdout
        lacking = run("report", "--service", service.addresses.grpc, "--token-file", desk.token)
        assert 1 == lacking.returncode
        assert "sealbook[" in lacking.stderr


def test_formats(desk: Desk) -> None:
    """
    The format is what was asked for, or what the file's name ends in; JSON else.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 4)
        where = desk.ways(service)["directory"]
    starts = {"json": b"{\n", "csv": b"repository,key,", "html": b"<!doctype html>\n"}
    for form, start in starts.items():
        out = desk.home / f"report.{form}"
        assert 0 == desk.run("report", *where, "--out", out).returncode
        assert out.read_bytes().startswith(start)
        printed = desk.run("report", *where, "--format", form)
        assert printed.stdout.encode().startswith(start)
        assert "" == printed.stderr
    [head, row] = csv.reader((desk.home / "report.csv").read_text().splitlines())
    value = dict(zip(head, row, strict=True))
    assert (REPOSITORY, "3", "1", "3") == (
        value["repository"],
        value["signatures"],
        value["first_index"],
        value["last_index"],
    )
    done = desk.run("report", *where, "--out", desk.home / "again.html", "--json")
    assert {"entries": 4, "signatures": 3, "findings": 0} == {
        k: v for k, v in one(done).items() if k not in ("file", "origin")
    }


def test_findings_are_exit_code_1(desk: Desk) -> None:
    """
    A report on a ledger that hides something is written, says so, and fails.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 6)
        where = desk.ways(service)["directory"]
    [gone, *_] = sorted((desk.home / "export" / "bodies" / "sha256").iterdir())
    gone.unlink()
    done = desk.run("report", *where, "--out", "r.html")

    assert 1 == done.returncode
    assert "finding: body-missing at " in done.stderr
    assert "1 findings" in done.stdout
    assert b"body-missing" in (desk.home / "r.html").read_bytes()


def test_no_file_is_overwritten(desk: Desk) -> None:
    """
    A dossier or report that is there stays; the default name has the index in it.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 4)
        where = desk.ways(service)["directory"]
    assert 0 == desk.run("evidence", *where, "--entry", 1).returncode
    assert 0 == desk.run("evidence", *where, "--entry", 1).returncode  # the same, again
    kept = (desk.home / "sealbook-entry-1.zip").read_bytes()
    other: Any = ("--entry", 2, "--out", "sealbook-entry-1.zip")
    check_refused(desk.run("evidence", *where, *other), "transfer")
    check_refused(desk.run("report", *where, "--out", "sealbook-entry-1.zip"), "transfer")

    assert kept == (desk.home / "sealbook-entry-1.zip").read_bytes()
    assert digest(1) in desk.proven(desk.home / "sealbook-entry-1.zip")


def test_refused(desk: Desk) -> None:
    """
    What cannot be meant is exit code 2; what is not there is refused with a sentence.
    """
    with desk.operator.serve() as service:
        sign(service, 1, 4)
        where = desk.ways(service)["directory"]
    for args in (
        ("evidence", *where),
        ("evidence", *where, "--entry", "-1"),
        ("evidence", *where, "--entry", "01"),
        ("evidence", "--entry", "1"),
        ("evidence", "--service", "127.0.0.1:1", "--entry", "1"),
        ("report", *where, "--from", "yesterday"),
        ("report", *where, "--format", "pdf"),
        ("report", *where, "--service", "127.0.0.1:1", "--token-file", desk.token),
    ):
        assert 2 == desk.run(*args).returncode, args
    check_refused(desk.run("evidence", *where, "--entry", 4), "unknown-entry")
    check_refused(desk.run("report", *where, "--from", "2020-01-01"), "no-report")
    check_refused(desk.run("report", *where, "--to", 5), "no-report")
    assert not list(desk.home.glob("*.zip"))
