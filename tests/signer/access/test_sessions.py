"""Logins: one token, one session, for whoever it was made for, and for as long as it says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import httpx
import pytest

from signer.client import AsyncClient, Client
from signer.errors import TrailError
from signer.v1 import access_pb2 as pb
from tests.signer.access.logging_in import ISSUER, Site, api_key, asking, bound, client_of, login
from tests.signer.asking import PATIENCE_S, REPOSITORY, annotations, digest, refused
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.errors import SealbookError
from verifier.repository import Repository

WHO_AM_I = "/sealbook.v1.Access/WhoAmI"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(found_in(tmp_path_factory.mktemp("logins") / "service"))


@pytest.fixture(scope="module")
def service(site: Site) -> Iterator[InProcess]:
    with running(site.world) as service:
        yield service


@pytest.fixture
def own(tmp_path: Path) -> Site:
    """One for a test that starts it more than once."""
    return Site(found_in(tmp_path / "service"))


def whoami(service: InProcess, secret: str) -> pb.Identity:
    """Ask who holds `secret`."""
    with Client(service.addresses.grpc, secret) as client:
        answer: pb.WhoAmIResponse
        answer = client.call(WHO_AM_I, pb.WhoAmIRequest(), pb.WhoAmIResponse)
    return answer.identity


def test_one_job(site: Site, service: InProcess) -> None:
    """
    A token of an hour, as GitLab gives one to a job, is exchanged once and signs 20 images; the
    statements say whose they are by ids.
    """
    read = []

    def token() -> str:
        read.append(site.token())
        return read[-1]

    with client_of(service, token) as client:
        signed = [client.sign(digest(n), REPOSITORY) for n in range(20)]

    assert 1 == len(read)
    assert 20 == len(set(site.world.indices(signed)))
    said = {
        name.removeprefix("sealbook.requester."): value
        for name, value in annotations(signed[0]).items()
        if name.startswith("sealbook.requester.")
    }
    expected = {
        "issuer": ISSUER,
        "subject": "project_id:4711",
        "project_id": "4711",
        "namespace_id": "42",
        "ref": "main",
        "ref_protected": "true",
    }
    assert expected == said


def test_policy_of_one_project(own: Site) -> None:
    """
    A verifier's policy can demand that one project's builds of a protected branch asked for it.
    """
    (own.world.directory / "policy.toml").write_text(
        'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "registry.example/team"\n'
        "[images.approval]\nrequester = "
        f'{{ issuer = "{ISSUER}", project_id = "4711", ref_protected = "true" }}\n'
    )
    asked = (own.token(), own.token(project_id="4712"), own.token(ref_protected="false"))
    with running(own.world) as service:
        for n, token in enumerate(asked):
            with asking(service, token) as client:
                client.sign(digest(n), REPOSITORY)
        where = ("--repository", REPOSITORY, "--service", service.addresses.grpc)
        where += ("--token-file", "token")
        tried = [
            own.world.command("policy", "try", "policy.toml", digest(n), *where) for n in (0, 1, 2)
        ]

    assert [0, 1, 1] == [done.returncode for done in tried], tried
    assert "4711" in tried[1].stdout + tried[1].stderr


def test_own_places(site: Site, service: InProcess) -> None:
    """
    A session does in the repositories of its claims what it is bound to, and nothing elsewhere.
    """
    with asking(service, site.token()) as client:
        refused(
            "permission-denied",
            lambda: client.sign(digest(1), Repository("registry.example/other/app")),
        )
        refused(
            "permission-denied",
            lambda: client.sign(digest(1), Repository("registry.example/team-evil/app")),
        )
        refused("permission-denied", lambda: bound(client, "developer", "registry.example/team/**"))


def test_a11_replay(site: Site, service: InProcess) -> None:
    """
    A11: a token is taken once. Of a hundred that come at once one becomes a session.
    """
    token = site.token()

    async def one(client: AsyncClient) -> str:
        try:
            return (await client.exchange(pb.ExchangeRequest(token=token))).session
        except SealbookError as e:
            return e.code

    async def all_at_once() -> list[str]:
        async with AsyncClient(service.addresses.grpc) as client:
            return await asyncio.gather(*(one(client) for _ in range(100)))

    found = service.ask(all_at_once())

    assert 99 == found.count("token-used")
    [session] = [each for each in found if each != "token-used"]
    assert "session" == whoami(service, session).proof
    refused("token-used", lambda: login(service, token))


def test_a11_without_id(site: Site, service: InProcess) -> None:
    """
    A11: a token of an issuer that names none is taken once, too.
    """
    token = site.plain()
    login(service, token)
    refused("token-used", lambda: login(service, token))
    login(service, site.plain(more="so that it is another one"))


def test_what_can_be_said(site: Site, service: InProcess) -> None:
    """
    Who would be named by more than a statement can say gets no session, and keeps the token.
    """
    token = site.token(ref="é" * 600)
    refused("unauthenticated", lambda: login(service, token))
    refused("unauthenticated", lambda: login(service, token))


def test_over_http(site: Site, service: InProcess) -> None:
    """
    A job that has curl and nothing else exchanges its token over HTTP, and signs by the session.
    """
    with httpx.Client(base_url=f"http://{service.addresses.http}", timeout=PATIENCE_S) as http:
        made = http.post("/v1/exchange", json={"token": site.token()}).json()
        headers = {"authorization": f"Bearer {made['session']}"}
        body = {"digest": digest(1), "repository": REPOSITORY}
        signed = http.post("/v1/sign", json=body, headers=headers)
        again = http.post("/v1/exchange", json={"token": "a.b.c"})

    assert 200 == signed.status_code, signed.text
    assert (401, "bad-token") == (again.status_code, again.json()["code"])
    assert "project_id:4711" == made["identity"]["subject"]


def test_secret_in_no_header(site: Site, service: InProcess) -> None:
    """
    A13: a session counts when it is sent once, as Bearer, and in no other spelling.
    """
    session = login(service, site.token()).session
    right = ("authorization", f"Bearer {session}")
    assert "OK" == service.raw(b"", WHO_AM_I, [right]).status
    for metadata in (
        [right, right],
        [right, ("authorization", f"Bearer {service.token}")],
        [("authorization", f"Bearer {session} {session}")],
        [("authorization", f"Bearer {session}, Bearer {session}")],
        [("authorization", f"bearer {session}")],
        [("authorization", f"BEARER {session}")],
        [("authorization", f"Bearer  {session}")],
        [("authorization", session)],
        [("authorization", f"Bearer {session}x")],
        [("authorization", f"Bearer {session[:-1]}")],
        [("authorization", f"Bearer {session.upper()}")],
        [("authorization-bin", f"Bearer {session}".encode())],
    ):
        answer = service.raw(b"", WHO_AM_I, metadata)
        assert "UNAUTHENTICATED" == answer.status, (metadata, answer)
        assert session not in str(answer)


def test_restart(own: Site) -> None:
    """
    After a restart a session goes on, and a token that was used stays used.
    """
    with running(own.world) as service:
        token = own.token()
        made = login(service, token)
    with running(own.world) as service:
        assert made.identity.grants == whoami(service, made.session).grants
        refused("token-used", lambda: login(service, token))


def test_lost_database(own: Site) -> None:
    """
    When the database of logins is lost, nobody is logged in, and no token from before counts: it
    may have been used.
    """
    with running(own.world) as service:
        token, unused = own.token(), own.token()
        made = login(service, token)
    (own.world.directory / "access.db").unlink()
    with running(own.world) as service:
        refused("no-session", lambda: whoami(service, made.session))
        refused("token-used", lambda: login(service, token))
        refused("token-used", lambda: login(service, unused))


def test_ends_with_its_issuer(own: Site) -> None:
    """
    A session lives no longer than the configuration lets one, nor than its issuer's tokens.
    """
    own.world.edit("[access]\n", "[access]\nsession_s = 300\n")
    own.world.edit('preset = "gitlab"\n', 'preset = "gitlab"\nlifetime_s = 900\n')
    now = int(time.time())
    with running(own.world) as service:
        new = login(service, own.token(exp=now + 900))
        old = login(service, own.token(iat=now - 700, nbf=now - 700, exp=now + 200))

    assert 295 <= new.expires_at - now <= 310
    assert now + 200 == old.expires_at


def trail(site: Site) -> list[dict[str, Any]]:
    """Return the lines of the audit trail, as objects."""
    files = sorted((site.world.directory / "trail").iterdir())
    lines = b"".join(file.read_bytes() for file in files).splitlines()
    return [json.loads(line) for line in lines]


def test_in_the_trail(own: Site) -> None:
    """
    A login is decided in the audit trail, and refused ones are told; neither line has a secret.
    """
    with running(own.world) as service:
        token = own.token()
        session = login(service, token).session
        refused("token-used", lambda: login(service, token))
    told = [json.dumps(line) for line in trail(own)]

    [decided] = [line for line in told if "decision" in line and '"exchange"' in line]
    assert f"{ISSUER}#project_id:4711" in decided
    assert "bindings.0" in decided
    [denied] = [line for line in told if "token-used" in line]
    assert "denied" in denied
    assert not [line for line in told if session in line or token in line]


def test_not_without_the_trail(own: Site) -> None:
    """
    When the trail cannot be written nobody logs in, no key is made or ended, and no token is used.
    """
    with running(own.world) as service:
        token, decide = own.token(), service.server._trail.decide
        with Client(service.addresses.grpc, oidc_token=own.admin) as admin:
            key = api_key(admin, "*")

            def full(*_: object, **__: object) -> NoReturn:
                raise TrailError("no space left")

            service.server._trail.decide = full  # type: ignore[method-assign]
            refused("audit-trail", lambda: login(service, token))
            refused("audit-trail", lambda: api_key(admin, "*"))
            request = pb.RevokeApiKeyRequest(id=key.key.id)
            name = "/sealbook.v1.Access/RevokeApiKey"
            refused("audit-trail", lambda: admin.call(name, request, pb.RevokeApiKeyResponse))
            service.server._trail.decide = decide  # type: ignore[method-assign]
        assert "api-key" == whoami(service, key.secret).proof
        login(service, token)


def test_reload(own: Site) -> None:
    """
    What the configuration binds no more is lost with the next call after it was loaded again, and
    a session ends with its issuer.
    """
    with running(own.world) as service:
        session, plain = login(service, own.token()).session, login(service, own.plain()).session
        text = own.world.config.read_text()
        own.world.edit(
            'role = "developer"\nrepository = "registry.example/{',
            'role = "runtime"\nrepository = "registry.example/{',
        )
        assert 0 == own.world.command("config", "reload").returncode
        assert {"fetch", "report"} == {grant.action for grant in whoami(service, session).grants}
        head, _, rest = text.partition("[issuers.plain]")
        own.world.config.write_text(
            head + rest[rest.index("[[bindings]]") : rest.rindex("[[bindings]]")]
        )
        assert 0 == own.world.command("config", "reload").returncode
        refused("unauthenticated", lambda: whoami(service, plain))
        assert "sign" in {grant.action for grant in whoami(service, session).grants}


@pytest.mark.parametrize("clock", ["on the wall", "that nobody sets"])
def test_ends(site: Site, service: InProcess, clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A session ends by the clock on the wall, and by one that nobody sets back.
    """
    sessions = service.server._state.sessions
    made = login(service, site.token())
    left_s = made.expires_at - time.time()
    real = time.monotonic
    for later_s, lets in ((left_s - 5, True), (left_s + 1, False)):
        if clock == "on the wall":
            monkeypatch.setattr(sessions, "_clock", lambda s=later_s: time.time() + s)
        else:
            moved = SimpleNamespace(monotonic=lambda s=later_s: real() + s)
            monkeypatch.setattr("signer.access.sessions.time", moved)
        if lets:
            assert "session" == whoami(service, made.session).proof
        else:
            refused("no-session", lambda: whoami(service, made.session))
