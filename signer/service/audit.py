"""`sealbook.v1.Audit`: the audit trail for those who may read it, and `Operator.PurgeTrail`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from signer.access import Principal, authorise_everywhere
from signer.access.where import Where
from signer.audit_trail.lines import Kind, Line
from signer.audit_trail.purging import Purging
from signer.audit_trail.querying import Query, find, places_of
from signer.audit_trail.trail import Trail
from signer.errors import RequestError
from signer.guard import Method
from signer.seeing import Sight
from signer.v1 import access_pb2, operator_pb2
from verifier.repository import EVERYWHERE

_PIECE = 256 << 10  # bytes
_LAST = 253_402_300_800  # the year 10000, which no time of ours is written in
_KINDS: dict[str, Kind | None] = {
    "": None,
    "denied": "denied",
    "decision": "decision",
    "outcome": "outcome",
}


class AuditService:
    """What was decided, for auditors; and the end of what need not be kept."""

    def __init__(self, trail: Trail, purging: Purging) -> None:
        """Read `trail`, and purge it by `purging`."""
        self._trail = trail
        self._purging = purging

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        audit, pb = "/sealbook.v1.Audit/", access_pb2
        return {
            audit + "QueryTrail": Method(pb.QueryTrailRequest, streaming=self.query),
            audit + "GetTrail": Method(pb.GetTrailRequest, streaming=self.get),
            "/sealbook.v1.Operator/PurgeTrail": Method(operator_pb2.PurgeTrailRequest, self.purge),
        }

    async def query(
        self, principal: Principal, request: access_pb2.QueryTrailRequest
    ) -> AsyncIterator[access_pb2.TrailLines]:
        """Yield the lines that fit, of those about places that the caller audits."""
        if request.decision not in _KINDS:
            kinds = ", ".join(kind for kind in _KINDS if kind)
            raise RequestError(f"expected one of {kinds}, found {request.decision[:40]!r}")
        if not all(0 <= time < _LAST for time in (getattr(request, "from"), request.to)):
            raise RequestError(f"expected times from 0 to before {_LAST}")
        query = Query(
            request.who,
            Where(request.repository or EVERYWHERE),
            _KINDS[request.decision],
            getattr(request, "from"),
            request.to,
            request.reference,
        )
        sight = Sight(principal, ("audit",))
        self._trail.flush()
        found = find(self._trail.folder, query, lambda line: _shows(sight, line))
        while True:
            lines = await asyncio.to_thread(_some, found)
            if not lines:
                return
            yield access_pb2.TrailLines(lines=lines)

    async def get(
        self, principal: Principal, request: access_pb2.GetTrailRequest
    ) -> AsyncIterator[access_pb2.TrailPiece]:
        """Yield the files, for who audits everything."""
        authorise_everywhere(principal, "audit")
        self._trail.flush()
        folder = self._trail.folder
        for segment in await asyncio.to_thread(folder.segments):
            if segment < request.first:
                continue
            with folder.file(segment).open("rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    yield access_pb2.TrailPiece(segment=segment, content=piece)

    async def purge(
        self, _: Principal, request: operator_pb2.PurgeTrailRequest
    ) -> operator_pb2.PurgeTrailResponse:
        """Take away what need not be kept."""
        if not 0 <= request.before < _LAST:
            raise RequestError(f"expected a time from 0 to before {_LAST}")
        purged = await self._purging.purge(request.before)
        return operator_pb2.PurgeTrailResponse(lines=purged.lines, index=purged.index)


def _shows(sight: Sight, line: Line) -> bool:
    places = places_of(line)
    return sight.everything or (bool(places) and all(map(sight.covers, places)))


def _some(found: Iterator[Line]) -> list[bytes]:
    """Take as many lines as one message holds."""
    lines: list[bytes] = []
    size = 0
    for line in found:
        lines.append(line.bytes())
        size += len(lines[-1])
        if size >= _PIECE:
            break
    return lines
