"""Sessions, tokens and keys that are bound to a client certificate; and certificates alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.client import Client
from signer.v1 import access_pb2 as pb
from tests.signer.access.certifying import Authority, Issued
from tests.signer.access.logging_in import ACCESS, Site, bound
from tests.signer.asking import REPOSITORY, annotations, digest, refused
from tests.signer.commands import Done, check_refused, sealbook
from tests.signer.running import InProcess, running
from tests.signer.test_tls import use_tls
from tests.signer.world import found_in
from verifier.repository import Repository

TEAM = "registry.example/team/**"
CERTIFIED = """
[[bindings]]
role = "developer"
repository = "registry.example/team/**"
certificate = "spiffe://bank.example/ci/one"

[[bindings]]
role = "developer"
repository = "registry.example/team/**"
certificate = "spiffe://bank.example/people/alice"
people = true
"""


class Mutual:
    """A service with mutual TLS, and two of its callers."""

    def __init__(self, service: InProcess, site: Site, ca: bytes, clients: Authority) -> None:
        self.service, self.site = service, site
        self._ca, self._clients = ca, clients
        self.one = clients.issue("spiffe://bank.example/ci/one")
        self.other = clients.issue("spiffe://bank.example/ci/other")

    def certified(self, path: str) -> Issued:
        """Return a certificate of somebody."""
        return self._clients.issue(f"spiffe://bank.example/{path}")

    def client(self, issued: Issued, token: str = "", **more: Any) -> Client:
        """Return a client, to be closed, that shows a certificate."""
        more = {"ca": self._ca, "certificate": issued.pem, "key": issued.key, **more}
        return Client(self.service.addresses.grpc, token, **more)

    def whoami(self, issued: Issued, token: str = "") -> pb.Identity:
        """Ask who somebody with this certificate is."""
        with self.client(issued, token) as client:
            name, request = ACCESS + "WhoAmI", pb.WhoAmIRequest()
            answer: pb.WhoAmIResponse = client.call(name, request, pb.WhoAmIResponse)
        return answer.identity

    def login(self, issued: Issued, token: str) -> pb.ExchangeResponse:
        """Exchange a token over somebody's certificate."""
        with self.client(issued) as client:
            return client.exchange(pb.ExchangeRequest(token=token))


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mutual]:
    site = Site(found_in(tmp_path_factory.mktemp("mutual") / "service"), CERTIFIED)
    ca = use_tls(site.world)
    clients = Authority("clients")
    (site.world.directory / "clients.pem").write_bytes(clients.pem)
    site.world.edit("[listen]\n", '[listen]\nclient_ca = "clients.pem"\n')
    with running(site.world) as service:
        yield Mutual(service, site, ca, clients)


def test_a14_session(mutual: Mutual) -> None:
    """
    A14: a session that was made over one workload's certificate is nobody's over another's.
    """
    session = mutual.login(mutual.one, mutual.site.token()).session

    assert "session" == mutual.whoami(mutual.one, session).proof
    refused("no-session", lambda: mutual.whoami(mutual.other, session))


def test_a14_token(mutual: Mutual) -> None:
    """
    A14: a token that names a client certificate (RFC 8705) is taken over that one alone.
    """
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(mutual.one.der).digest())
    token = mutual.site.token(cnf={"x5t#S256": thumbprint.rstrip(b"=").decode()})

    refused("unauthenticated", lambda: mutual.login(mutual.other, token))
    assert mutual.login(mutual.one, token).session  # the refusal has not used it up


def test_a14_long_job(mutual: Mutual) -> None:
    """
    A14: over mutual TLS one token signs all images of a job, and nothing of another workload.
    """
    token = mutual.site.token()
    with mutual.client(mutual.one, oidc_token=lambda: token) as client:
        for n in range(3):
            client.sign(digest(n), REPOSITORY)
    with mutual.client(mutual.other, oidc_token=lambda: token) as thief:
        refused("token-used", lambda: thief.sign(digest(1), REPOSITORY))


def test_certificate_alone(mutual: Mutual) -> None:
    """
    A certificate is enough for what its URI is bound to; an unbound one may do nothing, and is
    told who it is.
    """
    with mutual.client(mutual.one) as client:
        said = annotations(client.sign(digest(5), REPOSITORY))
        refused(
            "permission-denied",
            lambda: client.sign(digest(5), Repository("registry.example/other/app")),
        )
    who = mutual.whoami(mutual.other)

    assert "spiffe://bank.example/ci/one" == said["sealbook.requester.subject"]
    assert ("spiffe://bank.example/ci/other", []) == (who.subject, list(who.grants))
    assert mutual.other.spki_sha256 == who.certificate


def test_pipelines(mutual: Mutual) -> None:
    """
    A certificate is a pipeline when the configuration binds it and not as a person; whoever binds
    inside a prefix makes nobody a pipeline.
    """
    with mutual.client(mutual.one, oidc_token=mutual.site.prefix_admin) as admin:
        bound(admin, "developer", TEAM, certificate="spiffe://bank.example/people/bob")

    assert mutual.whoami(mutual.one).pipeline
    assert not mutual.whoami(mutual.certified("people/alice")).pipeline
    bob = mutual.whoami(mutual.certified("people/bob"))
    assert bob.grants
    assert not bob.pipeline


def test_api_key_of_a_certificate(mutual: Mutual) -> None:
    """
    A15: an API key that is bound to a certificate lets nobody in over another.
    """
    with mutual.client(mutual.one, oidc_token=mutual.site.prefix_admin) as admin:
        request = pb.CreateApiKeyRequest(
            name="bound",
            role="developer",
            repositories=[TEAM],
            certificate=mutual.other.spki_sha256,
        )
        made = admin.call(ACCESS + "CreateApiKey", request, pb.CreateApiKeyResponse)

    assert "api-key" == mutual.whoami(mutual.other, made.secret).proof
    refused("no-api-key", lambda: mutual.whoami(mutual.one, made.secret))


def test_auditor_elsewhere(mutual: Mutual, tmp_path: Path) -> None:
    """
    An auditor reads the ledger over gRPC and HTTPS by a certificate alone; with another one's key,
    or unbound, nobody does.
    """
    auditor = mutual.certified("auditor")
    auditor.write(tmp_path, "auditor")
    mutual.other.write(tmp_path, "other")
    with mutual.client(mutual.one, oidc_token=mutual.site.admin) as admin:
        bound(admin, "auditor", "*", certificate="spiffe://bank.example/auditor")
    there, addresses = mutual.site.world.directory, mutual.service.addresses
    ca, trust = ("--ca", there / "tls.pem"), ("--trust", there / "trust.json")

    def audit(source: tuple[object, ...], certificate: str, key: str) -> Done:
        me = ("--client-certificate", certificate, "--client-key", key)
        return sealbook("audit", *source, "--state", "state.json", *ca, *me, *trust, cwd=tmp_path)

    for source in (("--service", addresses.grpc), (f"https://{addresses.http}",)):
        done = audit(source, "auditor.pem", "auditor.key")
        assert 0 == done.returncode, done.stderr
        assert 0 != audit(source, "other.pem", "other.key").returncode
    check_refused(audit((f"https://{addresses.http}",), "auditor.pem", "other.key"), "key-file")
    (tmp_path / "auditor.key").chmod(0o644)
    check_refused(
        audit((f"https://{addresses.http}",), "auditor.pem", "auditor.key"), "key-file-permissions"
    )
