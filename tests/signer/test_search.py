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


def narrowed(ask: Question, **more: object) -> list[int]:
    """Return the indices of the approvals that a narrower search finds, over all its pages."""
    found: list[int] = []
    start = int(str(more.pop("start", 0)))
    while True:
        request = ledger_pb2.SearchRequest(name="form", value="bundle", start=start, **more)
        answer = ask.unary("Search", request, ledger_pb2.SearchResponse)
        assert SIZE == answer.tree_size
        found += [record.index for record in answer.records]
        start = answer.next
        if not start:
            return found


def label(name: str, value: str) -> ledger_pb2.SearchRequest.Label:
    """Return one label more."""
    return ledger_pb2.SearchRequest.Label(name=name, value=value)


def test_several_labels(ask: Question) -> None:
    """
    Only entries that bear each label are found, however few of the many they are.
    """
    other, rare = label("repository", OTHER_REPOSITORY), label("digest", digest(7))

    assert list(range(SIZE - 5, SIZE)) == narrowed(ask, also=[other])
    assert [8] == narrowed(ask, also=[rare])
    assert [] == narrowed(ask, also=[rare, other])
    assert [8] == narrowed(
        ask, also=[rare, label("repository", REPOSITORY), label("form", "bundle")]
    )


def test_common_labels_take_several_calls(ask: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One call looks at a bounded number of entries, and says where the next one goes on.
    """
    monkeypatch.setattr("signer.service.search._LOOKED_AT", 10)
    request = ledger_pb2.SearchRequest(
        name="form", value="bundle", also=[label("repository", OTHER_REPOSITORY)]
    )
    first = ask.unary("Search", request, ledger_pb2.SearchResponse)

    assert ([], 11) == (list(first.records), first.next)
    assert list(range(SIZE - 5, SIZE)) == narrowed(
        ask, also=[label("repository", OTHER_REPOSITORY)]
    )


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, 0, range(1, SIZE)), (5, 9, range(5, 9)), (300, 0, range(300, SIZE)), (9, 9, range(0))],
)
def test_part_of_the_ledger(ask: Question, start: int, stop: int, expected: range) -> None:
    """
    A search keeps to the part of the ledger that was asked for.
    """
    assert list(expected) == narrowed(ask, start=start, stop=stop)


def test_time_is_position(ask: Question) -> None:
    """
    A time is the position of the first entry that is that young; what no entry is, finds none.
    """
    times = [row.time for row in ask.service.ledger.store.rows(0, SIZE)]
    first, last = times[1], times[-1]
    since = [i for i in range(1, SIZE) if times[i] >= last]

    assert list(range(1, SIZE)) == narrowed(ask, since=first)
    assert since == narrowed(ask, since=last)
    assert [] == narrowed(ask, since=last + 1)
    assert [] == narrowed(ask, until=times[0])
    assert list(range(1, SIZE)) == narrowed(ask, until=last + 1)


@pytest.mark.parametrize(
    "more",
    [
        {"also": [label("colour", "red")]},
        {"also": [label("form", "bundle")] * 6},
        {"since": -1},
        {"until": -1},
    ],
    ids=["unknown label", "too many labels", "since before 1970", "until before 1970"],
)
def test_search_that_cannot_be_meant(ask: Question, more: dict[str, object]) -> None:
    """
    A search by what does not exist is refused.
    """
    request = ledger_pb2.SearchRequest(name="form", value="bundle", **more)

    assert "bad-request" == ask.raw("Search", request).code


def test_list_gives_labels_and_times(ask: Question) -> None:
    """
    Each listed record comes with its own labels and time.
    """
    request = ledger_pb2.ListEntriesRequest(start=0, stop=20)
    answer = ask.unary("ListEntries", request, ledger_pb2.ListEntriesResponse)
    rows = ask.service.ledger.store.rows(0, 20)

    assert [row.labels for row in rows] == list(answer.labels)
    assert [row.time for row in rows] == list(answer.committed_at)
