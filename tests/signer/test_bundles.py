"""Bundles of one digest: all of them, a page at a time, from whichever side they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from signer.v1 import signer_pb2
from tests.signer.asking import REPOSITORY, digest, item
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.repository import Repository

COUNT = 150
RARE = Repository("registry.example/team/rare")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service where image 1 was approved 150 times, and then once in another repository."""
    with running(found_in(tmp_path_factory.mktemp("bundles") / "service")) as service:
        items = [item(1, annotations={"n": str(n)}) for n in range(COUNT)]
        service.asking(lambda client: client.sign_batch(REPOSITORY, items))
        service.asking(lambda client: client.sign(digest(1), RARE))
        yield service


def indices(service: InProcess, bundles: list[bytes]) -> list[int]:
    """Judge bundles, and return where they are."""
    verifier = service.verifier
    return [verifier.verify(bundle, digest(1), None).index for bundle in bundles]


def test_grpc(service: InProcess) -> None:
    """
    All bundles are streamed in order, under one checkpoint.
    """
    request = signer_pb2.GetBundlesRequest(digest=digest(1))
    answer = service.raw(request.SerializeToString(), "/sealbook.v1.Signer/GetBundles")
    messages = [signer_pb2.GetBundlesResponse.FromString(m) for m in answer.messages]

    assert list(range(1, COUNT + 2)) == indices(service, [m.signature.bundle for m in messages])
    assert 1 == len({m.checkpoint.note for m in messages})


def test_grpc_of_a_repository(service: InProcess) -> None:
    """
    The one bundle of a repository is found behind any number of others.
    """
    bundles = service.asking(lambda client: client.bundles(digest(1), RARE))

    assert [COUNT + 1] == indices(service, bundles)


def pages(service: InProcess, **params: str) -> list[list[bytes]]:
    """Return all pages that the HTTP side has."""
    found, start = [], 0
    with httpx.Client(base_url=f"http://{service.addresses.http}") as client:
        while True:
            params["start"] = str(start)
            answer = client.get(f"/v1/bundles/{digest(1)}", params=params)
            assert 200 == answer.status_code
            found.append([json.dumps(bundle).encode() for bundle in answer.json()["bundles"]])
            start = answer.json()["next"]
            if not start:
                return found


def test_http(service: InProcess) -> None:
    """
    Pages follow each other without gap or repetition, and the last one says that it is.
    """
    found = pages(service)
    everything = indices(service, [bundle for page in found for bundle in page])

    assert list(range(1, COUNT + 2)) == everything
    assert [64, 64, 23] == [len(page) for page in found]


def test_http_of_a_repository(service: InProcess) -> None:
    """
    The bundle of a repository is on the first page, however many of others are before it.
    """
    [found] = pages(service, repository=RARE)

    assert [COUNT + 1] == indices(service, found)


@pytest.mark.parametrize(
    ("start", "status"),
    [("-1", 400), ("x", 400), ("01", 400), ("", 400), (str(2**63), 400), (str(2**63 - 1), 200)],
)
def test_http_start(service: InProcess, start: str, status: int) -> None:
    """
    Where a page starts is a position, in its one spelling.
    """
    url = f"http://{service.addresses.http}/v1/bundles/{digest(1)}"
    answer = httpx.get(url, params={"start": start})

    assert status == answer.status_code
    assert ("bad-integer" if status == 400 else 0) == answer.json().get(
        "code", answer.json().get("next")
    )
