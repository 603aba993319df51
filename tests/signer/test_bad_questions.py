"""Bad questions: what cannot be there, however large its numbers, is refused with its code."""

from __future__ import annotations

from typing import Any

import pytest

from signer.v1 import ledger_pb2, signer_pb2
from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import InProcess


@pytest.mark.parametrize(
    ("method", "request_", "code"),
    [
        ("GetCheckpoint", ledger_pb2.GetCheckpointRequest(tree_size=2**63), "unknown-entry"),
        ("GetCheckpoint", ledger_pb2.GetCheckpointRequest(tree_size=2**64 - 1), "unknown-entry"),
        ("GetEntry", ledger_pb2.GetEntryRequest(index=2**64 - 1), "unknown-entry"),
        ("GetInclusionProof", ledger_pb2.GetInclusionProofRequest(index=2**63), "unknown-entry"),
        (
            "GetInclusionProof",
            ledger_pb2.GetInclusionProofRequest(tree_size=2**64 - 1),
            "unknown-entry",
        ),
        ("GetConsistencyProof", ledger_pb2.GetConsistencyProofRequest(), "unknown-entry"),
        (
            "GetConsistencyProof",
            ledger_pb2.GetConsistencyProofRequest(old_size=2**63, tree_size=2**64 - 1),
            "unknown-entry",
        ),
        ("ListEntries", ledger_pb2.ListEntriesRequest(start=1, stop=2**64 - 1), "unknown-entry"),
        ("ListEntries", ledger_pb2.ListEntriesRequest(start=2), "unknown-entry"),
        ("Search", ledger_pb2.SearchRequest(name="colour", value="red"), "bad-request"),
        ("Search", ledger_pb2.SearchRequest(name="", value="red"), "bad-request"),
        ("Search", ledger_pb2.SearchRequest(name="form", page_size=257), "bad-request"),
        ("Search", ledger_pb2.SearchRequest(name="form", page_size=2**32 - 1), "bad-request"),
    ],
)
def test_bad_question(service: InProcess, method: str, request_: Any, code: str) -> None:
    """
    A question about what cannot be there is refused with its code, however large its numbers.
    """
    answer = service.raw(request_.SerializeToString(), f"/sealbook.v1.Ledger/{method}")

    assert code == answer.code, answer.details


@pytest.mark.parametrize("start", [2, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1])
def test_search_from_the_end(service: InProcess, start: int) -> None:
    """
    A search that starts behind the last entry finds nothing, however far behind.
    """
    request = ledger_pb2.SearchRequest(name="form", value="event", start=start)
    answer = service.raw(request.SerializeToString(), "/sealbook.v1.Ledger/Search")

    assert 0 == len(answer.message(ledger_pb2.SearchResponse).records)


@pytest.mark.parametrize(
    ("digest_", "repository", "code"),
    [
        ("sha256:no", "", "bad-digest"),
        ("", "", "bad-digest"),
        (digest(1), "team/app", "bad-repository"),
        (digest(1), f"{REPOSITORY}/", "bad-repository"),
    ],
)
def test_bad_question_for_bundles(
    service: InProcess, digest_: str, repository: str, code: str
) -> None:
    """
    Bundles are asked for by a digest and a canonical repository.
    """
    request = signer_pb2.GetBundlesRequest(digest=digest_, repository=repository)
    answer = service.raw(request.SerializeToString(), "/sealbook.v1.Signer/GetBundles")

    assert ("INVALID_ARGUMENT", code) == (answer.status, answer.code)
