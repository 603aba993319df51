"""What a client, a command and a plugin do to be known, and what they never show."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.client import Client
from signer.client.credentials import Credentials
from signer.plugins import service as plugin
from signer.v1 import access_pb2 as pb
from tests.signer.access.logging_in import ACCESS, ISSUER, Site, client_of
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.canaries import Canary, leaks, leaks_in_files
from tests.signer.commands import Done, check_refused, one, sealbook
from tests.signer.running import InProcess, running
from tests.signer.world import found_in

TEAM = "registry.example/team/**"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(found_in(tmp_path_factory.mktemp("clients") / "service"))
    site.world.edit("[access]\n", "[access]\nsession_s = 60\n")
    return site


@pytest.fixture(scope="module")
def service(site: Site) -> Iterator[InProcess]:
    with running(site.world) as service:
        yield service


def whoami(client: Client) -> pb.Identity:
    """Ask who we are."""
    answer: pb.WhoAmIResponse
    answer = client.call(ACCESS + "WhoAmI", pb.WhoAmIRequest(), pb.WhoAmIResponse)
    return answer.identity


def test_new_token_new_session(site: Site, service: InProcess) -> None:
    """
    Before its session ends a client reads its token again: a new one becomes a session, the old
    one's session goes on.
    """
    first, second = site.token(), site.token(project_id="4712")
    tokens = [first, first, second, second]
    with client_of(service, lambda: tokens.pop(0)) as client:
        found = [whoami(client).subject for _ in range(4)]

    assert ["project_id:4711"] * 2 + ["project_id:4712"] * 2 == found


def test_unknown_session(site: Site, service: InProcess) -> None:
    """
    A client whose session the service does not know logs in again with the next call.
    """
    tokens = [site.token()]
    with client_of(service, lambda: tokens[-1]) as client:
        whoami(client)
        service.ask(_forget(service))
        refused("no-session", lambda: whoami(client))
        refused("token-used", lambda: whoami(client))
        tokens.append(site.token())
        assert "session" == whoami(client).proof


async def _forget(service: InProcess) -> None:
    service.server._state.sessions._sessions.clear()


def test_shows_nothing() -> None:
    """
    Credentials say what there is, and none of it.
    """
    shown = repr(Credentials("hunter2", b"roots", b"certificate", b"private", lambda: "jwt"))

    assert "<credentials: token, ca, certificate, key, oidc_token>" == shown


class Commands:
    """Runs commands as somebody elsewhere: by options, in a directory of their own."""

    def __init__(self, site: Site, service: InProcess, directory: Path) -> None:
        self.directory = directory
        self._site, self._service = site, service
        (directory / "job.jwt").write_text(site.token() + "\n")

    def __call__(self, *args: object) -> Done:
        """Run a command that reaches the service."""
        return sealbook(*args, "--service", self._service.addresses.grpc, cwd=self.directory)


@pytest.fixture
def elsewhere(site: Site, service: InProcess, tmp_path: Path) -> Commands:
    return Commands(site, service, tmp_path)


def test_login(elsewhere: Commands) -> None:
    """
    `sealbook access login` writes a session that nobody else can read, and prints no secret; by
    it other commands sign, in the places of the token's claims.
    """
    login = ("access", "login", "--oidc-token-file", "job.jwt", "--out", "session")
    done = elsewhere(*login)
    session = elsewhere.directory / "session"
    assert 0 == done.returncode, done.stderr
    assert f"logged in as {ISSUER}#project_id:4711 until " in done.stdout
    assert f"may       attest, fetch, read, sign, watch in {TEAM}" in done.stdout
    assert session.read_text().strip() not in done.stdout
    assert 0o600 == stat.S_IMODE(session.stat().st_mode)

    by_session = ("--token-file", "session")
    for n in range(2):
        signed = elsewhere("sign", digest(n), "--repository", REPOSITORY, *by_session)
        assert 0 == signed.returncode, signed.stderr
    said = one(elsewhere("access", "whoami", *by_session, "--json"))
    assert ("session", True, "127.0.0.1") == (said["proof"], said["pipeline"], said["address"])
    again = elsewhere(*login)
    assert "(token-used)" in check_refused(again, "token-used")
    assert "--token-file" in again.stderr


def test_login_anew(site: Site, elsewhere: Commands) -> None:
    """
    A second login puts its session in the place of the first one.
    """
    found = []
    for _ in range(2):
        (elsewhere.directory / "job.jwt").write_text(site.token())
        done = elsewhere("access", "login", "--oidc-token-file", "job.jwt", "--out", "s", "--json")
        assert 0 == done.returncode, done.stderr
        assert one(done)["expires_at"] - time.time() < 61
        found.append((elsewhere.directory / "s").read_text())

    assert found[0] != found[1]
    assert {"job.jwt", "s"} == {file.name for file in elsewhere.directory.iterdir()}


def test_at_once(elsewhere: Commands) -> None:
    """
    For one image a command takes the token itself.
    """
    more = ("--repository", REPOSITORY, "--oidc-token-file", "job.jwt")
    assert 0 == elsewhere("sign", digest(3), *more).returncode
    check_refused(elsewhere("sign", digest(4), *more), "token-used")


def test_environment(
    site: Site, service: InProcess, elsewhere: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A pipeline says once, in its environment, where the service is and who calls; so the plugins
    take it. A session there wins over a token.
    """
    monkeypatch.setenv("SEALBOOK_SERVICE", service.addresses.grpc)
    monkeypatch.setenv("SEALBOOK_OIDC_TOKEN_FILE", "job.jwt")
    monkeypatch.setenv("SEALBOOK_TOKEN_FILE", "session")
    assert 0 == elsewhere("access", "login", "--out", "session").returncode
    for _ in range(2):
        assert "session" == one(elsewhere("access", "whoami", "--json"))["proof"]
    monkeypatch.chdir(elsewhere.directory)
    with plugin.connect() as client:
        assert "session" == whoami(client).proof
    monkeypatch.delenv("SEALBOOK_TOKEN_FILE")
    Path("job.jwt").write_text(site.token())
    with plugin.connect() as client:
        assert "session" == whoami(client).proof


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("config", ("--client-certificate", "c.pem")),
        ("config", ("--client-key", "c.key", "--token-file", "t")),
        ("key-file", ("--token-file", "missing")),
        ("unreadable", ("--oidc-token-file", "missing")),
        ("bad-request", ("--oidc-token-file", "empty")),
        ("bad-request", ("--oidc-token-file", "large")),
    ],
    ids=str,
)
def test_bad_credentials(elsewhere: Commands, code: str, args: tuple[str, ...]) -> None:
    """
    Who cannot say who they are is told why, before anything is sent.
    """
    (elsewhere.directory / "empty").write_text("\n")
    (elsewhere.directory / "large").write_text("x" * 20_000)
    check_refused(elsewhere("access", "whoami", *args), code)


def test_admin_here(site: Site, service: InProcess) -> None:
    """
    On the service's machine its admin binds, makes keys, lists and takes back, in words and JSON.
    """
    run = site.world.command
    bind = ("access", "bind", "developer", TEAM, "--certificate", "spiffe://bank.example/ci")
    bound, again = run(*bind), run(*bind)
    assert 0 == bound.returncode, bound.stderr
    assert bound.stdout.startswith(f"bound: spiffe://bank.example/ci is developer in {TEAM}\n")
    assert again.stdout.startswith("was bound before: ")
    rule = bound.stdout.split()[-1]
    shown = run("access", "bindings").stdout
    assert "bindings.0" in shown
    [line] = [line for line in shown.splitlines() if line.startswith(f"{rule} ")]
    assert line.endswith("spiffe://bank.example/ci  by urn:sealbook:socket#admin")
    assert rule in [
        json.loads(each)["rule"] for each in run("access", "bindings", "--json").stdout.splitlines()
    ]
    assert 0 == run("access", "unbind", rule).returncode
    check_refused(run("access", "unbind", rule), "not-found")
    by_claims = ("access", "bind", "publisher", "*", "--issuer", "gitlab", "--claim")
    done = run(*by_claims, "project_id=1", "--from", "10.0.0.0/8")
    assert "gitlab project_id=1 from 10.0.0.0/8 is publisher in *" in done.stdout
    check_refused(run(*by_claims, "project_id"), "bad-request")
    assert "over the admin socket" in run("access", "whoami").stdout


def test_apikey_here(site: Site, service: InProcess) -> None:
    """
    A key is shown once, or written for its holder alone; it is listed, and ended.
    """
    run, there = site.world.command, site.world.directory
    create = ("apikey", "create", "nightly", "--role", "developer", "--repository", TEAM)
    shown = one(run(*create, "--ttl", "24h", "--json"))
    kept = run(*create, "--out", "scan.key")
    secret = (there / "scan.key").read_text().strip()
    assert 0 == kept.returncode, kept.stderr
    assert secret.partition(".")[2] not in kept.stdout
    assert 0o600 == stat.S_IMODE((there / "scan.key").stat().st_mode)
    check_refused(run(*create, "--out", "scan.key"), "bad-request")
    check_refused(run(*create, "--ttl", "25h"), "bad-request")
    check_refused(run(*create, "--ttl", "1d"), "bad-request")
    with Client(service.addresses.grpc, shown["secret"]) as client:
        assert shown["id"] == whoami(client).subject
    listed = run("apikey", "list").stdout
    id_ = secret.partition(".")[0]
    assert {shown["id"], id_} <= {line.split()[0] for line in listed.splitlines()}
    check_refused(run("apikey", "revoke", secret), "bad-request")
    assert "REVOKED" in run("apikey", "revoke", id_).stdout
    assert run("apikey", "revoke", id_).stdout.startswith("had ended before: ")
    assert id_ not in run("apikey", "list").stdout
    assert id_ in run("apikey", "list", "--all").stdout


def test_canaries(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """
    No token, session or API key is in a log, a refusal, an event, the trail or the database, in
    whatever spelling: of those that count, those that are refused, and those with a mistake.
    """
    own = Site(found_in(tmp_path / "service"))
    token, wrong = own.token(), own.token(project_path="broken")
    said: list[str] = []
    with running(own.world) as service:
        with Client(service.addresses.grpc) as client:
            session = client.exchange(pb.ExchangeRequest(token=token)).session
            cut = wrong[:-20] + "A" * 20
            for bad in (token, cut, wrong[:-1]):
                with pytest.raises(Exception) as caught:
                    client.exchange(pb.ExchangeRequest(token=bad))
                said.append(repr(caught.value) + str(caught.value))
        made = json.loads(
            own.world.command(
                *("apikey", "create", "nightly", "--role", "developer"),
                *("--repository", TEAM, "--json"),
            ).stdout
        )
        for secret in (session, made["secret"], session[:-1] + "x", made["secret"][:-1] + "x"):
            with Client(service.addresses.grpc, secret) as client:
                try:
                    client.sign(digest(1), REPOSITORY)
                except Exception as e:  # noqa: BLE001  all of them are looked at
                    said.append(repr(e) + str(e))
        own.world.command("apikey", "revoke", made["id"])
        canaries = [
            Canary(name, text.encode())
            for name, text in (
                ("token", token.rpartition(".")[2][:100]),
                ("cut token", wrong.rpartition(".")[2][:100]),
                ("session", session[4:40]),
                ("api key", made["secret"].partition(".")[2][:40]),
            )
        ]
        state = service.server._state
        shown = repr(state) + repr(state.sessions._sessions) + repr(state.api_keys._keys)
        files = leaks_in_files(own.world.directory, canaries)
    out, err = capfd.readouterr()

    assert 5 <= len(said)
    for where, text in (("log", out + err), ("refusals", "".join(said)), ("repr", shown)):
        assert [] == leaks(where, text.encode(), canaries)
    assert [] == files
    assert session.encode() not in (own.world.directory / "access.db").read_bytes()
