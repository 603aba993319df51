"""From times to positions, and by whose word.

Over gRPC the service says when it took an entry. Elsewhere only sightings of
whole trees tell, so the part is as small as they allow, and leaves nothing out:
it begins with the largest tree that was seen by its first moment, and ends with
the smallest one that was seen from its last moment on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ledger.audit.bounds import Sighting, utc
from ledger.audit.source import Source
from ledger.report.model import Boundary, ReportError
from verifier._strict import decimal, rfc3339
from verifier.errors import MalformedError

SERVICE = "the service's word"


class Period:
    """Finds positions in a ledger of `tree_size` entries."""

    def __init__(self, source: Source, tree_size: int, sightings: Sequence[Sighting]) -> None:
        """Go by what `source` says of its entries, or else by `sightings`."""
        self._source = source
        self._tree_size = tree_size
        self._sightings = sightings

    def part(self, start: str, stop: str) -> tuple[Boundary, Boundary]:
        """Return where the part begins and ends; "" means with the ledger.

        Raises:
            ReportError: it is none, or nothing tells where it begins.
            MalformedError: no position and no time.
        """
        first = self._find(start, last=False) if start else Boundary(0, "", "")
        end = self._find(stop, last=True) if stop else Boundary(self._tree_size, "", "")
        if not first.index <= end.index <= self._tree_size:
            raise ReportError(
                f"expected a part of {self._tree_size} entries, found {first.index} to {end.index}"
            )
        return first, end

    def _find(self, asked: str, *, last: bool) -> Boundary:
        if asked.isascii() and asked.isdigit():
            return Boundary(decimal(asked), asked, "")
        time = rfc3339(asked if len(asked) != len("2026-11-23") else f"{asked}T00:00:00Z")
        said = self._source.listed(0, min(1, self._tree_size))
        if said is not None:
            index = bisect_left(range(self._tree_size), time, key=self._committed_at)
            return Boundary(index, asked, SERVICE)
        if last:
            seen = min((s for s in self._sightings if s.time >= time), default=None)
            if seen is None:  # it lies in the future: nothing that is there is behind it
                return Boundary(self._tree_size, asked, "")
        else:
            seen = max((s for s in self._sightings if s.time <= time), default=None)
        if seen is None:
            raise ReportError(
                f"nothing says how large the ledger was at {asked}",
                hint="give a position instead of a time, --marks FILE, or --service",
            )
        by = f"{seen.whom}: {seen.tree_size} entries at {utc(seen.time)}"
        return Boundary(min(seen.tree_size, self._tree_size), asked, by)

    def _committed_at(self, index: int) -> int:
        said = self._source.listed(index, index + 1)
        if not said:
            raise ReportError(f"the service says nothing of entry {index}")
        return said[0].committed_at


def check(text: str) -> str:
    """Return `text` if it is a position or a time.

    Raises:
        MalformedError: it is neither.
    """
    try:
        if text.isascii() and text.isdigit():
            decimal(text)
        else:
            rfc3339(text if len(text) != len("2026-11-23") else f"{text}T00:00:00Z")
    except MalformedError as e:
        raise MalformedError(
            f"expected an index, a day or a time like 2026-11-23T21:06:41Z, found {text[:40]!r}"
        ) from e
    return text
