"""`sealbook access-review`: who could do what, at any position, as the ledger has it."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from signer.client import Client
from signer.v1 import access_pb2 as pb
from tests.signer.access.certifying import Authority, Issued
from tests.signer.asking import digest, refused
from tests.signer.config.changing import add, newest, reload
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

SERVERS, CLIENTS = Authority("servers"), Authority("clients")
REVIEW = "/sealbook.v1.Audit/ReviewAccess"
TEAM = (
    '[[bindings]]\nrole = "developer"\nrepository = "registry.bank/team/**"\n'
    'certificate = "spiffe://bank.example/ci/team"\n'
)
OTHER = TEAM.replace("team", "other")
ISSUER = (
    '[issuers.gitlab]\nissuer = "https://gitlab.bank.example"\naudience = "sealbook"\n'
    'preset = "gitlab"\njwks_url = "https://gitlab.bank.example/jwks"\n'
)
PIPELINE = (
    '[[bindings]]\nrole = "publisher"\nrepository = "registry.bank/{namespace_path}/**"\n'
    'issuer = "gitlab"\nclaims = { namespace_id = "4711" }\nfrom = ["10.0.0.0/8"]\n'
)
FORMULA = (
    '[[bindings]]\nrole = "developer"\nrepository = "registry.bank/x"\nissuer = "gitlab"\n'
    'claims = { namespace_id = "=1+1", namespace_path = \'a,"b"\' }\n'
)
STATIC = ["access.token", "access.append_token", "listen.operator"]


def review(world: World, *words: object) -> list[dict[str, Any]]:
    """Return the rows of a review, without those of who needs no binding."""
    return [one for one in everyone(world, *words) if one["rule"] not in STATIC]


def everyone(world: World, *words: object) -> list[dict[str, Any]]:
    """Return all rows of a review."""
    done = world.command("access-review", "--json", *words)
    assert 0 == done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def named(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Return rule, repository and since of each row."""
    return [(one["rule"], one["repository"], one["since"]) for one in rows]


def test_at_each_position(world: World) -> None:
    """
    What was bound by file or by call counts from its own event on, and not after its end.
    """
    with running(world) as service, service.client() as client:
        assert [] == review(world)
        add(world, TEAM)
        first = reload(world).index
        bound = world.command(
            *("access", "bind", "auditor", "registry.bank/audited/**", "--json"),
            *("--certificate", "spiffe://bank.example/auditor"),
        )
        assert 0 == bound.returncode, bound.stderr
        second = json.loads(bound.stdout)["index"]
        client.sign(digest(1), "registry.bank/team/app")
        text = world.config.read_text()
        world.config.write_text(text.replace(TEAM, OTHER + TEAM))
        third = reload(world).index
        unbound = world.command("access", "unbind", f"binding:{second}", "--json")
        fourth = json.loads(unbound.stdout)["index"]
        assert first is not None
        assert third is not None
        team = ("bindings.0", "registry.bank/team/**", first + 1)
        call = (f"binding:{second}", "registry.bank/audited/**", second + 1)

        assert [] == review(world, "--at", first)
        assert [team] == named(review(world, "--at", first + 1))
        assert [team] == named(review(world, "--at", second))
        assert [team, call] == named(review(world, "--at", second + 1))
        assert [team, call] == named(review(world, "--at", third))
        other = ("bindings.0", "registry.bank/other/**", third + 1)
        moved = ("bindings.1", "registry.bank/team/**", first + 1)
        assert [other, moved, call] == named(review(world, "--at", third + 1))
        assert [other, moved] == named(review(world, "--at", fourth + 1))
        assert [other, moved] == named(review(world))


def test_since_ends_with_a_change(world: World) -> None:
    """
    A binding that was away in between, or whose issuer was another one, is new since then.
    """
    add(world, ISSUER + PIPELINE)
    with running(world) as service:
        [one] = review(world)
        assert 2 == one["since"]
        assert {"namespace_id": "4711"} == one["claims"]
        assert ["10.0.0.0/8"] == one["networks"]
        text = world.config.read_text()
        world.config.write_text(text.replace('audience = "sealbook"', 'audience = "other"'))
        second = reload(world).index
        assert second is not None
        assert [second + 1] == [one["since"] for one in review(world)]
        world.config.write_text(text.replace(PIPELINE, ""))
        reload(world)
        assert [] == review(world)
        world.config.write_text(text)
        fourth = reload(world).index
        assert fourth is not None
        assert [fourth + 1] == [one["since"] for one in review(world)]
        assert service.tree_size > fourth


def test_without_a_binding(world: World) -> None:
    """
    Whoever holds a token of a file, or can open the admin socket, is listed too; a token that
    was replaced is somebody else's since then.
    """
    with running(world):
        rows = {one["rule"]: one for one in everyone(world)}
        assert set(STATIC) == set(rows)
        assert [1, 1, 1] == [rows[rule]["since"] for rule in STATIC]
        assert ["127.0.0.0/8", "::1/128"] == rows["access.token"]["networks"]
        (world.directory / "append-token").write_text("n" * 43)
        index = reload(world).index
        assert index is not None
        rows = {one["rule"]: one for one in everyone(world)}
        assert [1, index + 1, 1] == [rows[rule]["since"] for rule in STATIC]


def test_times(world: World) -> None:
    """
    A moment or a day means what the ledger had by then; the founding's day has something.
    """
    with running(world) as service:
        add(world, TEAM)
        index = reload(world).index
        assert index is not None
        at = service.ledger.row(index).time
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        assert ["bindings.0"] == [one["rule"] for one in review(world, "--at", stamp)]
        assert ["bindings.0"] == [one["rule"] for one in review(world, "--at", stamp[:10])]
        assert ["bindings.0"] == [one["rule"] for one in review(world, "--at", "2100-01-01")]


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("0", "bad-request"),
        ("999", "bad-request"),
        ("2001-01-01", "bad-request"),
        ("yesterday", "malformed"),
        ("+1", "malformed"),
        ("-1", ""),
    ],
)
def test_no_such_position(world: World, at: str, code: str) -> None:
    """
    A position that the ledger never had, or a time before it, is refused and not rounded.
    """
    with running(world):
        done = world.command("access-review", "--json", "--at", at)

    assert done.returncode
    if code:
        assert code == json.loads(done.stdout)["error"]


def test_for_people_and_spreadsheets(world: World) -> None:
    """
    The table and the CSV have a row for each; no cell is taken for a formula by a spreadsheet.
    """
    add(world, ISSUER + FORMULA + PIPELINE)
    with running(world):
        table = world.command("access-review").stdout
        printed = world.command("access-review", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))

    assert "gitlab namespace_id=4711" in table
    assert "10.0.0.0/8" in table
    assert "whoever can open it" in table
    assert 5 == len(rows)
    [formula] = [row for row in rows if row["rule"] == "bindings.0"]
    assert 'gitlab namespace_id==1+1 namespace_path=a,"b"' == formula["who"]
    assert all(cell[:1] not in "=+-@" or not cell for row in rows for cell in row.values())


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with an auditor of everything, one of a part, and a developer."""
    world = found_in(tmp_path_factory.mktemp("review") / "service")
    SERVERS.serve().write(world.directory, "tls")
    (world.directory / "clients.pem").write_bytes(CLIENTS.pem)
    lines = 'tls_certificate = "tls.pem"\ntls_key = "tls.key"\nclient_ca = "clients.pem"\n'
    world.edit("[listen]\n", f"[listen]\n{lines}")
    add(world, TEAM + OTHER)
    for name, where in (("all", "*"), ("part", "registry.bank/team/**")):
        add(
            world,
            f'[[bindings]]\nrole = "auditor"\nrepository = "{where}"\n'
            f'certificate = "spiffe://bank.example/{name}"\n',
        )
    with running(world) as service:
        yield service


def asked_by(service: InProcess, name: str) -> pb.ReviewAccessResponse:
    """Return what the holder of a certificate is answered."""
    issued: Issued = CLIENTS.issue(f"spiffe://bank.example/{name}")
    with Client(
        service.addresses.grpc, ca=SERVERS.pem, certificate=issued.pem, key=issued.key
    ) as client:
        answer: pb.ReviewAccessResponse = client.call(
            REVIEW, pb.ReviewAccessRequest(), pb.ReviewAccessResponse
        )
    return answer


def test_auditor(bank: InProcess) -> None:
    """
    An auditor gets every binding, and the configuration that counted, over the network.
    """
    answer = asked_by(bank, "all")

    assert newest(bank) == json.loads(answer.content)
    assert 1 == answer.configuration
    assert 4 == sum(one.rule.startswith("bindings.") for one in answer.bindings)
    assert bank.tree_size == answer.at


def test_auditor_of_a_part(bank: InProcess) -> None:
    """
    Whoever audits a part is told who could do what there, and nothing of other places.
    """
    answer = asked_by(bank, "part")
    places = {one.repository for one in answer.bindings}

    assert {"*", "registry.bank/team/**"} == places
    assert "other" not in str(answer)
    assert "" == answer.content
    assert not answer.HasField("configuration")


@pytest.mark.parametrize("name", ["ci/team", "nobody"])
def test_not_for_others(bank: InProcess, name: str) -> None:
    """
    Whoever may sign, or nothing, is not told who else may what.
    """
    refused("permission-denied", lambda: asked_by(bank, name))
