"""`pipelines_only`: no person signs there at all; and requests for approval, seen by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from signer.v1 import approvals_pb2, signer_pb2
from tests.signer.access.known import bearer, known
from tests.signer.agreeing import guarded, protect
from tests.signer.asking import SIGN, digest, order
from tests.signer.messaging import CUSTOM, prepared, statement
from tests.signer.running import InProcess, running

PIPELINES = "registry.bank/payments"
THEIRS, FREE = f"{PIPELINES}/app", "registry.bank/free/app"
RULES = f'[[protected]]\nunder = "{PIPELINES}"\npipelines_only = true\n'
PIPELINE = bearer("developer", name="pipeline")
SIGN_MESSAGE = "/sealbook.v1.Signer/SignMessage"
APPROVALS = "/sealbook.v1.Approvals/"
PERSONS = {
    "person": bearer("developer", name="alice"),
    "person by certificate": bearer("developer", "*", "certificate", "alice"),
    "API key": bearer("developer", "*", "api-key", "pipeline"),
    "token": bearer("developer", "*", "token", "pipeline"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service where pipelines alone sign for payments."""
    world = prepared(tmp_path_factory.mktemp("people") / "service")
    protect(world, RULES)
    with running(world, known) as one:
        yield one


def attest(service: InProcess, repository: str, who: list[tuple[str, str]]) -> str:
    """Attest about an image over HTTP, and return the code."""
    answer = httpx.post(
        f"http://{service.addresses.http}/v1/attest",
        params={"digests": digest(1), "repository": repository, "predicate_type": CUSTOM},
        content=b"{}",
        headers=dict(who),
    )
    return "" if answer.status_code == 200 else str(answer.json()["code"])


def message(service: InProcess, repository: str, who: list[tuple[str, str]]) -> str:
    """Have a message of another tool signed, and return the code."""
    request = signer_pb2.SignMessageRequest(
        message=statement(1, name=repository), key="release", repository=repository
    )
    return service.raw(request.SerializeToString(), SIGN_MESSAGE, who).code


def sign(service: InProcess, repository: str, who: list[tuple[str, str]]) -> str:
    """Have an image approved, and return the code."""
    return service.raw(order(1, repository=repository).SerializeToString(), SIGN, who).code


@pytest.mark.parametrize("how", [sign, attest, message])
@pytest.mark.parametrize("who", PERSONS)
def test_persons(service: InProcess, who: str, how: object) -> None:
    """
    Whoever is no pipeline, or is known by what anybody may hold, has nothing signed there,
    whatever their roles; what a pipeline had signed is not answered to them either.
    """
    assert callable(how)
    assert "" == how(service, THEIRS, PIPELINE)
    before = service.tree_size
    assert "permission-denied" == how(service, THEIRS, PERSONS[who])
    assert before == service.tree_size
    assert "" == how(service, FREE, PERSONS[who])


def test_of_no_repository(service: InProcess) -> None:
    """
    What names no repository may be for any, so persons have nothing unread signed either.
    """
    request = signer_pb2.SignMessageRequest(digest=b"x" * 32, key="blind").SerializeToString()
    answer = service.raw(request, SIGN_MESSAGE, service.metadata)

    assert ("PERMISSION_DENIED", "permission-denied") == (answer.status, answer.code)
    assert "only pipelines" in answer.details


def test_partly_of_no_repository(service: InProcess) -> None:
    """
    Nor what is about a free repository and, in the same message, about none.
    """
    subjects = [
        {"digest": {"sha256": digest(1).hex}, "name": FREE},
        {"digest": {"sha256": digest(2).hex}},
    ]
    message = statement(1, subject=subjects)
    request = signer_pb2.SignMessageRequest(message=message, key="release").SerializeToString()
    answer = service.raw(request, SIGN_MESSAGE, PERSONS["person"])

    assert "permission-denied" == answer.code
    assert "only pipelines" in answer.details
    assert "OK" == service.raw(request, SIGN_MESSAGE, PIPELINE).status


def test_requests(tmp_path: Path) -> None:
    """
    A request for approval is shown to whoever may read what it is for, and approved by whoever
    may agree there; to others it is as none (R3).
    """
    elsewhere = "registry.bank/elsewhere/**"
    with running(guarded(tmp_path / "service"), known) as service:
        asked = order(1, repository=THEIRS).SerializeToString()
        id_ = dict(service.raw(asked, SIGN, PIPELINE).metadata)["sealbook-request"]
        approved = {}
        for who in ("approver", "auditor"):
            for where in ("*", f"{PIPELINES}/**", elsewhere):
                caller = bearer(who, where)
                listed = service.raw(b"", APPROVALS + "ListRequests", caller)
                shown = listed.message(approvals_pb2.ListRequestsResponse).requests
                get = approvals_pb2.GetRequestRequest(id=str(id_)).SerializeToString()
                one = service.raw(get, APPROVALS + "GetRequest", caller)
                other = approvals_pb2.GetRequestRequest(id="0" * len(id_)).SerializeToString()
                none = service.raw(other, APPROVALS + "GetRequest", caller)
                assert (where != elsewhere) == bool(shown)
                if shown:
                    assert "OK" == one.status
                else:
                    assert none.details.replace("0" * len(id_), "X") == one.details.replace(
                        str(id_), "X"
                    )
        found = service.raw(
            approvals_pb2.GetRequestRequest(id=str(id_)).SerializeToString(),
            APPROVALS + "GetRequest",
            bearer("approver"),
        ).message(approvals_pb2.OpenRequest)
        assert found.canonical
        for where in (elsewhere, f"{PIPELINES}/**"):
            request = approvals_pb2.ApproveRequest(id=str(id_), person="alice", signature=b"x" * 64)
            answer = service.raw(
                request.SerializeToString(), APPROVALS + "Approve", bearer("approver", where)
            )
            approved[where] = answer.code

    assert "unknown-request" == approved[elsewhere]
    assert approved[f"{PIPELINES}/**"] not in {"unknown-request", "permission-denied"}
