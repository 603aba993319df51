"""From a real issuer's token to a signature, through the whole service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.client import Client
from tests.signer.access.oidc.issuing import AUDIENCE
from tests.signer.access.oidc.kinds import GITLAB
from tests.signer.access.oidc.provided import Provided
from tests.signer.access.oidc.workload import Workload
from tests.signer.asking import annotations, digest, refused
from tests.signer.openbao.server import Bao
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in
from verifier.repository import Repository

_JOB = {name: value for name, value in GITLAB.items() if name != "sub"}


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, bao: Bao, workload: Workload, provided: Provided
) -> World:
    """A founded service that takes tokens of OpenBao, and of oidc-provider as if it were GitLab."""
    made = found_in(tmp_path_factory.mktemp("oidc") / "service")
    with made.config.open("a") as file:
        file.write(f"""
[issuers.bao]
issuer = "{workload.url}"
audience = "{AUDIENCE}"
ca = "{bao.ca}"

[issuers.gitlab]
issuer = "{provided.url}"
audience = "{AUDIENCE}"
preset = "gitlab"
ca = "{provided.directory}/tls.pem"

[[bindings]]
role = "developer"
issuer = "bao"
claims = {{ sub = "{workload.entity}" }}
repository = "registry.example/{{pipeline/team}}/**"

[[bindings]]
role = "developer"
issuer = "gitlab"
claims = {{ ref_protected = "true" }}
repository = "registry.example/{{namespace_path}}/**"
pin = "namespace_id"
""")
    return made


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[InProcess]:
    """The service, running."""
    with running(world) as found:
        yield found


def client(service: InProcess, token: str) -> Client:
    """Return a client, to be closed, with a token of an issuer."""
    return Client(service.addresses.grpc, oidc_token=lambda: token)


def requester(signed: object) -> dict[str, str]:
    """Return what a statement says of who asked for it."""
    start = "sealbook.requester."
    return {
        name.removeprefix(start): value
        for name, value in annotations(signed).items()  # type: ignore[arg-type]
        if name.startswith(start)
    }


def test_openbao(service: InProcess, workload: Workload, patient: None) -> None:
    """
    A build with a token of OpenBao signs where its team's images are, and nowhere else.
    """
    with client(service, workload.token(workload.role("login"))) as build:
        signed = build.sign(digest(1), Repository("registry.example/payments/api"))
        for elsewhere in ("registry.example/payments", "registry.example/payments-x/api"):
            where = Repository(elsewhere)
            refused("permission-denied", lambda where=where: build.sign(digest(1), where))  # type: ignore[misc]

    assert {"issuer": workload.url, "subject": workload.entity} == requester(signed)


def test_gitlab(service: InProcess, world: World, provided: Provided, patient: None) -> None:
    """
    One token of an hour signs the 20 images of a job; it is taken once, and names ids.
    """
    token = provided.token(claims=_JOB, ttl=3600)
    repository = Repository("registry.example/payments/core/api")
    with client(service, token) as job:
        signed = [job.sign(digest(n), repository) for n in range(20)]
    with client(service, token) as again:
        refused("token-used", lambda: again.sign(digest(1), repository))

    assert 20 == len({world.verify(one, repository).index for one in signed})
    expected = {
        "issuer": provided.url,
        "subject": "project_id:20",
        "project_id": "20",
        "namespace_id": "72",
        "ref": "main",
        "ref_protected": "true",
    }
    assert expected == requester(signed[0])


def test_a12_name_taken_over(service: InProcess, provided: Provided, patient: None) -> None:
    """
    A12: whoever has the name of a group by another id, later, gets nothing of it.
    """
    named = {**_JOB, "namespace_path": "given-up"}
    repository = Repository("registry.example/given-up/app")
    with client(service, provided.token(claims=named)) as first:
        first.sign(digest(1), repository)
    later = provided.token(claims={**named, "namespace_id": "9072"})
    with client(service, later) as second:
        refused("claim-place", lambda: second.sign(digest(2), repository))
    with client(service, provided.token(claims=named)) as first:
        first.sign(digest(2), repository)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"pipeline_source": "merge_request_event"}, "token-event"),
        ({"ref_protected": "false"}, "permission-denied"),
        ({"namespace_path": "Payments/Core"}, "claim-place"),
        ({"namespace_path": "payments/../prod"}, "claim-place"),
        ({"project_id": "twenty"}, "token-claim"),
    ],
    ids=str,
)
def test_refused(
    service: InProcess, provided: Provided, patient: None, changed: dict[str, str], code: str
) -> None:
    """
    Whoever is refused is told why by a code, and no session comes of it.
    """
    repository = Repository("registry.example/payments/core/api")
    with client(service, provided.token(claims={**_JOB, **changed})) as job:
        refused(code, lambda: job.sign(digest(1), repository))


def test_issuer_is_away(service: InProcess, workload: Workload, bao: Bao, patient: None) -> None:
    """
    Logins go on while the issuer is sealed: its keys are known.
    """
    where = Repository("registry.example/payments/api")
    role = workload.role("login")
    with client(service, workload.token(role)) as build:
        build.sign(digest(1), where)
    later = workload.token(role)
    bao.seal()
    try:
        with client(service, later) as build:
            assert {"issuer": workload.url, "subject": workload.entity} == requester(
                build.sign(digest(3), where)
            )
    finally:
        bao.unseal()


def test_token_in_no_log(
    service: InProcess, world: World, provided: Provided, patient: None, tmp_path: Path
) -> None:
    """
    No part of a token is in any file of the service, whether it was taken or not.
    """
    taken = provided.token(claims=_JOB)
    refused_one = provided.token(claims={**_JOB, "pipeline_source": "merge_request_event"})
    repository = Repository("registry.example/payments/core/api")
    with client(service, taken) as job:
        job.sign(digest(4), repository)
    with client(service, refused_one) as job:
        refused("token-event", lambda: job.sign(digest(5), repository))
    parts = [part.encode() for token in (taken, refused_one) for part in token.split(".")[1:]]
    for file in world.directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(part in content or part[:40] in content for part in parts), file
