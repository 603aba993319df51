"""Status files: what one says, who may say it, and how long it lasts without the service."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.verifier.books import Book
from tests.verifier.making import (
    IMAGE,
    NOW,
    ORIGIN,
    REPOSITORY,
    Signer,
    policy,
    refused,
    rows,
    verdict,
    witnesses,
)
from tests.verifier.paths import GONE, Path, put
from tests.verifier.statuses import DAY, HOUR, MARKS, STATUS_KEY, Ledger, revoked
from verifier import limits
from verifier._strict import utc
from verifier.trust import PAYLOAD_TYPE as TRUST_TYPE
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE, Mark, Status, StatusPayload
from verifier.verify import Verifier

APPROVED = '[[images]]\nunder = "*"\n[images.approval]\n'
LEDGER = Ledger()
GOOD = LEDGER.payload(revocations=(revoked(2, 5), revoked(3, 6)))
DOCUMENT = json.loads(GOOD.json())


def read(document: object) -> StatusPayload:
    """Read a payload from JSON values."""
    return StatusPayload.read(json.dumps(document).encode())


def test_round_trip() -> None:
    """
    A payload that is written and read again is the same payload.
    """
    assert GOOD == StatusPayload.read(GOOD.json())
    assert GOOD == LEDGER.read(GOOD).payload


def test_endorsed() -> None:
    """
    A status knows its checkpoint, and which witnesses stand behind it.
    """
    ledger = Ledger()
    ledger.world.witnesses = witnesses(2)
    ledger.world.quorum = policy(1, ledger.world.witnesses)
    status = ledger.status()

    assert ledger.world.checkpoint == status.endorsed.checkpoint
    assert ("w0", "w1") == status.endorsed.witnesses


@pytest.mark.parametrize(
    ("path", "value", "code"),
    rows(
        ("another type", ("type",), "urn:sealbook:trust:v1", "unsupported-version"),
        ("unknown field", ("critical",), True, "unknown-field"),
        *((f"no {field}", (field,), GONE, "malformed") for field in DOCUMENT),
        *((f"{field} null", (field,), None, "malformed") for field in DOCUMENT),
        ("version 0", ("version",), 0, "malformed"),
        ("version -1", ("version",), -1, "bad-integer"),
        ("version true", ("version",), True, "malformed"),
        ("version 7.0", ("version",), 7.0, "malformed"),
        ("next update before", ("next_update",), utc(NOW - 1), "malformed"),
        ("next update at once", ("next_update",), utc(NOW), "malformed"),
        ("a local time", ("issued",), "2025-06-15T15:06:40", "malformed"),
        ("marks as an object", ("marks",), {}, "malformed"),
        ("mark as an object", ("marks", 0), {"size": 0}, "malformed"),
        ("mark of a size", ("marks", 0), [0], "malformed"),
        ("mark of three", ("marks", 0), [0, utc(NOW - 9 * DAY), 0], "malformed"),
        ("mark turned round", ("marks", 0), [utc(NOW - 9 * DAY), 0], "malformed"),
        ("mark of true", ("marks", 0), [True, utc(NOW - 9 * DAY)], "malformed"),
        ("mark of 0.0", ("marks", 0), [0.0, utc(NOW - 9 * DAY)], "malformed"),
        ("mark of -1", ("marks", 0), [-1, utc(NOW - 9 * DAY)], "bad-integer"),
        ("mark of 2**63", ("marks", 2), [2**63, utc(NOW - DAY)], "bad-integer"),
        ("mark at no time", ("marks", 0), [0, "yesterday"], "malformed"),
        ("sizes that fall", ("marks", 1), [8, utc(NOW - 2 * DAY)], "malformed"),
        ("times that fall", ("marks", 0), [0, utc(NOW - 2 * DAY + 1)], "malformed"),
        ("one time twice", ("marks", 0), [0, utc(NOW - 2 * DAY)], "malformed"),
        ("mark after the issue", ("marks", 2), [7, utc(NOW + 1)], "malformed"),
        ("many marks", ("marks",), [[0, utc(NOW)]] * (limits.MARKS + 1), "over-limit"),
        ("revocations as an object", ("revocations",), {}, "malformed"),
        ("two at one index", ("revocations", 1, "index"), 5, "malformed"),
        ("unknown field of one", ("revocations", 0, "critical"), 1, "unknown-field"),
        ("many revocations", ("revocations",), [{}] * (limits.REVOCATIONS + 1), "over-limit"),
    ),
)  # fmt: skip
def test_other_shapes(path: Path, value: Any, code: str) -> None:
    """
    A payload has one shape, and marks in it go forward.
    """
    refused(code, partial(read, put(DOCUMENT, path, value)))


@pytest.mark.parametrize(
    "marks",
    [(), (Mark(7, NOW),), (Mark(0, 1), Mark(0, 2)), (Mark(3, NOW - 1), Mark(3, NOW))],
)
def test_marks(marks: tuple[Mark, ...]) -> None:
    """
    There may be no marks, one of now, and the same size at many times.
    """
    assert marks == LEDGER.status(marks=marks).payload.marks


def test_too_large() -> None:
    """
    A status file of more than the limit is refused before it is read.
    """
    data = GOOD.sealed(STATUS_KEY)
    grown = data + b" " * (limits.STATUS_FILE - len(data))

    assert GOOD == Status.parse(grown, LEDGER.trust).payload
    refused("over-limit", lambda: Status.parse(grown + b" ", LEDGER.trust))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_status_key_signs(count: int) -> None:
    """
    Of many status keys each may sign alone, and others beside it.
    """
    more = [Signer() for _ in range(count)]
    keys = [TrustedKey(f"s{i}", "status", one.public, ()) for i, one in enumerate(more)]
    trust = LEDGER.trust._replace(keys=keys_by_hint([LEDGER.world.key, *keys]))
    for signers in (more[:1], more[-1:], more, [*more, STATUS_KEY]):
        data = SignedFile.sign(PAYLOAD_TYPE, GOOD.json(), signers).json()
        assert GOOD == Status.parse(data, trust).payload

    refused("foreign-trust", lambda: Status.parse(GOOD.sealed(STATUS_KEY), trust))


def test_nobody_else_signs() -> None:
    """
    A status file that an approver, a root or nobody signed, or without an envelope, is refused.
    """
    stranger = SignedFile.sign(PAYLOAD_TYPE, GOOD.json(), [LEDGER.world.signer, Signer()]).json()
    unsigned = SignedFile.sign(PAYLOAD_TYPE, GOOD.json(), []).json()

    refused("foreign-trust", lambda: Status.parse(stranger, LEDGER.trust))
    refused("foreign-trust", lambda: Status.parse(unsigned, LEDGER.trust))
    refused("malformed", lambda: Status.parse(GOOD.json(), LEDGER.trust))


def test_what_was_changed_after_signing() -> None:
    """
    A payload that was changed after it was signed, or signed as another type, is refused.
    """
    file = SignedFile.parse(GOOD.sealed(STATUS_KEY), PAYLOAD_TYPE, limits.STATUS_FILE)
    fewer = file._replace(payload=GOOD._replace(revocations=()).json()).json()
    other = SignedFile.sign(TRUST_TYPE, GOOD.json(), [STATUS_KEY]).json()

    refused("bad-signature", lambda: Status.parse(fewer, LEDGER.trust))
    refused("unsupported-version", lambda: Status.parse(other, LEDGER.trust))


@pytest.mark.parametrize(
    ("changes", "code"),
    rows(
        ("another ledger's name", {"origin": "other.example"}, "foreign-trust"),
        ("no name", {"origin": ""}, "foreign-trust"),
        ("another log's checkpoint", {"note": Ledger().world.note}, "untrusted-log"),
        ("no checkpoint", {"note": ""}, "malformed"),
        ("a mark beyond it", {"marks": (Mark(8, NOW - DAY),)}, "malformed"),
    ),
)
def test_its_checkpoint(changes: dict[str, Any], code: str) -> None:
    """
    The checkpoint in a status file counts like any other, and is of the ledger that it names.
    """
    refused(code, lambda: LEDGER.status(**changes))


def test_its_witnesses() -> None:
    """
    A status file whose checkpoint has too few witnesses is refused.
    """
    ledger = Ledger()
    known = witnesses(2)
    ledger.world.quorum, ledger.world.witnesses = policy(2, known), known[:1]

    refused("witness-quorum", ledger.status)


LIFE = [
    # the age in days, whether it warns, and the code, under 7 days, 14 days and 1 day
    (0, "yes", "yes", "yes"),
    (0.5, "yes", "yes", "yes"),
    (0.51, "yes", "yes", "warns"),
    (1, "yes", "yes", "warns"),
    (1.01, "yes", "yes", "trust-stale"),
    (3.5, "yes", "yes", "trust-stale"),
    (3.51, "warns", "yes", "trust-stale"),
    (7, "warns", "yes", "trust-stale"),
    (7.01, "trust-stale", "warns", "trust-stale"),
    (13.99, "trust-stale", "warns", "trust-stale"),
    (14, "trust-stale", "warns", "trust-stale"),
    (14.01, "trust-stale", "trust-stale", "trust-stale"),
    (400, "trust-stale", "trust-stale", "trust-stale"),
]


@pytest.mark.parametrize(
    ("age", "days", "expected"),
    [(row[0], days, row[i]) for row in LIFE for i, days in ((1, 7), (2, 14), (3, 1))],
)
def test_without_the_service(age: float, days: int, expected: str) -> None:
    """
    Verification goes on without the service; past half of its time it warns, and then it stops.
    """
    book = Book()
    bundle = book.bundle(book.approve())
    book.issued = int(NOW - age * DAY)
    book.marks = (Mark(0, book.issued),)
    asked = "" if days == 7 else f'max_trust_age = "{days} day{"s" * (days > 1)}"\n'
    judge = book.verifier(asked + APPROVED)
    if expected == "trust-stale":
        for ask in (judge.judge, lambda bundles, *of: judge.verify(bundles[0], *of)):
            error = refused("trust-stale", partial(ask, [bundle], IMAGE, REPOSITORY))
            assert f"expected at most {days} day" in error.message
            assert "sealbook trust sync" in error.hint
    else:
        found = judge.judge([bundle], IMAGE, REPOSITORY)
        assert "release" == judge.verify(bundle, IMAGE, REPOSITORY).key
        assert found.allowed
        assert judge.warnings() == found.warnings
        assert (expected == "warns") is bool(found.warnings)


def test_the_warning() -> None:
    """
    The warning says how old the status file is, and when all stops.
    """
    book = Book()
    entry = book.approve()
    book.now = NOW + 8 * DAY
    found = book.judge(f'max_trust_age = "14 days"\n{APPROVED}', entry)

    assert ("the status file is 8 days old, at 14 days everything is refused",) == found.warnings


def test_the_clock_decides_at_each_question() -> None:
    """
    One verifier that runs for weeks warns, and stops, when its time comes.
    """
    book = Book()
    judge, bundles = book.verifier(APPROVED).judge, [book.bundle(book.approve())]
    said = []
    for days in (0, 1, 3, 4, 7, 8, 30):
        book.now = NOW + days * DAY
        said.append(verdict(partial(judge, bundles, IMAGE, REPOSITORY)))

    assert ["yes"] * 5 + ["trust-stale"] * 2 == said


@pytest.mark.parametrize(
    ("ahead", "expected"), [(0, "yes"), (60, "yes"), (61, "not-yet-valid"), (DAY, "not-yet-valid")]
)
def test_from_the_future(ahead: int, expected: str) -> None:
    """
    A status file may be a minute ahead of our clock, and not more.
    """
    status = LEDGER.status(issued=NOW + ahead, next_update=NOW + ahead + HOUR)
    judge = Verifier(LEDGER.trust, lambda: NOW, status=status)

    assert expected == verdict(lambda: judge.verify(LEDGER.world.bundle.json(), IMAGE, REPOSITORY))


def test_what_it_is_about() -> None:
    """
    The marks and the name of the ledger are kept as they were said.
    """
    assert (ORIGIN, MARKS) == (GOOD.origin, read(DOCUMENT).marks)
