"""What is wrong with one entry in a sound tree: told with its index, and told again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import labels
from ledger.audit.pin import Pin
from ledger.audit.source import DirectoryReader, Listed, StaticSource
from tests.audit.making import (
    APPROVE,
    ATTEST,
    EVENT,
    NOW,
    ORIGIN,
    OTHER,
    STATUS,
    STRANGER,
    Log,
    Outsider,
    Signer,
    put,
    trust,
)
from verifier import dsse, statement
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.repository import Repository, Scope
from verifier.trust.listed import TrustedKey

REPOSITORY = Repository("registry.example/team/app")
APPROVAL = statement.approval(REPOSITORY, Digest.of(b"an image"), {})


def kind(payload: bytes, predicate_type: str) -> bytes:
    """Return a statement with another predicate type."""
    return payload.replace(statement.APPROVAL.encode(), predicate_type.encode())


class Telling(StaticSource):
    """A static tree beside a service that says of each entry what it keeps of it."""

    def __init__(self, folder: Path, told: list[Listed]) -> None:
        super().__init__(DirectoryReader(folder))
        self.told = told

    def listed(self, start: int, stop: int) -> list[Listed]:
        """Return labels and times as the service tells them."""
        return self.told[start:stop]


def telling(log: Log, folder: Path, times: list[int]) -> Telling:
    """Return a service that tells the truth about labels, and these times."""
    told = []
    for entry, time in zip(log.entries, times, strict=True):
        body = log.bodies[Entry.parse(entry).data_digest]
        told.append(Listed(labels.encode(labels.of(entry, body)), time))
    return Telling(log.write(folder), told)


def test_each_key_says_what_it_may(tmp_path: Path) -> None:
    """
    Approvals, attestations and events by keys of these purposes are no finding.
    """
    log = Log().grow(3)
    log.attest(1)
    log.event("frozen", {})
    log.attest(2)

    assert [] == Outsider(tmp_path).found(log.write(tmp_path / "tree"))


@pytest.mark.parametrize(
    ("payload", "key", "code"),
    [
        pytest.param(APPROVAL, STRANGER, "unannounced-key", id="stranger"),
        pytest.param(APPROVAL, ATTEST, "key-purpose", id="approval by the attest key"),
        pytest.param(APPROVAL, STATUS, "key-purpose", id="approval by the status key"),
        pytest.param(kind(APPROVAL, "x:y"), APPROVE, "key-purpose", id="attestation by approve"),
        pytest.param(
            statement.event("frozen", ORIGIN, {"previous": None}),
            APPROVE,
            "key-purpose",
            id="event by the approve key",
        ),
        pytest.param(
            statement.event("frozen", "other.example", {"previous": None}),
            EVENT,
            "event-ledger",
            id="event about another ledger",
        ),
        pytest.param(b"{}", APPROVE, "bad-body", id="not a statement"),
        pytest.param(
            APPROVAL.replace(REPOSITORY.encode(), b"Registry/UPPER"),
            APPROVE,
            "key-scope",
            id="no repository",
        ),
    ],
)
def test_a_key_says_what_it_may_not(tmp_path: Path, payload: bytes, key: Signer, code: str) -> None:
    """
    A statement by a key that is not for it is a finding.
    """
    log = Log()
    index = log.sign(payload, key)
    found = Outsider(tmp_path).found(log.write(tmp_path / "tree"))

    assert (code, index) in found


def test_scope_and_window(tmp_path: Path) -> None:
    """
    A key counts in its repositories, and from and to the positions of its window.
    """
    scoped = TrustedKey("release", "approve", APPROVE.public, (Scope(str(REPOSITORY)),), 2, 4)
    log = Log().grow(6)  # approvals at 1 to 5
    log.approve(9, OTHER)
    found = Outsider(tmp_path, trust(keys=[scoped])).found(log.write(tmp_path / "tree"))

    expected = [("key-window", 1), ("key-window", 4), ("key-window", 5), ("key-window", 6)]
    assert [*expected, ("key-scope", 6)] == found


def test_a_missing_body(tmp_path: Path) -> None:
    """
    An entry of our key whose body is gone is told now and at each later audit.
    """
    log, outsider = Log().grow(6), Outsider(tmp_path)
    log.delete_body(3, logged=False)
    folder = log.write(tmp_path / "tree")

    assert [("body-missing", 3)] == outsider.found(folder)
    assert [("body-missing", 3)] == outsider.found(folder)
    log.approve(7)
    assert [("body-missing", 3)] == outsider.found(log.write(folder))
    assert 7 == Pin.load(outsider.state, ORIGIN).checked


def test_a_deleted_attestation(tmp_path: Path) -> None:
    """
    A logged statement excuses a missing attestation, in the same audit or a later one.
    """
    log, outsider = Log().grow(3), Outsider(tmp_path)
    first, second = log.attest(1), log.attest(2)
    log.delete_body(first)
    assert [] == outsider.found(log.write(tmp_path / "tree"))
    size = len(log.entries)
    log.delete_body(second)

    late = Outsider(tmp_path / "late")
    assert [("body-missing", second)] == late.found(log.write(tmp_path / "a", size))
    assert [] == late.found(log.write(tmp_path / "b"))
    assert [] == late.found(log.write(tmp_path / "b"), full=True)


@pytest.mark.parametrize("wrong", ["index", "digest", "key", "approval"])
def test_what_does_not_excuse_a_missing_body(tmp_path: Path, wrong: str) -> None:
    """
    Only the event key, about this entry and this body, and never about an approval.
    """
    log = Log().grow(3)
    index = log.approve(9) if wrong == "approval" else log.attest(1)
    digest = Entry.parse(log.entries[index]).data_digest
    log.delete_body(index, logged=False)
    predicate = {
        "index": index + (wrong == "index"),
        "digest": f"sha256:{(b'x' * 32 if wrong == 'digest' else digest).hex()}",
    }
    log.event("body-deleted", predicate, key=ATTEST if wrong == "key" else EVENT)
    outsider = Outsider(tmp_path)

    assert ("body-missing", index) in outsider.found(log.write(tmp_path / "tree"))
    assert ("body-missing", index) in outsider.found(log.write(tmp_path / "tree"))


def test_an_approval_deleted_between_two_audits(tmp_path: Path) -> None:
    """
    That the statement comes in a later audit makes no difference to an approval.
    """
    log, outsider = Log().grow(4), Outsider(tmp_path)
    digest = Entry.parse(log.entries[2]).data_digest.hex()
    log.delete_body(2, logged=False)
    outsider.audit(log.write(tmp_path / "tree"))
    log.event("body-deleted", {"index": 2, "digest": f"sha256:{digest}"})

    assert [("body-missing", 2)] == outsider.found(log.write(tmp_path / "tree"))


def test_another_body(tmp_path: Path) -> None:
    """
    A body that is not the one that the entry names is a finding, as is a spoilt signature.
    """
    log = Log().grow(6)
    folder = log.write(tmp_path / "tree")
    path = folder / "bodies" / "sha256" / Entry.parse(log.entries[3]).data_digest.hex()
    put(path, path.read_bytes() + b" ")
    assert [("body-mismatch", 3)] == Outsider(tmp_path / "1").found(folder)

    message = dsse.pae(dsse.IN_TOTO, APPROVAL)
    other = Entry.of(message, APPROVE.sign(b"something else"), APPROVE.public).body()
    spoilt = Log().grow(2)
    spoilt.add(other, message)
    assert [("bad-signature", 2)] == Outsider(tmp_path / "2").found(spoilt.write(tmp_path / "b"))


def test_foreign_entries_are_counted(tmp_path: Path) -> None:
    """
    Entries of unknown kinds, and of strangers without a body of ours, are opaque.
    """
    log = Log()
    log.add(b"anything", b"")
    log.sign(APPROVAL, STRANGER, body=False)
    log.sign(b'{"a":1}', STRANGER)  # a body, but no statement
    report = Outsider(tmp_path).audit(log.write(tmp_path / "tree"))

    assert ((), 3, 4) == (report.findings, report.opaque, report.checked)


def test_the_chain_of_events(tmp_path: Path) -> None:
    """
    Each event names the last one of its kind, and no other.
    """
    log = Log().grow(2)
    log.event("frozen", {})
    log.event("clock-accepted", {})
    log.event("clock-accepted", {})
    broken: list[Any] = [None, 0, 3, "4", True]
    indices = [log.event("clock-accepted", {"previous": previous}) for previous in broken]
    log.event("clock-accepted", {})
    outsider = Outsider(tmp_path)
    expected = [("event-chain", index) for index in indices]

    assert expected == outsider.found(log.write(tmp_path / "tree"))
    # The chain goes on from one audit to the next.
    index = log.event("frozen", {"previous": None})
    assert [*expected, ("event-chain", index)] == outsider.found(log.write(tmp_path / "tree"))


def test_a_chain_is_of_numbers(tmp_path: Path) -> None:
    """
    JSON's true is not the number 1, although Python takes the one for the other.
    """
    log = Log()
    assert 1 == log.event("frozen", {})
    log.event("frozen", {"previous": True})

    assert [("event-chain", 2)] == Outsider(tmp_path).found(log.write(tmp_path / "tree"))


def test_false_labels(tmp_path: Path) -> None:
    """
    The labels that the service keeps must be those that the body gives.
    """
    log = Log().grow(4)
    source = telling(log, tmp_path / "tree", [NOW] * 4)
    assert [] == Outsider(tmp_path / "1").found(source)
    said = labels.decode(source.told[2].labels)
    said["repository"] = [str(OTHER)]
    source.told[2] = Listed(labels.encode(said), NOW)

    [finding] = Outsider(tmp_path / "2").audit(source).findings
    assert ("false-label", 2) == (finding.code, finding.index)
    assert str(OTHER) in finding.found
    assert str(REPOSITORY) in finding.expected


def test_times_do_not_go_back(tmp_path: Path) -> None:
    """
    The service's times may not decrease, nor lie in the future.
    """
    log = Log().grow(5)
    times = [NOW - 9, NOW - 5, NOW - 6, NOW, NOW + 301]
    found = Outsider(tmp_path).found(telling(log, tmp_path / "tree", times))

    assert [("false-time", 2), ("false-time", 4)] == found


def test_backdated_entries(tmp_path: Path) -> None:
    """
    An entry that was not there at a time cannot be older than that, give or take five minutes.
    """
    log, outsider = Log().grow(3), Outsider(tmp_path)
    outsider.audit(log.write(tmp_path / "tree"))
    outsider.clock.now += 1000
    log.grow(5)
    cases = ((NOW - 300, []), (NOW - 301, [("backdated", 3), ("backdated", 4)]))
    state = outsider.state.read_bytes()
    for time, expected in cases:
        outsider.state.write_bytes(state)
        source = telling(log, tmp_path / "tree", [NOW - 900] * 3 + [time] * 2)
        assert expected == outsider.found(source)


def test_backdating_by_a_witness(tmp_path: Path) -> None:
    """
    A witness's time on a tree without the entry says so as well, in a note from elsewhere too.
    """
    log, outsider = Log().grow(5), Outsider(tmp_path, trust("w1"))
    folder = tmp_path / "tree"
    source = telling(log, folder, [NOW - 900] * 5)
    put(folder / "checkpoint", log.note(cosigned={"w1": NOW}).encode())
    other = log.note(3, cosigned={"w1": NOW - 500})

    assert [] == outsider.found(source)
    found = Outsider(tmp_path / "2", trust("w1")).found(source, against=(other,))
    assert [("backdated", 3), ("backdated", 4)] == found


def test_a_finding_is_one_printable_line(tmp_path: Path) -> None:
    """
    What a terminal would obey is escaped in a finding.
    """
    log = Log()
    log.sign(APPROVAL.replace(REPOSITORY.encode(), b"\\u001b[2J"), APPROVE)
    [finding] = Outsider(tmp_path).audit(log.write(tmp_path / "tree")).findings

    assert str(finding).isprintable()
