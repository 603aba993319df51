"""Hosts tell what they let run; operators and auditors see it, and nobody sees more than theirs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from signer.access import Grant, Principal, Where
from signer.pulls.counting import Counting
from signer.service import PullCountsService, pull_counts
from signer.v1 import signer_pb2
from tests.signer.access.known import headers, known
from tests.signer.commands import lines
from tests.signer.running import InProcess, running
from tests.signer.world import found_in

APP, OTHER = "registry.example/team/app", "registry.example/other/app"


class Asked:
    """A service that hosts told of some pulls, over HTTP."""

    def __init__(self, service: InProcess) -> None:
        self.service = service
        self.url = f"http://{service.addresses.http}"

    def tell(self, *pulls: dict[str, Any], role: str = "runtime", where: str = "*") -> Any:
        """Tell as a host does."""
        return self.tell_raw({"pulls": pulls}, role=role, where=where)

    def tell_raw(self, body: object, role: str = "runtime", where: str = "*") -> httpx.Response:
        return httpx.post(
            f"{self.url}/v1/pulls", content=json.dumps(body), headers=headers(role, where)
        )

    def seen(self, role: str, where: str = "*", **query: str) -> list[tuple[str, str, str, int]]:
        """Return what a role is shown there."""
        answer = httpx.get(f"{self.url}/v1/pulls", params=query, headers=headers(role, where))
        assert 200 == answer.status_code, answer.text
        found = [json.loads(line)["pulls"] for line in answer.text.splitlines()]
        return sorted(
            (one["repository"], one["outcome"], one["code"], int(one["count"]))
            for one in ({"repository": "", "code": ""} | one for one in found)
        )


def pull(repository: str = APP, code: str = "", count: int = 1, **more: object) -> dict[str, Any]:
    outcome = "OUTCOME_REFUSED" if code else "OUTCOME_ALLOWED"
    return {"repository": repository, "outcome": outcome, "code": code, "count": count, **more}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with running(found_in(tmp_path_factory.mktemp("pulls") / "service"), known) as service:
        asked = Asked(service)
        warned = pull(OTHER, "revoked", 2, outcome="OUTCOME_WARNED")
        answer = asked.tell(pull(count=7), pull(code="unsigned", count=3), warned)
        assert (200, {}) == (answer.status_code, answer.json()), answer.text
        # Of what is not theirs, hosts give no name.
        answer = asked.tell(pull(OTHER), pull(count=1), where="registry.example/team/**")
        assert (200, {"unnamed": 1}) == (answer.status_code, answer.json())
        yield asked


ALL = [
    ("", "OUTCOME_ALLOWED", "", 1),
    (OTHER, "OUTCOME_WARNED", "revoked", 2),
    (APP, "OUTCOME_ALLOWED", "", 8),
    (APP, "OUTCOME_REFUSED", "unsigned", 3),
]


def test_who_sees_what(asked: Asked) -> None:
    """
    Operators and auditors see all of it, others what lies where they may read, and by the name
    of a repository only that one.
    """
    for role in ("operator", "auditor"):
        assert ALL == asked.seen(role)
    assert ALL[2:] == asked.seen("developer", "registry.example/team/**")
    assert [] == asked.seen("developer", "registry.example/none/**")
    assert ALL[1:2] == asked.seen("auditor", repository=OTHER)
    assert [] == asked.seen("auditor", until="2020-01-01")
    assert ALL == asked.seen("auditor", since="2020-01-01")


def test_page_by_page(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All of it is shown, however much of it is read at once.
    """
    monkeypatch.setattr(pull_counts, "_PAGE", 1)
    assert ALL == asked.seen("auditor")
    assert ALL[2:] == asked.seen("developer", "registry.example/team/**")


def test_named_where_one_may_tell(tmp_path: Path) -> None:
    """
    A repository is named where its caller may tell, and not where it may do something else.
    """
    with closing(Counting(tmp_path / "pulls.db", 10, 10)) as counting:
        grants = {"report": (Grant(Where("a.example/**")),), "fetch": (Grant(Where("*")),)}
        told = signer_pb2.ReportPullsRequest(
            pulls=[
                signer_pb2.Pulls(repository=f"{host}/app", outcome="OUTCOME_ALLOWED", count=1)
                for host in ("a.example", "b.example")
            ]
        )
        service = PullCountsService(counting)
        answer = asyncio.run(service.report(Principal("urn:test", "host", grants), told))
        found = counting.page(0, counting.today, "", (-1, "", 0, ""), 10)

    assert 1 == answer.unnamed
    assert ["", "a.example/app"] == [one.repository for _, one in found]


@pytest.mark.parametrize("role", ["developer", "auditor", "operator", "witness", "monitor"])
def test_who_tells(asked: Asked, role: str) -> None:
    """
    Only who may fetch as a runtime may tell; a runtime is shown nothing of it.
    """
    assert "permission-denied" == asked.tell(pull(), role=role).json()["code"]
    answer = httpx.get(f"{asked.url}/v1/pulls", headers=headers("runtime"))
    assert 403 == answer.status_code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "over-limit"),
        ({"pulls": []}, "over-limit"),
        ({"pulls": [pull(f"a.example/x{n}") for n in range(257)]}, "over-limit"),
        ({"pulls": [pull(), pull()]}, "bad-request"),
        ({"pulls": [pull("Not/A/Repository")]}, "bad-repository"),
        ({"pulls": [pull(count=0)]}, "over-limit"),
        ({"pulls": [pull(count=1_000_001)]}, "over-limit"),
        ({"pulls": [pull(outcome="OUTCOME_UNSPECIFIED")]}, "bad-request"),
        ({"pulls": [pull(outcome="OUTCOME_REFUSED")]}, "bad-request"),
        ({"pulls": [pull(code="unsigned", outcome="OUTCOME_ALLOWED")]}, "bad-request"),
        ({"pulls": [pull(code="x" * 65)]}, "over-limit"),
        ({"pulls": [pull(digest="sha256:" + "0" * 64)]}, "unknown-field"),
        ({"pulls": [pull(outcome=17)]}, "bad-request"),
        ([], "bad-request"),
    ],
)
def test_odd_reports(asked: Asked, body: object, code: str) -> None:
    """
    A report that cannot be meant is refused as a whole, and nothing of it is counted: a digest
    has no place in it.
    """
    answer = asked.tell_raw(body)

    assert (400, code) == (answer.status_code, answer.json()["code"]), answer.text
    assert ALL == asked.seen("auditor")


@pytest.mark.parametrize("day", ["26.11.2026", "2026-13-01", "yesterday"])
def test_odd_days(asked: Asked, day: str) -> None:
    """
    What is no day is refused.
    """
    for name in ("since", "until"):
        answer = httpx.get(f"{asked.url}/v1/pulls", params={name: day}, headers=headers("auditor"))
        assert (400, "bad-request") == (answer.status_code, answer.json()["code"])


def test_metrics(asked: Asked) -> None:
    """
    Each outcome and code is a series, and no repository is.
    """
    text = httpx.get(f"{asked.url}/metrics", headers=headers("monitor")).text
    found = [line for line in text.splitlines() if line.startswith("sealbook_pulls_total{")]

    assert {
        'sealbook_pulls_total{code="",outcome="allowed"} 9.0',
        'sealbook_pulls_total{code="revoked",outcome="warned"} 2.0',
        'sealbook_pulls_total{code="unsigned",outcome="refused"} 3.0',
        'sealbook_pulls_total{code="unsigned",outcome="warned"} 0.0',
    } == set(found)


def test_status(asked: Asked) -> None:
    """
    An operator sees it in the status.
    """
    said = asked.service.command("status").stdout

    assert "9 allowed, 2 warned of, 3 refused, 3 of them unsigned, in 7 days" in said
    told = json.loads(asked.service.command("status", "--json").stdout)["pulls"]
    assert {"allowed": "9", "warned": "2", "refused": "3", "unsigned": "3"} == told


def test_command(asked: Asked) -> None:
    """
    The command lists repositories, those with most that should not run first, for people, for
    programs and for spreadsheets.
    """
    text = asked.service.command("pulls").stdout.splitlines()
    rows = lines(asked.service.command("pulls", "--json"))
    table = list(csv.reader(io.StringIO(asked.service.command("pulls", "--csv").stdout)))

    assert [APP, OTHER, ""] == [row["repository"] for row in rows]
    assert {"pulls": 11, "refused": 3, "unsigned": 3, "codes": {"unsigned": 3}}.items() <= (
        rows[0].items()
    )
    assert [*rows[0]] == table[0]
    assert [APP, "11", "8", "0", "3", "3"] == table[1][:6] == text[1].split()[:6]
    assert text[3].startswith("(not named)")
    assert text[4].endswith("9 allowed, 2 warned of, 3 refused: unsigned=3 revoked=2")
    assert "no host told" in asked.service.command("pulls", "--until", "2020-01-01").stdout
    assert 1 == len(lines(asked.service.command("pulls", "--json", "--repository", OTHER)))
    assert 2 == asked.service.command("pulls", "--json", "--csv").returncode
    assert "bad-request" in asked.service.command("pulls", "--since", "today").stderr


def test_over_grpc(asked: Asked) -> None:
    """
    Over gRPC it is the same.
    """
    request = signer_pb2.ReportPullsRequest(pulls=[signer_pb2.Pulls(repository=APP, count=1)])
    name = "/sealbook.v1.Signer/ReportPulls"
    bearer = [("authorization", headers("runtime")["authorization"])]

    assert "bad-request" == asked.service.raw(request.SerializeToString(), name, bearer).code
