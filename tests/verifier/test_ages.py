"""Ages: how young an entry certainly is, as marks tell it, and in which words."""

from __future__ import annotations

import pytest

from tests.verifier.making import NOW
from tests.verifier.statuses import DAY, HOUR
from verifier.policy.ages import Ages
from verifier.spans import span
from verifier.trust.status import Mark

MARKS = (
    Mark(0, NOW - 90 * DAY),
    Mark(5, NOW - 9 * DAY),
    Mark(5, NOW - 8 * DAY),
    Mark(9, NOW - DAY),
)


@pytest.mark.parametrize(
    ("index", "days", "younger"),
    [
        (0, 90, True),
        (0, 89, False),
        (4, 90, True),
        (4, 89, False),  # it may have come right after the first mark
        (5, 9, True),
        (5, 8, True),  # the ledger still had 5 then
        (5, 7, False),
        (8, 8, True),
        (8, 7, False),
        (9, 1, True),
        (9, 0.999, False),
        (10_000, 1, True),
        (10_000, 0, False),
    ],
)
def test_younger(index: int, days: float, younger: bool) -> None:
    """
    An entry is younger than a span when a mark inside of it lies at or before the entry.
    """
    assert younger is Ages(MARKS, NOW).younger(index, int(days * DAY))


def test_unknown() -> None:
    """
    Without a mark before it an entry is younger than nothing, however long the span.
    """
    assert not Ages((), NOW).younger(5, 10**9)
    assert not Ages((Mark(6, NOW),), NOW).younger(5, 10**9)


def test_time_goes_by() -> None:
    """
    What is young enough now is not for ever.
    """
    assert Ages(MARKS, NOW).younger(9, DAY)
    assert Ages(MARKS, NOW + 0.0).younger(9, DAY)
    assert not Ages(MARKS, NOW + 1).younger(9, DAY)


@pytest.mark.parametrize(
    ("index", "asked", "told"),
    [
        (4, 7 * DAY, "is 9 days old"),  # the first mark after it, which is the older one
        (4, 9 * DAY, "is 9 days old"),
        (4, 9 * DAY + 1, "may be 90 days old"),
        (5, 7 * DAY, "may be 8 days old"),
        (5, HOUR, "is 1 day old"),
        (9, HOUR, "may be 1 day old"),
        (0, 89 * DAY, "may be 90 days old"),
    ],
)
def test_told(index: int, asked: int, told: str) -> None:
    """
    The age that is told is at least what is known to be too much; else it is what it may be.
    """
    assert told == Ages(MARKS, NOW).told(index, asked)


def test_told_of_unknown_age() -> None:
    """
    Of an entry before all marks, which are too young to say that it is old, nothing is told.
    """
    assert "is of unknown age" == Ages((Mark(6, NOW),), NOW).told(5, DAY)
    assert "is of unknown age" == Ages((), NOW).told(5, DAY)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, "less than a minute"),
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 minute"),
        (119, "1 minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (2 * HOUR, "2 hours"),
        (DAY - 1, "23 hours"),
        (DAY, "1 day"),
        (2 * DAY - 1, "1 day"),
        (400 * DAY, "400 days"),
    ],
)
def test_spans(seconds: float, told: str) -> None:
    """
    A span of time is told in its largest unit, and never longer than it is.
    """
    assert told == span(seconds)
