"""Bindings: each change is an event, nobody gives what is not theirs, and what changed counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.access.bindings import bound_at
from signer.access.giving import may_give
from signer.access.principal import Caller, Grant, Principal
from signer.access.roles import DELEGABLE, ROLES, RoleName
from signer.access.where import Where
from signer.client import Client
from signer.v1 import access_pb2 as pb
from tests.signer.access.logging_in import ACCESS, ISSUER, Site, asking, bound, login
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier import dsse
from verifier.repository import Repository
from verifier.statement import Statement

TEAM = "registry.example/team/**"
CI = {"certificate": "spiffe://bank.example/ci"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(found_in(tmp_path_factory.mktemp("bindings") / "service"))


@pytest.fixture(scope="module")
def service(site: Site) -> Iterator[InProcess]:
    with running(site.world) as service:
        yield service


@pytest.fixture(scope="module")
def team(site: Site, service: InProcess) -> Iterator[Client]:
    """The prefix admin of the team."""
    with asking(service, site.prefix_admin()) as client:
        yield client


@pytest.fixture(scope="module")
def admin(site: Site, service: InProcess) -> Iterator[Client]:
    with asking(service, site.admin()) as client:
        yield client


def unbound(client: Client, rule: str) -> pb.UnbindResponse:
    """Have a binding taken back."""
    answer: pb.UnbindResponse
    answer = client.call(ACCESS + "Unbind", pb.UnbindRequest(rule=rule), pb.UnbindResponse)
    return answer


def listed(client: Client) -> list[str]:
    """Return the rules that a caller sees."""
    request = pb.ListBindingsRequest()
    answer = client.call(ACCESS + "ListBindings", request, pb.ListBindingsResponse)
    return [one.rule for one in answer.bindings]


def event(service: InProcess, index: int) -> tuple[str, dict[str, Any]]:
    """Return the kind and the predicate of the event at `index`."""
    body = service.ledger.record(index).body
    statement = Statement.parse(dsse.parse_pae(body)[1])
    return statement.predicate_type, statement.predicate


def events(service: InProcess, kind: str) -> list[int]:
    """Return where the events of this kind are."""
    return service.ledger.store.search("predicate_type", f"urn:sealbook:{kind}", -1, 1000)


def test_each_change_is_an_event(service: InProcess, team: Client) -> None:
    """
    Who bound whom to what, and who took it back, are events of the ledger; what is so already is
    answered with its event, and logged once.
    """
    made = bound(team, "developer", TEAM, **CI)
    again = bound(team, "developer", TEAM, **CI)
    gone = unbound(team, made.binding.rule)
    refused("not-found", lambda: unbound(team, made.binding.rule))

    who = f"{ISSUER}#project_id:500"
    kind, said = event(service, made.index)
    assert "urn:sealbook:role-bound" == kind
    assert {"role": "developer", "repository": TEAM, **CI} == said["binding"]
    assert who == said["bound_by"] == made.binding.bound_by
    assert (False, True, made.index) == (made.known, again.known, again.index)
    kind, said = event(service, gone.index)
    assert "urn:sealbook:role-unbound" == kind
    assert (f"binding:{made.index}", who) == (said["rule"], said["unbound_by"])


@pytest.mark.parametrize(
    ("code", "role", "where"),
    [
        ("permission-denied", "developer", "registry.example/other/**"),
        ("permission-denied", "developer", "registry.example/**"),
        ("permission-denied", "developer", "registry.example/team-evil/**"),
        ("permission-denied", "developer", "registry.example/team"),
        ("permission-denied", "developer", "*"),
        ("permission-denied", "admin", TEAM),
        ("permission-denied", "operator", TEAM),
        ("permission-denied", "auditor", TEAM),
        ("permission-denied", "appender", TEAM),
        ("permission-denied", "monitor", TEAM),
        ("bad-request", "root", TEAM),
        ("bad-request", "developer", "registry.example/team/../other"),
        ("bad-request", "developer", "registry.example/team//**"),
        ("bad-request", "developer", "registry.example/TEAM/**"),
        ("bad-request", "developer", "registry.example/team%2f/**"),
        ("bad-place", "developer", "registry.example/team/{namespace_path}/**"),
    ],
)
def test_inside_the_prefix(
    service: InProcess, team: Client, code: str, role: str, where: str
) -> None:
    """
    A prefix admin binds the roles that it may give, inside its own prefix, and nothing else; what
    is refused is no event.
    """
    before = events(service, "role-bound")
    more = {"issuer": "gitlab", "claims": {"project_id": "1"}} if "{" in where else CI
    refused(code, lambda: bound(team, role, where, **more))
    assert before == events(service, "role-bound")


@pytest.mark.parametrize(
    ("code", "who"),
    [
        ("bad-request", {"networks": ["0.0.0.0/0"]}),  # a developer without any proof
        ("bad-request", {}),
        ("bad-request", {**CI, "issuer": "gitlab", "claims": {"project_id": "1"}}),
        ("bad-request", {"issuer": "gitlab"}),
        ("bad-request", {"issuer": "gitlab", "claims": {"project_path": "team/app"}}),
        ("bad-request", {"issuer": "github", "claims": {"project_id": "1"}}),
        ("bad-request", {**CI, "claims": {"a": "b"}}),
        ("bad-request", {**CI, "networks": ["10.0.0.1/8"]}),
        ("bad-request", {"certificate": "https://bank.example/ci"}),
        ("bad-request", {**CI, "rule": "bindings.0"}),
        ("bad-request", {**CI, "bound_by": "somebody else"}),
    ],
    ids=str,
)
def test_somebody(admin: Client, code: str, who: dict[str, Any]) -> None:
    """
    A binding is about somebody in particular, by what no other can have.
    """
    refused(code, lambda: bound(admin, "developer", TEAM, **who) if who else _nobody(admin))


def _nobody(client: Client) -> None:
    wanted = pb.Binding(role="developer", repository=TEAM)
    client.call(ACCESS + "Bind", pb.BindRequest(binding=wanted), pb.BindResponse)


def test_not_anothers(site: Site, team: Client, admin: Client) -> None:
    """
    Whoever binds inside a prefix sees and takes back what is bound there, and nothing of others;
    nor what they could not have given.
    """
    others = bound(admin, "developer", "registry.example/other/**", **CI)
    auditor = bound(admin, "auditor", TEAM, **CI)
    everywhere = bound(admin, "auditor", "*", **CI)

    assert {others.binding.rule, everywhere.binding.rule} <= set(listed(admin))
    assert {others.binding.rule, everywhere.binding.rule}.isdisjoint(listed(team))
    refused("not-found", lambda: unbound(team, others.binding.rule))
    refused("not-found", lambda: unbound(team, everywhere.binding.rule))
    assert auditor.binding.rule in listed(team)
    refused("permission-denied", lambda: unbound(team, auditor.binding.rule))
    refused("bad-request", lambda: unbound(admin, "bindings.0"))
    assert "bindings.1" in listed(team)  # its own, by the configuration
    assert "bindings.0" not in listed(team)  # claims decide where that is
    for one in (others, auditor, everywhere):
        unbound(admin, one.binding.rule)


def test_counts_at_once(site: Site, service: InProcess, team: Client) -> None:
    """
    Whoever is logged in gets a role with the next call after it was bound, and loses it so.
    """
    token = site.token(namespace_id="9", namespace_path="nine", project_id="900")
    with Client(service.addresses.grpc, login(service, token).session) as job:
        refused("permission-denied", lambda: job.sign(digest(1), REPOSITORY))
        who = {"issuer": "gitlab", "claims": {"project_id": "900"}}
        made = bound(team, "developer", TEAM, **who)
        job.sign(digest(1), REPOSITORY)
        unbound(team, made.binding.rule)
        refused("permission-denied", lambda: job.sign(digest(1), REPOSITORY))


def test_from_a_network(site: Site, service: InProcess, team: Client) -> None:
    """
    A binding that is narrowed to networks counts for calls from there alone.
    """
    token = site.token(namespace_id="8", namespace_path="eight", project_id="800")
    who = {"issuer": "gitlab", "claims": {"project_id": "800"}}
    with Client(service.addresses.grpc, login(service, token).session) as job:
        far = bound(team, "developer", TEAM, **who, networks=["192.0.2.0/24"])
        refused("permission-denied", lambda: job.sign(digest(2), REPOSITORY))
        here = bound(team, "developer", TEAM, **who, networks=["127.0.0.0/8"])
        job.sign(digest(2), REPOSITORY)
        for one in (far, here):
            unbound(team, one.binding.rule)


def test_nobody_in_particular(service: InProcess, team: Client) -> None:
    """
    Whoever may bind inside a prefix lets a network fetch there, and changes nothing for whoever is
    on the service's machine.
    """

    def here() -> pb.Identity:
        with Client(service.addresses.grpc) as client:
            answer: pb.WhoAmIResponse
            answer = client.call(ACCESS + "WhoAmI", pb.WhoAmIRequest(), pb.WhoAmIResponse)
        return answer.identity

    before = here()
    made = bound(team, "runtime", TEAM, networks=["192.0.2.0/24"])
    bindings = service.server._state.bindings

    assert before == here()
    there = bindings.anonymous(Caller("192.0.2.7"))
    grants = (Grant(Where(TEAM), made.binding.rule),)
    assert {"fetch": grants, "report": grants} == dict(there.grants)
    assert not bindings.anonymous(Caller("198.51.100.7")).grants
    unbound(team, made.binding.rule)


def test_first_keeps_the_name(site: Site, service: InProcess) -> None:
    """
    The first id that is seen with a name keeps it, and that is an event; whoever has the name with
    another id is bound to nothing by it.
    """
    mine = {"namespace_path": "pinned", "namespace_id": "70"}
    login(service, site.token(**mine))
    before = events(service, "claim-pinned")
    login(service, site.token(**mine))
    failed = refused(
        "claim-place", lambda: login(service, site.token(**{**mine, "namespace_id": "71"}))
    )

    assert before == events(service, "claim-pinned")
    assert "pinned" in failed.message
    _, said = event(service, before[-1])
    assert {"issuer": ISSUER, "claim": "namespace_id", "value": "70"}.items() <= said.items()


def test_nobody_is_bound(site: Site, service: InProcess) -> None:
    """
    A token that no binding is about gives no session, and is not used up.
    """
    token = site.plain(sub="somebody else")
    refused("permission-denied", lambda: login(service, token))
    refused("permission-denied", lambda: login(service, token))


def test_restart(tmp_path: Path) -> None:
    """
    After a restart the ledger says who is bound, and which id has which name; also when the
    configuration gives its issuers other names, what was pinned stays.
    """
    site = Site(found_in(tmp_path / "service"))
    with running(site.world) as service:
        with asking(service, site.prefix_admin()) as team:
            kept = bound(team, "developer", TEAM, **CI)
            by_token = bound(team, "publisher", TEAM, issuer="gitlab", claims={"project_id": "900"})
            unbound(team, bound(team, "publisher", TEAM, **CI).binding.rule)
        login(service, site.token())
        then = [one.rule for one in bound_at(service.ledger, kept.index + 1)]
    rules = [kept.binding.rule, by_token.binding.rule]
    text = site.world.config.read_text()
    for old, new in (
        ('"gitlab"', '"forge"'),
        (".gitlab]", ".forge]"),
        ('preset = "forge"', 'preset = "gitlab"'),
        ('"plain"', '"gitlab"'),
        (".plain]", ".gitlab]"),
    ):
        text = text.replace(old, new)
    site.world.config.write_text(text)
    with running(site.world) as service:
        bindings = service.server._state.bindings
        assert rules == [one.rule for one in bindings.logged]
        assert [kept.binding.rule] == then
        refused("claim-place", lambda: login(service, site.token(namespace_id="43")))
        # Neither who has another name now is the one that was bound, nor who has that name now.
        mine = site.token(namespace_path="x", namespace_id="1", project_id="900")
        for token in (mine, site.plain(project_id="900")):
            grants = login(service, token).identity.grants
            assert "publish" not in {grant.action for grant in grants}


@settings(max_examples=60)
@given(st.sampled_from(sorted(ROLES)), st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
def test_nobody_gives_more(role: RoleName, path: list[str]) -> None:
    """
    Whoever may bind in a prefix gives roles of that prefix, in places that begin with it.
    """
    place = Where("/".join(["registry.example", *path]))
    own = {"bind": (Grant(Where("registry.example/a/**")),)}
    admin = Principal("x", "y", {**own, "bind-any": (Grant(Where("registry.example/a/**")),)})

    inside = path[0] == "a" and len(path) > 1
    assert inside == may_give(admin, role, place)
    assert (inside and role in DELEGABLE) == may_give(Principal("x", "y", own), role, place)
    assert Repository(place)
