"""Whatever is done to a trail behind the service's back is found, with its place."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.ledger import Ledger
from signer.audit_trail.evidence import Evidence
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import SALT, Head, Line, commitment, print_json
from signer.audit_trail.verifying import Checking
from tests.signer.trail.conftest import Told


def read(folder: Folder, segment: int) -> list[bytes]:
    """Return the lines of a segment."""
    return list(folder.lines(segment))


def write(folder: Folder, segment: int, lines: list[bytes]) -> None:
    """Put these lines in its place."""
    folder.file(segment).write_bytes(b"".join(lines))


def kinds(folder: Folder, segment: int) -> list[str]:
    """Return what each line of a segment is."""
    return [Line.parse(raw[:-1]).head.kind for raw in folder.lines(segment)]


def forged(lines: list[Line]) -> list[bytes]:
    """Return lines chained anew, as somebody would who knows how: nothing in them shows it."""
    made: list[bytes] = []
    prev, seq = lines[0].head.prev, lines[0].head.seq
    for line in lines:
        content = line.content or "{}"
        salt = bytes(SALT)
        head = line.head._replace(seq=seq, prev=prev, commitment=commitment(salt, content))
        made.append(Line(head, content, salt).bytes() + b"\n")
        prev, seq = head.hash, seq + 1
    return made


def parsed(folder: Folder, segment: int) -> list[Line]:
    """Return the lines of a segment, parsed."""
    return [Line.parse(raw[:-1]) for raw in folder.lines(segment)]


def test_untouched(told: Told) -> None:
    """
    The trail of a service that ran, stopped and runs again has nothing wrong with it.
    """
    checking = Checking(told.folder, told.evidence)

    assert [] == [str(finding) for finding in checking.findings()]
    report = checking.report()
    assert report.decisions == report.outcomes
    assert told.evidence.tree_size - 1 - 2 == report.entries  # all but genesis and two segments
    assert 1 == report.begins_at
    assert 1 == report.refusals
    assert () == report.under_way


def test_open_segment_is_said(told: Told) -> None:
    """
    What no entry covers yet is told by its first line and its time.
    """
    checking = Checking(told.folder, told.evidence)
    list(checking.findings())
    first = parsed(told.folder, 3)[0].head

    report = checking.report()
    assert (first.seq, first.time) == (report.unlogged_from, report.unlogged_since)


def removed(folder: Folder) -> None:
    lines = read(folder, 1)
    write(folder, 1, lines[:2] + lines[3:])


def removed_refusal(folder: Folder) -> None:
    at = kinds(folder, 1).index("denied")
    lines = read(folder, 1)
    write(folder, 1, lines[:at] + lines[at + 1 :])


def removed_and_chained(folder: Folder) -> None:
    at = kinds(folder, 1).index("denied")
    lines = parsed(folder, 1)
    write(folder, 1, forged(lines[:at] + lines[at + 1 :]))


def altered(folder: Folder) -> None:
    lines = read(folder, 1)
    write(folder, 1, [line.replace(b"loopback", b"somebody") for line in lines])


def altered_and_chained(folder: Folder) -> None:
    lines = parsed(folder, 1)
    changed = [
        line._replace(content=(line.content or "").replace("loopback", "somebody"))
        for line in lines
    ]
    write(folder, 1, forged(changed))


def reordered(folder: Folder) -> None:
    lines = read(folder, 1)
    lines[1], lines[2] = lines[2], lines[1]
    write(folder, 1, lines)


def inserted(folder: Folder) -> None:
    lines = read(folder, 1)
    write(folder, 1, [*lines[:3], lines[2], *lines[3:]])


def appended(folder: Folder) -> None:
    lines = parsed(folder, 1)
    last = lines[-1].head
    content, salt = print_json({"code": "made-up"}), bytes(SALT)
    head = Head(last.seq + 1, last.time, "denied", last.hash, commitment(salt, content))
    write(folder, 1, [*read(folder, 1), Line(head, content, salt).bytes() + b"\n"])


def segment_removed(folder: Folder) -> None:
    folder.file(1).unlink()


def newest_segment_removed(folder: Folder) -> None:
    folder.file(2).unlink()
    folder.file(3).unlink()


def truncated(folder: Folder) -> None:
    write(folder, 1, read(folder, 1)[:-2])


def torn(folder: Folder) -> None:
    path = folder.file(1)
    path.write_bytes(path.read_bytes()[:-3])


def content_removed(folder: Folder) -> None:
    lines = read(folder, 1)
    lines[1] = Line.parse(lines[1][:-1]).without_content().bytes() + b"\n"
    write(folder, 1, lines)


def content_of_the_trail_removed(folder: Folder) -> None:
    lines = read(folder, 1)
    lines[0] = Line.parse(lines[0][:-1]).without_content().bytes() + b"\n"
    write(folder, 1, lines)


def outcome_removed(folder: Folder) -> None:
    lines = parsed(folder, 3)
    kept = [line for line in lines if line.head.kind not in ("decision", "outcome")]
    write(folder, 3, forged(kept))


def outcome_made_up(folder: Folder) -> None:
    lines = parsed(folder, 3)
    write(folder, 3, forged([line for line in lines if line.head.kind != "decision"]))


def outcome_twice(folder: Folder) -> None:
    lines = parsed(folder, 3)
    write(folder, 3, forged([*lines, lines[-1]]))


def outcome_of_another_entry(folder: Folder) -> None:
    *lines, last = parsed(folder, 3)
    assert "outcome" == last.head.kind
    [(index, _)] = last.head.entries
    spoilt = last._replace(head=last.head._replace(entries=((index, bytes(32)),)))
    write(folder, 3, forged([*lines, spoilt]))


def outcome_of_no_entry(folder: Folder) -> None:
    *lines, last = parsed(folder, 3)
    [(_, leaf)] = last.head.entries
    spoilt = last._replace(head=last.head._replace(entries=((10_000, leaf),)))
    write(folder, 3, forged([*lines, spoilt]))


def entry_told_twice(folder: Folder) -> None:
    *lines, last = parsed(folder, 3)
    [entry] = last.head.entries
    [first] = parsed(folder, 1)[2].head.entries
    spoilt = last._replace(head=last.head._replace(entries=(first, entry)))
    write(folder, 3, forged([*lines, spoilt]))


def set_back(folder: Folder) -> None:
    lines = parsed(folder, 3)
    earlier = lines[-1].head._replace(time="2020-01-01T00:00:00.000Z")
    write(folder, 3, forged([*lines[:-1], lines[-1]._replace(head=earlier)]))


def purged_in_secret(folder: Folder) -> None:
    lines = parsed(folder, 3)
    said = print_json({"before": 2**31, "event": 2, "lines": 9})
    head = lines[-1].head._replace(kind="purged", of=None, entries=())
    write(folder, 3, forged([*lines, Line(head, said)]))


def everything_removed(folder: Folder) -> None:
    for segment in folder.segments():
        folder.file(segment).unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "where"),
    [
        (removed, "chain-broken", "segment 1, line 3"),
        (removed_refusal, "chain-broken", "segment 1, line "),
        (removed_and_chained, "segment-altered", "segment 1"),
        (altered, "line-altered", "segment 1, line 2"),
        (altered_and_chained, "segment-altered", "segment 1"),
        (reordered, "chain-broken", "segment 1, line 2"),
        (inserted, "chain-broken", "segment 1, line 4"),
        (appended, "line-inserted", "segment 1, line "),
        (segment_removed, "segment-missing", "segment 1"),
        (newest_segment_removed, "segment-missing", "segment 2"),
        (truncated, "segment-missing", "segment 1"),
        (torn, "line-altered", "segment 1, line "),
        (content_removed, "content-missing", "segment 1, line 2"),
        (content_of_the_trail_removed, "content-missing", "segment 1, line 1"),
        (outcome_removed, "entry-untold", "entry "),
        (outcome_made_up, "outcome-undecided", "segment 3, line 2"),
        (outcome_twice, "outcome-undecided", "segment 3, line 4"),
        (outcome_twice, "entry-told-twice", "segment 3, line 4"),
        (outcome_of_another_entry, "entry-differs", "segment 3, line 3"),
        (outcome_of_no_entry, "entry-missing", "segment 3, line 3"),
        (entry_told_twice, "entry-told-twice", "segment 3, line 3"),
        (set_back, "chain-broken", "segment 3, line 3"),
        (purged_in_secret, "purge-unlogged", "segment 3, line 4"),
        (everything_removed, "trail-missing", ""),
    ],
)
def test_tampering(
    told: Told, copy: Folder, spoil: Callable[[Folder], None], code: str, where: str
) -> None:
    """
    A line that is removed, altered, moved or made up, a segment that is gone, an entry without an
    outcome, an outcome without an entry: each is found where it is, by a code of its own.
    """
    spoil(copy)

    found = [(finding.code, finding.where) for finding in told.check(copy)]
    assert any(code == c and w.startswith(where) for c, w in found), found


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte(told: Told, copy: Folder, data: st.DataObject) -> None:
    """
    No byte of a finished segment can be another one.
    """
    segment = data.draw(st.sampled_from((1, 2)))
    whole = told.folder.file(segment).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    by = data.draw(st.integers(1, 255))
    copy.file(segment).write_bytes(whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :])
    try:
        assert told.check(copy)
    finally:
        copy.file(segment).write_bytes(whole)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_cut(told: Told, copy: Folder, data: st.DataObject) -> None:
    """
    No end of a finished segment can be cut off.
    """
    whole = told.folder.file(2).read_bytes()
    copy.file(2).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])

    assert told.check(copy)


def test_event_of_somebody_else(told: Told, copy: Folder) -> None:
    """
    An entry is the service's own only if its event key signed it.
    """
    stranger = told.service.ledger.log_key.public
    evidence = Evidence(told.evidence._entries, [stranger])

    codes = {finding.code for finding in Checking(copy, evidence).findings()}
    assert "entry-untold" in codes


def test_entries_from_before(told: Told, copy: Folder) -> None:
    """
    What the ledger had when the trail began is told by position, and needs no outcome.
    """
    opened = json.loads(parsed(copy, 1)[0].content or "")

    assert 1 == opened["tree_size"]
    ledger: Ledger = told.service.ledger
    assert ledger.head.tree_size > opened["tree_size"]
