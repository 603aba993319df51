"""When an entry came in: not before, and not after, and by whose word.

A checkpoint of `tree_size` seen at a time proves that entry N was not there yet
when N >= tree_size, and that it was there when N < tree_size. Who saw it is
whom one has to believe: a witness, the log itself, its status file, or us.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import NamedTuple

from ledger.audit.trusted import Head, Trusted
from verifier import limits
from verifier._strict import Fields, decimal, json_object, rfc3339
from verifier.errors import ForeignTrustError, MalformedError
from verifier.trust.signed import SignedFile, is_envelope
from verifier.trust.status import PAYLOAD_TYPE

SELF = "this auditor"
LOG = "the log's own word"
MARKS = "the status file's marks"
_MOST_MARKS = 100_000


class Sighting(NamedTuple):
    """A tree of `tree_size` entries, seen at `time` (POSIX seconds) by `whom`."""

    tree_size: int
    time: int
    whom: str


class Bound(NamedTuple):
    """The best that one party's sightings say about one entry."""

    side: str  # "not before" or "not after"
    sighting: Sighting

    def json(self) -> dict[str, object]:
        """Render as JSON values."""
        return {
            "bound": self.side,
            "time": utc(self.sighting.time),
            "tree_size": self.sighting.tree_size,
            "by": self.sighting.whom,
        }

    def __str__(self) -> str:
        """Print one line."""
        s = self.sighting
        return f"{self.side:<10}  {utc(s.time)}  by {s.whom} (a tree of {s.tree_size} entries)"


def sightings(heads: Iterable[tuple[Head, int | None]]) -> list[Sighting]:
    """Return all that these checkpoints are evidence of.

    Each comes with when we were served it as the newest; None for one that came
    from elsewhere, which says nothing of when another was not there yet.
    """
    found = []
    for head, seen in heads:
        size = head.checkpoint.tree_size
        if seen is not None:
            found.append(Sighting(size, seen, SELF))
        found += [Sighting(size, t, f"witness {name}") for name, t in head.witnesses.items()]
        if head.signed_at is not None:
            found.append(Sighting(size, head.signed_at, LOG))
    return found


def bounds(index: int, found: Sequence[Sighting]) -> list[Bound]:
    """Return the tightest bounds on the entry at `index`, for each party, tightest first."""
    before: dict[str, Sighting] = {}
    after: dict[str, Sighting] = {}
    for s in found:
        if s.tree_size <= index:
            best = before.get(s.whom)
            if best is None or s.time > best.time:
                before[s.whom] = s
        else:
            best = after.get(s.whom)
            if best is None or s.time < best.time:
                after[s.whom] = s
    return [
        *(Bound("not before", s) for s in sorted(before.values(), key=lambda s: -s.time)),
        *(Bound("not after", s) for s in sorted(after.values(), key=lambda s: s.time)),
    ]


def marks(data: bytes, trusted: Trusted) -> list[Sighting]:
    """Read the field `marks` of a status file, `[[12,"2026-11-23T00:00:00Z"],…]`.

    Of one that is signed, by a status key of `trusted`; or of its payload alone.

    Raises:
        ForeignTrustError: somebody else signed it.
        SignatureError: its signature does not fit.
        MalformedError: any other shape.
    """
    if is_envelope(data):
        file = SignedFile.parse(data, PAYLOAD_TYPE, limits.STATUS_FILE)
        keys = (trusted.keys or {}).values()
        if not file.signers({key.label: key.public for key in keys if key.purpose == "status"}):
            raise ForeignTrustError("no status key of the trust file signed these marks")
        data = file.payload
    fields = Fields(json_object(data, limit=limits.STATUS_FILE, floats=True), "marks")
    found = []
    for mark in fields.items("marks", most=_MOST_MARKS):
        match mark:
            case [int(size), str(time)] if not isinstance(size, bool):
                found.append(Sighting(decimal(str(size)), rfc3339(time), MARKS))
            case _:
                raise MalformedError('expected marks like [12, "2026-11-23T00:00:00Z"]')
    return found


class Floor:
    """The earliest time that an entry can be of, by what this auditor and witnesses saw."""

    def __init__(self, found: Iterable[Sighting]) -> None:
        """Go by `found`, without what the log says of itself."""
        independent = sorted(s for s in found if s.whom not in (LOG, MARKS))
        self._sizes = [s.tree_size for s in independent]
        self._latest: list[Sighting] = list(accumulate(independent, _later))

    def of(self, index: int) -> Sighting | None:
        """Return the latest sighting of a tree without the entry at `index`."""
        i = bisect_right(self._sizes, index)
        return self._latest[i - 1] if i else None


def _later(a: Sighting, b: Sighting) -> Sighting:
    return a if a.time >= b.time else b


def utc(seconds: int) -> str:
    """Print POSIX seconds as 2026-11-23T21:06:41Z."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
