"""When an entry came in: not before, not after, and by whose word."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.audit.auditor import Auditor
from ledger.audit.bounds import LOG, MARKS, SELF, Floor, Sighting, bounds, marks
from ledger.audit.source import DirectoryReader, StaticSource
from ledger.audit.trusted import Trusted
from tests.audit.making import EVENT, NOW, ORIGIN, STATUS, Log, Outsider, trust
from verifier.errors import ForeignTrustError, MalformedError, SignatureError
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE

LOG_OF = Trusted.root(trust(), ORIGIN, NOW)


def test_sizes_say_when() -> None:
    """
    A tree of N entries does not hold entry N, and does hold entry N - 1.
    """
    seen = [Sighting(5, 100, SELF), Sighting(6, 200, SELF)]

    assert [("not before", 100), ("not after", 200)] == _told(5, seen)
    assert [("not after", 100)] == _told(4, seen)
    assert [("not before", 200)] == _told(6, seen)
    assert [] == _told(5, [])


def test_the_tightest_of_each_party() -> None:
    """
    Of what one party saw, the latest without the entry and the earliest with it count.
    """
    seen = [Sighting(size, time, who) for size, time in _SIGHTINGS for who in ("a", "b")]
    seen += [Sighting(3, 15, MARKS), Sighting(9, 18, LOG)]
    told = [(b.side, b.sighting.time, b.sighting.whom) for b in bounds(4, seen)]

    expected = [
        ("not before", 20, "a"),
        ("not before", 20, "b"),
        ("not before", 15, MARKS),
        ("not after", 18, LOG),
        ("not after", 30, "a"),
        ("not after", 30, "b"),
    ]
    assert expected == told


_SIGHTINGS = ((1, 10), (4, 20), (5, 30), (7, 25 + 10), (7, 40))


def _told(index: int, seen: list[Sighting]) -> list[tuple[str, int]]:
    return [(b.side, b.sighting.time) for b in bounds(index, seen)]


def test_an_audits_own_memory(tmp_path: Path) -> None:
    """
    What was seen at each audit, by us and by witnesses, bounds each entry from both sides.
    """
    log, outsider = Log().grow(9), Outsider(tmp_path, trust("w1"))
    for size, time in ((3, NOW), (3, NOW + 60), (6, NOW + 120), (9, NOW + 180)):
        outsider.clock.now = time
        note = log.note(size, cosigned={"w1": time - 5})
        assert [] == outsider.found(log.write(tmp_path / "tree", size, note))
    source = StaticSource(DirectoryReader(tmp_path / "tree"))
    trusted = Trusted.root(outsider.trust, ORIGIN, NOW)
    seen = Auditor(source, trusted, outsider.state, outsider.evidence).seen()
    told = {(b.side, b.sighting.whom): b.sighting.time for b in bounds(4, seen)}

    expected = {
        ("not before", SELF): NOW + 60,
        ("not before", "witness w1"): NOW + 55,
        ("not after", SELF): NOW + 120,
        ("not after", "witness w1"): NOW + 115,
    }
    assert expected == told


def test_marks_are_read_strictly() -> None:
    """
    Marks are pairs of a size and a time; the other fields of a status file are free.
    """
    text = '{"version":3,"marks":[[12,"2026-11-23T00:00:00Z"],[0,"2026-11-22T00:00:00Z"]]}'
    assert [12, 0] == [mark.tree_size for mark in marks(text.encode(), LOG_OF)]
    for bad in (
        "{}",
        '{"marks":{}}',
        '{"marks":[[true,"2026-11-23T00:00:00Z"]]}',
        '{"marks":[[-1,"2026-11-23T00:00:00Z"]]}',
        '{"marks":[[9223372036854775808,"2026-11-23T00:00:00Z"]]}',
        '{"marks":[["12","2026-11-23T00:00:00Z"]]}',
        '{"marks":[[12,"yesterday"]]}',
        '{"marks":[[12]]}',
    ):
        with pytest.raises(MalformedError):
            marks(bad.encode(), LOG_OF)


def test_marks_of_a_signed_file() -> None:
    """
    Of a signed status file the marks are read once a status key is seen to have signed it, and
    an event key is none.
    """
    payload = b'{"version":3,"marks":[[12,"2026-11-23T00:00:00Z"]]}'
    signed = SignedFile.sign(PAYLOAD_TYPE, payload, [STATUS])
    spoiled = signed._replace(payload=payload.replace(b"12", b"13"))
    [mark] = marks(signed.json(), LOG_OF)

    assert (12, MARKS) == (mark.tree_size, mark.whom)
    with pytest.raises(SignatureError):
        marks(spoiled.json(), LOG_OF)
    with pytest.raises(ForeignTrustError):
        marks(SignedFile.sign(PAYLOAD_TYPE, payload, [EVENT]).json(), LOG_OF)
    with pytest.raises(ForeignTrustError):
        marks(signed.json(), LOG_OF._replace(keys=None))


def test_the_floor_is_the_latest_sighting_without_the_entry() -> None:
    """
    Backdating is judged by what witnesses and we saw, never by what the log says of itself.
    """
    seen = [
        Sighting(2, 50, "w"),
        Sighting(4, 40, SELF),
        Sighting(6, 90, "w"),
        Sighting(3, 99, LOG),
        Sighting(3, 99, MARKS),
    ]
    floor = Floor(seen)
    times = [at.time if (at := floor.of(index)) else None for index in range(8)]

    assert [None, None, 50, 50, 50, 50, 90, 90] == times
    assert Floor([]).of(5) is None
