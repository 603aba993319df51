"""A purge: that content from before a time was taken away, as the ledger and the trail tell of it.

The event `trail-purged` says `before`, POSIX seconds, and how many `lines`; the line `purged`
also where that event is. Content that is younger than half a year is never taken away.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from signer.audit_trail.evidence import Evidence
from signer.audit_trail.lines import Head, Line
from verifier import dsse
from verifier._strict import Fields, rfc3339, utc
from verifier.errors import VerificationError
from verifier.statement import Statement

EVENT = "trail-purged"
LEAST_KEPT_S = 183 * 24 * 3600


class Purge(NamedTuple):
    """Content from before the second `before` went; the line `seq` of the trail says so at `at`."""

    before: int
    event: int
    seq: int
    at: int

    @classmethod
    def of(cls, line: Line) -> Self | None:
        """Read a line that tells of a purge."""
        told = line.fields
        before, event = told.get("before"), told.get("event")
        if type(before) is not int or type(event) is not int:
            return None
        return cls(before, event, line.head.seq, posix(line.head.time))

    @property
    def is_late_enough(self) -> bool:
        """Whether everything that it took was old enough."""
        return self.before <= self.at - LEAST_KEPT_S

    def took(self, head: Head) -> bool:
        """Whether it took the content of the line with this head."""
        return head.seq < self.seq and head.time < moment(self.before)

    def is_logged(self, evidence: Evidence) -> bool:
        """Whether the ledger tells of it, or is to tell of it soon."""
        if self.event >= evidence.tree_size:
            size = evidence.size_now()
            return size is None or self.event < size
        event = evidence.event(self.event)
        if event is None or event.kind != EVENT:
            return False
        try:
            statement = Statement.parse(dsse.parse_pae(event.body)[1])
            return Fields(statement.predicate, "predicate").number("before") == self.before
        except VerificationError:
            return False


def moment(second: int) -> str:
    """Print a POSIX second as lines have their time."""
    return f"{utc(second).removesuffix('Z')}.000Z"


def posix(time: str) -> int:
    """Return the POSIX second of a line's time."""
    return rfc3339(f"{time[:19]}Z")
