"""README's "Put it into production", typed as it stands: from `sealbook init` to three roles.

What is put in the place of what the page names: a local issuer that stands in for GitHub, with
its authority; the name `localhost`, and free ports on loopback. Each person, and the runner, has
a directory with what the page gives them, and nothing of the service's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.signer.asking import PATIENCE_S, digest
from tests.signer.commands import ROOT, Done, check_refused, free_address, sealbook
from tests.signer.github_standin import GitHub
from tests.signer.place import Place
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.verify import Verifier

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq"
)

_SECTION = re.compile(r"^## Put it into production\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GITHUB = "https://token.actions.githubusercontent.com"
OWNED = "bank/payments"  # a repository of the organisation that may sign
IMAGES = f"registry.bank.example/{OWNED}"


def blocks() -> list[str]:
    """Return what the page has for a shell: the service's, the runner's, Olga's and Anna's."""
    [section] = _SECTION.findall((ROOT / "README.md").read_text())
    found = _BLOCK.findall(section)
    assert 4 == len(found)
    return [str(block) for block in found]


class Site:
    """The service of the page, and everybody who calls it."""

    def __init__(self, folder: Path, github: GitHub) -> None:
        grpc, http = free_address(), free_address()
        self.grpc, self.http = (f"localhost:{at.rpartition(':')[2]}" for at in (grpc, http))
        self._words = {
            "0.0.0.0:8640": grpc,
            "0.0.0.0:8641": http,
            "ledger.bank.example:8640": self.grpc,
            "ledger.bank.example": "localhost",
            "10.0.0.0/8": "127.0.0.0/8",
            f'issuer = "{_GITHUB}"': f'issuer = "{github.issuer}"\nca = "{github.ca}"',
        }
        self.folder = folder
        self.machine = Place(folder / "machine", self._words)
        self.service = self.machine.directory / "service"
        self.pid = 0

    def found(self, block: str) -> None:
        """Type the service's block, and wait until it serves."""
        self.machine.type(f"{block}\necho $! > serve.pid\n")
        self.pid = int((self.service / "serve.pid").read_text())
        end = time.monotonic() + PATIENCE_S
        while "serving gRPC on" not in (self.machine.directory / "out").read_text():
            assert time.monotonic() < end, (self.machine.directory / "err").read_text()
            time.sleep(0.02)

    def place(self, name: str, *files: str, **variables: str) -> Place:
        """Return a place elsewhere, with copies of some files of the service's directory."""
        place = Place(self.folder / name, self._words, **variables)
        for file in files:
            shutil.copy(self.service / file, place.directory)
        return place

    def sealbook(self, who: str, *words: str) -> Done:
        """Run a command in this process, which saves starting one, with somebody's certificate."""
        shown = ("--client-certificate", f"{who}.pem", "--client-key", f"{who}.key")
        place = ("--service", self.grpc, "--ca", "tls/servers.pem", *shown) if who else ()
        return sealbook(*words, *place, cwd=self.service)

    def login(self, github: GitHub, **claims: str) -> Done:
        """Have a job log in, with other claims than it has."""
        job = github.job(OWNED, **OURS | claims)
        token = github.job_token(job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], "localhost")
        (self.service / "oidc.jwt").write_text(token)
        (self.service / "session").unlink(missing_ok=True)
        return self.sealbook(
            "ci", "access", "login", "--oidc-token-file", "oidc.jwt", "--out", "session"
        )

    def post(
        self, route: str, message: dict[str, str], session: str = "", who: str = ""
    ) -> tuple[int, str]:
        """Post JSON, perhaps with a session and a certificate; return status and code."""
        context = ssl.create_default_context(cafile=str(self.service / "tls/servers.pem"))
        if who:
            context.load_cert_chain(self.service / f"{who}.pem", self.service / f"{who}.key")
        headers = {"authorization": f"Bearer {session}"} if session else {}
        request = Request(
            f"https://{self.http}/v1/{route}", json.dumps(message).encode(), headers, method="POST"
        )
        try:
            with urlopen(request, context=context) as answer:
                return answer.status, ""
        except HTTPError as e:
            return e.code, str(json.load(e)["code"])

    def pin(self) -> tuple[str, str]:
        """Return the option that says which trust file a node begins with."""
        return "--pin", sha256((self.service / "trust.json").read_bytes()).hexdigest()

    def stop(self) -> None:
        """End the service."""
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            end = time.monotonic() + PATIENCE_S
            while Path(f"/proc/{self.pid}").exists() and time.monotonic() < end:
                time.sleep(0.02)


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    """Return an issuer that stands in for GitHub."""
    found = GitHub(tmp_path_factory.mktemp("github") / "issuer")
    yield found
    found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, github: GitHub) -> Iterator[Site]:
    """Return the service that the page's first block makes."""
    site = Site(tmp_path_factory.mktemp("site"), github)
    try:
        site.found(blocks()[0])
        yield site
    finally:
        site.stop()


OURS = {"repository_owner_id": "4711", "repository_id": "1"}


def runner(site: Site, github: GitHub) -> Place:
    """Return a runner with the pipeline's secrets and a job."""
    job = github.job(OWNED, **OURS)
    files = ("ci.pem", "ci.key", "tls/servers.pem")
    return site.place("runner", *files, CURL_CA_BUNDLE=str(github.ca), DIGEST=str(digest(1)), **job)


def test_the_page(site: Site, github: GitHub) -> None:
    """
    A pipeline signs with what the page gives it, Olga runs the service, and Anna sees all of it.
    """
    _, signing, running, reading = blocks()
    job = runner(site, github)
    olga = site.place("olga", "olga.pem", "olga.key", "tls/servers.pem")
    anna = site.place("anna", "anna.pem", "anna.key", "tls/servers.pem", "trust.json")

    job.type(signing)
    [bundle] = job.directory.glob("*.bundle.json")
    verdict = TrustRoot.parse((site.service / "trust.json").read_bytes())
    Verifier(verdict).verify(bundle.read_bytes(), digest(1), Repository(IMAGES))
    assert "release" in olga.type(running)
    told = anna.type(reading)

    assert 0o600 == (job.directory / "session").stat().st_mode & 0o777
    assert "repository_id:1" in told
    assert "spiffe://bank.example/people/olga" in told


def test_nodes(site: Site) -> None:
    """
    A node has the trust files without a secret, and is shown no list.
    """
    ledger, roots = f"https://{site.http}", ("--ca", "tls/servers.pem")

    done = site.sealbook("", "trust", "sync", ledger, "node", *site.pin(), *roots)
    assert 0 == done.returncode, done.stderr
    audit = site.sealbook("", "audit", ledger, "--trust", "trust.json", "--state", "state", *roots)
    assert "found 401" in check_refused(audit, "source")


def test_each_does_only_what_is_theirs(site: Site, github: GitHub) -> None:
    """
    No role of the page does another's work: a pipeline signs in its own repository alone, Olga and
    Anna sign nothing, Anna runs nothing, and a pull request is nobody.
    """
    sign = ("sign", str(digest(2)), "--repository")
    assert 0 == site.login(github).returncode
    session = ("--token-file", "session")

    check_refused(
        site.sealbook("ci", *sign, "registry.bank.example/bank/other", *session),
        "permission-denied",
    )
    for claim, value, code in (
        ("repository_owner_id", "4712", "permission-denied"),
        ("repository_id", "2", "claim-place"),
        ("event_name", "pull_request", "token-event"),
    ):
        check_refused(site.login(github, **{claim: value}), code)
    for person in ("olga", "anna"):
        check_refused(site.sealbook(person, *sign, IMAGES), "permission-denied")
    check_refused(site.sealbook("anna", "key", "list"), "permission-denied")
    check_refused(site.sealbook("ci", *sign, IMAGES), "permission-denied")


def test_a_stolen_session(site: Site, github: GitHub) -> None:
    """
    A session is worth nothing with another certificate, or without one, and its token is spent.
    """
    assert 0 == site.login(github).returncode
    sign = ("sign", str(digest(3)), "--repository", IMAGES, "--token-file", "session")

    check_refused(site.sealbook("olga", *sign), "no-session")
    again = ("access", "login", "--oidc-token-file", "oidc.jwt", "--out", "again")
    check_refused(site.sealbook("ci", *again), "token-used")
    bare = site.sealbook("", *sign, "--service", site.grpc, "--ca", "tls/servers.pem")
    check_refused(bare, "unreachable")  # TLS has ended before anything was read
    assert 0 == site.sealbook("ci", *sign).returncode


def test_a_token_alone(site: Site, github: GitHub) -> None:
    """
    Over HTTP, too, a token that was stolen is worth nothing without a certificate of the clients'
    authority: it makes no session, and a session signs nothing.
    """
    assert 0 == site.login(github).returncode
    session = (site.service / "session").read_text().strip()
    job = github.job(OWNED, **OURS)
    token = github.job_token(job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], "localhost")
    order = {"digest": str(digest(4)), "repository": IMAGES}

    assert (401, "unauthenticated") == site.post("exchange", {"token": token})
    assert (401, "unauthenticated") == site.post("sign", order, session)
    assert (200, "") == site.post("sign", order, session, "ci")
    assert (200, "") == site.post("exchange", {"token": token}, who="ci")


def test_what_stays(site: Site) -> None:
    """
    What the page takes off the machine is not needed there, and no key of it is left behind.
    """
    kept = {path.name for path in (site.service / "keys").iterdir()}

    assert not {"root.pem", "trust-root.pem"} & kept
    assert not list((site.service / "tls").glob("clients.key"))
    assert json.loads((site.service / "trust.json").read_bytes())
