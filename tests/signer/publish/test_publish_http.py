"""The twins over HTTP, for those without Python; and who is shown what waits, on either side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from signer.v1 import signer_pb2
from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.signer.access.known import bearer, headers
from tests.signer.publish.publishing import Pushed, configure, publishing, push, sign
from tests.signer.running import InProcess
from tests.signer.world import found_in

LIST = "/sealbook.v1.Signer/ListPublications"


class Asked:
    """A service over HTTP, with two images that were published to two repositories."""

    def __init__(self, service: InProcess, images: list[Pushed]) -> None:
        self.service = service
        self.images = images
        self.url = f"http://{service.addresses.http}"

    def publish(self, body: Any, **more: str) -> httpx.Response:
        """Ask for something as curl would."""
        said = more or {"authorization": f"Bearer {self.service.token}"}
        return httpx.post(f"{self.url}/v1/publish", content=json.dumps(body), headers=said)

    def seen(self, role: str, where: str, **query: str) -> list[str]:
        """Return the repositories that a role is shown there, over HTTP."""
        answer = httpx.get(
            f"{self.url}/v1/publications", params=query, headers=headers(role, where)
        )
        assert 200 == answer.status_code, answer.text
        found = [json.loads(line)["publication"] for line in answer.text.splitlines()]
        return [one["repository"] for one in found]

    def seen_by_call(self, role: str, where: str) -> list[str]:
        """Return the same over gRPC."""
        answer = self.service.raw(b"", LIST, bearer(role, where))
        assert "OK" == answer.status, answer
        kind = signer_pb2.ListPublicationsResponse
        return [kind.FromString(one).publication.repository for one in answer.messages]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with FakeReferrersRegistry() as registry:
        world = found_in(tmp_path_factory.mktemp("http") / "service")
        configure(world, registry.address)
        with publishing(world) as service:
            images = [push(registry.address, path, 1) for path in ("team/app", "other/app")]
            asked = Asked(service, images)
            for image in images:
                sign(service, image)
                body = {"repository": image.repository, "digests": [image.digest], "waitMs": 20_000}
                answer = asked.publish(body)
                assert 200 == answer.status_code, answer.text
                [done] = answer.json()["publications"]
                assert ("STATE_ATTACHED", 1) == (done["state"], answer.text.count("STATE_ATTACHED"))
                assert [str(index) for index in image.attached] == done["entries"]
            yield asked


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"digests": []}, 400, "bad-request"),
        ({"repository": "registry.example/team/app"}, 409, "not-published-here"),
        ({"digests": ["sha256:" + "0" * 64]}, 404, "nothing-signed"),
        ({"more": 1}, 400, "unknown-field"),
        ({"waitMs": 60_001}, 400, "over-limit"),
    ],
)
def test_refused(asked: Asked, change: Any, status: int, code: str) -> None:
    """
    What is refused says why, in the codes of the calls.
    """
    image = asked.images[0]
    answer = asked.publish({"repository": image.repository, "digests": [image.digest], **change})

    assert (status, code) == (answer.status_code, answer.json()["code"])


def test_who_may(asked: Asked) -> None:
    """
    Over HTTP, too, who may publish there publishes, and nobody else.
    """
    image = asked.images[0]
    body = {"repository": image.repository, "digests": [image.digest]}

    def status(role: str, where: str) -> int:
        return asked.publish(body, **headers(role, where)).status_code

    assert 200 == status("publisher", image.repository)
    assert 403 == status("publisher", asked.images[1].repository)
    for role in ("developer", "operator", "admin", "auditor", "runtime"):
        assert 403 == status(role, "*"), role
    assert 401 == httpx.post(f"{asked.url}/v1/publish", json=body).status_code


def test_who_sees(asked: Asked) -> None:
    """
    Everybody is shown what is about repositories that they publish to or read; operators, all.
    """
    app, other = (image.repository for image in asked.images)

    for role in ("publisher", "developer"):
        assert {app} == set(asked.seen(role, app)) == set(asked.seen_by_call(role, app)), role
    for role in ("operator", "admin", "auditor"):
        both = set(asked.seen(role, "*"))
        assert {app, other} == both == set(asked.seen_by_call(role, "*")), role
    assert [] == asked.seen("developer", "registry.example/**")
    refused = httpx.get(f"{asked.url}/v1/publications", headers=headers("runtime", "*"))
    assert 403 == refused.status_code


def test_listed(asked: Asked) -> None:
    """
    The list is the newest first, of one repository or of what waits, and as long as was asked for.
    """
    app, other = (image.repository for image in asked.images)

    assert other == asked.seen("auditor", "*", repository=other)[0]
    assert {app} == set(asked.seen("auditor", "*", repository=app))
    assert 1 == len(asked.seen("auditor", "*", limit="1"))
    assert [] == asked.seen("auditor", "*", waiting="true", repository=other)
    for query in ({"limit": "10001"}, {"nothing": "1"}, {"repository": "no"}):
        answer = httpx.get(
            f"{asked.url}/v1/publications", params=query, headers=headers("auditor", "*")
        )
        assert 400 == answer.status_code, query
