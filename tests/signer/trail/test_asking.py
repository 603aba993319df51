"""Lines are found by who, where, what and when; over the network only by auditors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.access.where import Where
from signer.audit_trail.lines import Head, Line, print_json
from signer.audit_trail.printing import HEADER, as_csv
from signer.audit_trail.purge import posix
from signer.audit_trail.querying import Query, find
from signer.v1 import access_pb2 as pb
from tests.signer.access.known import bearer, known
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest
from tests.signer.running import InProcess, running
from tests.signer.world import found_in

QUERY, GET = "/sealbook.v1.Audit/QueryTrail", "/sealbook.v1.Audit/GetTrail"
HOLDER = "urn:sealbook:token#loopback"
HERE = "registry.example/team/app"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that signed in two repositories, and refused somebody."""
    with running(found_in(tmp_path_factory.mktemp("site") / "service"), known) as service:
        for repository in (REPOSITORY, OTHER_REPOSITORY):
            service.asking(lambda client, r=repository: client.sign(digest(1), r))  # type: ignore[misc]
        service.raw(b"", metadata=bearer("auditor", name="eve"))
        service.server._trail.flush()
        yield service


def found(site: InProcess, **wanted: Any) -> list[Line]:
    """Return the lines that fit."""
    return list(find(site.server._trail.folder, Query(**wanted)))


def kinds(found: list[Line]) -> list[str]:
    """Return what each line is."""
    return [line.head.kind for line in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["opened", *["decision", "outcome"] * 2, "denied"]),
        ({"kind": "outcome"}, ["outcome"] * 2),
        ({"who": HOLDER}, ["decision", "outcome"] * 2),
        ({"who": "urn:sealbook:token#*"}, ["decision", "outcome"] * 2),
        ({"who": "urn:sealbook:token#"}, []),
        ({"who": "urn:test#eve"}, ["denied"]),
        ({"where": Where(HERE)}, ["decision", "outcome"]),
        ({"where": Where("registry.example/team/**")}, ["decision", "outcome"] * 2),
        ({"where": Where("registry.example/tea/**")}, []),
        ({"where": Where(HERE), "kind": "outcome"}, ["outcome"]),
        ({"who": "urn:test#eve", "where": Where(HERE)}, []),
        ({"stop": 1}, []),
        ({"start": 2**33}, []),
    ],
)
def test_query(site: InProcess, wanted: dict[str, Any], expected: list[str]) -> None:
    """
    Each question finds its lines, oldest first, an outcome with its decision.
    """
    assert expected == kinds(found(site, **wanted))


def test_times(site: InProcess) -> None:
    """
    From a second on, and to before one.
    """
    everything = found(site)
    [refusal] = found(site, kind="denied")
    second = posix(refusal.head.time)

    assert refusal in found(site, start=second)
    assert refusal in found(site, stop=second + 1)
    assert refusal not in found(site, start=second + 1)
    assert refusal not in found(site, stop=second)
    assert everything == found(site, start=posix(everything[0].head.time), stop=second + 1)


def test_reference(site: InProcess) -> None:
    """
    Whoever was given a reference finds what it was about.
    """
    [refusal] = found(site, kind="denied")

    assert [refusal] == found(site, reference=refusal.fields["reference"])
    assert [] == found(site, reference="elsewhere")


def ask(site: InProcess, metadata: list[tuple[str, str]], **wanted: Any) -> Any:
    """Ask over the network; return what came back."""
    return site.raw(pb.QueryTrailRequest(**wanted).SerializeToString(), QUERY, metadata)


def answered(answer: Any) -> list[str]:
    """Return what each line of an answer is."""
    assert "OK" == answer.status, answer
    found = [raw for m in answer.messages for raw in pb.TrailLines.FromString(m).lines]
    return kinds([Line.parse(raw) for raw in found])


def test_auditor_asks(site: InProcess) -> None:
    """
    An auditor gets the lines themselves, of everything or of what is theirs.
    """
    everything = answered(ask(site, bearer("auditor")))
    assert kinds(found(site))[:6] == everything[:6]
    assert ["decision", "outcome"] == answered(ask(site, bearer("auditor", HERE)))
    assert ["decision", "outcome"] == answered(
        ask(site, bearer("auditor"), repository=OTHER_REPOSITORY, who=HOLDER)
    )
    assert [] == answered(ask(site, bearer("auditor", HERE), repository=OTHER_REPOSITORY))


@pytest.mark.parametrize("role", ["developer", "publisher", "operator", "runtime", "prefix-admin"])
@pytest.mark.parametrize("method", [QUERY, GET])
def test_nobody_else_asks(site: InProcess, role: str, method: str) -> None:
    """
    Whoever is no auditor is refused.
    """
    assert "permission-denied" == site.raw(b"", method, bearer(role)).code


def test_whole_trail(site: InProcess) -> None:
    """
    Who audits everything gets the files as they are; who audits a part, does not.
    """
    answer = site.raw(pb.GetTrailRequest().SerializeToString(), GET, bearer("auditor"))
    content = b"".join(pb.TrailPiece.FromString(m).content for m in answer.messages)

    assert content == (site.directory / "trail" / "1.jsonl").read_bytes()[: len(content)]
    assert len(content) > 1000
    beyond = pb.GetTrailRequest(first=2).SerializeToString()
    assert () == site.raw(beyond, GET, bearer("auditor")).messages
    assert "permission-denied" == site.raw(b"", GET, bearer("auditor", HERE)).code


@pytest.mark.parametrize(
    "wanted", [{"decision": "opened"}, {"from": -1}, {"to": 2**60}, {"repository": "../x"}]
)
def test_bad_question(site: InProcess, wanted: dict[str, Any]) -> None:
    """
    What cannot be asked is refused as a bad request.
    """
    assert "INVALID_ARGUMENT" == ask(site, bearer("auditor"), **wanted).status


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\uff1d1", "a\r\n=1"]
)
def test_csv_runs_nothing(cell: str) -> None:
    """
    Whatever a caller sent is one cell of one row, which no spreadsheet and no terminal obeys.
    """
    content = {
        "who": cell + '","=2',
        "what": cell,
        "repository": cell + "\u202e\x1b[31m",
        "reference": cell,
        "digests": [cell],
        "rule": cell,
        "code": cell,
        "from": {"address": cell},
        "proof": cell,
    }
    head = Head(1, "2026-11-26T07:10:00.123Z", "denied", bytes(32), bytes(32))
    text = "".join(as_csv([Line(head, print_json(content), bytes(16))]))

    assert text.isascii()
    assert "\x1b" not in text
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert list(HEADER) == header
    assert len(HEADER) == len(row)
    assert not [c for c in row if c.lstrip().startswith(("=", "+", "-", "@"))]


def test_command(site: InProcess, tmp_path: Path) -> None:
    """
    The command answers from the files, or asks a service; nothing found is exit code 1.
    """
    done = site.command("audit-log", "query", "--repo", HERE, "--decision", "decision")
    [line] = done.stdout.splitlines()
    assert 0 == done.returncode
    assert HERE == json.loads(line)["content"]["repository"]

    as_table = site.command("audit-log", "query", "--who", HOLDER, "--format", "csv")
    assert 5 == len(as_table.stdout.splitlines())
    nothing = site.command("audit-log", "query", "--to", "2020-01-01")
    assert (1, "") == (nothing.returncode, nothing.stdout)
    wrongly = site.command("audit-log", "query", "--from", "yesterday")
    assert 2 == wrongly.returncode

    session = tmp_path / "session"
    session.write_text("test|auditor|*|session|")
    session.chmod(0o600)
    where = ("--service", site.addresses.grpc, "--token-file", session)
    asked = site.command("audit-log", "query", *where, "--repo", HERE, "--decision", "decision")
    assert [line] == asked.stdout.splitlines(), asked.stderr
