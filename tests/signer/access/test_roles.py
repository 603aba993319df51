"""What each role may call: every role and every row, over gRPC and HTTP, as `ROLES` says.

Whoever is let in is told that what they sent is no request; whoever is not never gets so far.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import httpx
import pytest

from signer.access.roles import ROLES, RoleName
from signer.access.table import METHODS, ROUTES, Row
from tests.signer.access.known import bearer, behind_a_proxy, headers, known
from tests.signer.asking import OTHER_REPOSITORY, PATIENCE_S, REPOSITORY, SIGN, SIGN_BATCH, order
from tests.signer.running import InProcess, running
from tests.signer.world import found_in

GARBAGE = b"\xff\xff"
# Health goes on until it is told to stop; reflection is off.
CALLS = {
    name: row
    for name, row in METHODS.items()
    if not name.startswith(("/grpc.health.v1.Health/W", "/grpc.reflection."))
}
TEAM = "registry.example/team/**"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that takes the names of roles for secrets."""
    with running(behind_a_proxy(found_in(tmp_path_factory.mktemp("roles") / "s")), known) as one:
        yield one


def allowed(role: RoleName, row: Row, *, proven: bool, everywhere: bool) -> bool:
    """Say again, in other words, what the table and the roles say together."""
    has = not row.actions or bool({*row.actions} & {*ROLES[role]})
    return has and (proven or not row.proven) and (everywhere or not row.everywhere)


@pytest.mark.parametrize("where", ["*", TEAM])
@pytest.mark.parametrize("role", ROLES)
def test_calls(service: InProcess, role: RoleName, where: str) -> None:
    """
    A role lets its holder into the calls of its actions, and into no other (R2); what is about
    the whole service only when it is bound everywhere; what operators do only by a certificate.
    """
    before = service.tree_size
    told = {}
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        for proof in ("session", "certificate"):
            for name in CALLS:
                call = channel.unary_stream(name)(
                    GARBAGE, metadata=bearer(role, where, proof), timeout=PATIENCE_S
                )
                with pytest.raises(grpc.RpcError):
                    list(call)
                code = dict(call.trailing_metadata() or ()).get("sealbook-code")
                told[proof, name] = {"bad-request": True, "permission-denied": False}[str(code)]

    assert {
        (proof, name): allowed(role, row, proven=proof == "certificate", everywhere=where == "*")
        for proof in ("session", "certificate")
        for name, row in CALLS.items()
    } == told
    assert before == service.tree_size


@pytest.mark.parametrize("where", ["*", TEAM])
@pytest.mark.parametrize("role", ROLES)
def test_routes(service: InProcess, role: RoleName, where: str) -> None:
    """
    The same over HTTP.
    """
    told = {}
    with httpx.Client(
        base_url=f"http://{service.addresses.http}", headers=headers(role, where)
    ) as http:
        for name in ROUTES:
            verb, _, template = name.partition(" ")
            path = template.replace("{digest}", "x").replace("{path}", "x").replace("{name}", "x")
            answer = http.request(verb, path, content=b"x" if verb == "POST" else None)
            told[name] = answer.status_code not in {401, 403}

    assert {
        name: allowed(role, row, proven=False, everywhere=where == "*")
        for name, row in ROUTES.items()
    } == told


@pytest.mark.parametrize(
    "name", [name for name, row in METHODS.items() if row.proven and "DeleteBody" not in name]
)
def test_operators_in_a_part(service: InProcess, name: str) -> None:
    """
    An operator of some repositories does nothing to the service, by whatever proof.
    """
    answer = service.raw(GARBAGE, name, bearer("operator", TEAM, "certificate"))

    assert ("PERMISSION_DENIED", "permission-denied") == (answer.status, answer.code)


def test_own_repositories(service: InProcess) -> None:
    """
    A developer signs in repositories of its own and in no others, and a batch is for one (R5).
    """
    mine = bearer("developer", REPOSITORY)
    good = service.raw(order(1).SerializeToString(), SIGN, mine)
    before = service.tree_size
    other = order(2, repository=OTHER_REPOSITORY).SerializeToString()
    batch = b"\x0a" + bytes([len(OTHER_REPOSITORY)]) + OTHER_REPOSITORY.encode()

    assert "OK" == good.status
    assert "permission-denied" == service.raw(other, SIGN, mine).code
    assert "permission-denied" == service.raw(batch, SIGN_BATCH, mine).code
    assert before == service.tree_size


@pytest.mark.parametrize(
    ("repository", "code"),
    [
        ("registry.example/team/../other/x", "bad-repository"),
        ("registry.example/team/./x", "bad-repository"),
        ("registry.example/team//x", "bad-repository"),
        ("registry.example/team/", "bad-repository"),
        ("registry.example/team", "permission-denied"),
        ("registry.example/team-evil/x", "permission-denied"),
        ("registry.example/teamx", "permission-denied"),
        ("registry.example/TEAM/x", "bad-repository"),
        ("REGISTRY.example/team/x", "bad-repository"),
        ("registry.example/team%2fx", "bad-repository"),
        ("registry.example/team\\x", "bad-repository"),
        ("registry.example/team/\nx", "bad-repository"),
        ("registry.example/team/x\n", "bad-repository"),
        ("registry.example/team/\u00e9", "bad-repository"),
        ("registry.example/team/e\u0301", "bad-repository"),
        ("registry.example./team/x", "bad-repository"),
        ("registry.example/team/x.", "bad-repository"),
        ("registry.example/team" + "/x" * 10_000, "bad-repository"),
        ("registry.example:5000/team/x", "permission-denied"),
        ("*", "bad-repository"),
        ("registry.example/team/**", "bad-repository"),
        ("", "bad-repository"),
    ],
)
def test_spellings(service: InProcess, repository: str, code: str) -> None:
    """
    What lies not below the path, by whole segments, is refused; what has another spelling than
    the canonical one is no repository, before anybody asks whose it is (R1, R4).
    """
    before = service.tree_size
    asked = order(3, repository=repository).SerializeToString()

    assert code == service.raw(asked, SIGN, bearer("developer", TEAM)).code
    assert before == service.tree_size
