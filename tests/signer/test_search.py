"""Search and lists: every entry that is meant, each once, in order, over any number of pages."""

from __future__ import annotations

import pytest

from ledger import labels
from signer.v1 import ledger_pb2
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest
from tests.signer.questions import SIZE, Question
from verifier.statement import APPROVAL


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 0, range(SIZE)),
        (0, 1, range(1)),
        (1, 5, range(1, 5)),
        (300, 0, range(300, SIZE)),
        (SIZE - 1, SIZE, range(SIZE - 1, SIZE)),
        (SIZE, 0, range(0)),
        (7, 7, range(0)),
    ],
)
def test_list(ask: Question, start: int, stop: int, expected: range) -> None:
    """
    Entries are listed in order and without a gap, over as many messages as they need.
    """
    request = ledger_pb2.ListEntriesRequest(start=start, stop=stop)
    messages = [
        ledger_pb2.ListEntriesResponse.FromString(m)
        for m in ask.raw("ListEntries", request).messages
    ]
    records = [record for message in messages for record in message.records]
    rows = ask.service.ledger.store.rows(0, SIZE)

    assert list(expected) == [record.index for record in records]
    assert [(rows[i].entry, rows[i].body) for i in expected] == [(r.entry, r.body) for r in records]
    assert (len(expected) > 250) == (len(messages) > 1)


def search(ask: Question, name: str, value: str, page_size: int = 0) -> tuple[list[int], int]:
    """Return the indices that bear a label, and how many pages they came on."""
    found: list[int] = []
    start = pages = 0
    while True:
        request = ledger_pb2.SearchRequest(name=name, value=value, start=start, page_size=page_size)
        answer = ask.unary("Search", request, ledger_pb2.SearchResponse)
        found += [record.index for record in answer.records]
        pages += 1
        start = answer.next
        if not start:
            return found, pages


def test_search(ask: Question) -> None:
    """
    Entries are found by each label, exactly, oldest first.
    """
    fingerprint = {key.name: key.public.fingerprint for key in ask.service.trust.keys.values()}
    everything = list(range(1, SIZE))
    expected: dict[tuple[str, str], list[int]] = {
        ("digest", digest(7)): [8],
        ("form", "bundle"): everything,
        ("form", "event"): [0],
        ("key", fingerprint["release"]): everything,
        ("key", fingerprint["event"]): [0],
        ("predicate_type", APPROVAL): everything,
        ("predicate_type", "urn:sealbook:genesis"): [0],
        ("repository", REPOSITORY): everything[:-5],
        ("repository", OTHER_REPOSITORY): everything[-5:],
        ("repository", REPOSITORY[:-1]): [],
        ("repository", REPOSITORY.upper()): [],
        ("repository", "registry.example/team/%"): [],
        ("requester", "urn:sealbook:token#loopback"): everything,
        ("requester", "urn:sealbook:token#"): [],
    }

    assert {name for name, _ in expected} == set(labels.NAMES)
    assert expected == {label: search(ask, *label)[0] for label in expected}


@pytest.mark.parametrize(
    ("page_size", "pages"), [(0, 5), (1, 305), (61, 5), (256, 2), (152, 3), (153, 2)]
)
def test_pages(ask: Question, page_size: int, pages: int) -> None:
    """
    Pages follow each other without gap or repetition, and the last one says that it is.
    """
    assert (list(range(1, SIZE)), pages) == search(ask, "form", "bundle", page_size)
