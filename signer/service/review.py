"""`Audit.ReviewAccess`."""

from __future__ import annotations

import asyncio

from ledger.ledger import Ledger
from signer.access import Principal
from signer.configuring.reviewing import review
from signer.errors import RequestError
from signer.guard import Method
from signer.v1 import access_pb2 as pb
from verifier._strict import canonical_json

_LAST = 253_402_300_800  # the year 10000


class ReviewService:
    """Who could do what, for auditors."""

    def __init__(self, ledger: Ledger) -> None:
        """Read it from `ledger`."""
        self._ledger = ledger

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        return {"/sealbook.v1.Audit/ReviewAccess": Method(pb.ReviewAccessRequest, self.review)}

    async def review(
        self, principal: Principal, request: pb.ReviewAccessRequest
    ) -> pb.ReviewAccessResponse:
        """Say who could do what, in the places that the caller audits."""
        at = request.at if request.HasField("at") else None
        if at is not None and request.time:
            raise RequestError("expected a tree size or a time, found both")
        if not 0 <= request.time < _LAST:
            raise RequestError(f"expected a time from 0 to before {_LAST}")
        whole = await asyncio.to_thread(review, self._ledger, at, request.time)
        found = whole.seen_by(principal)
        counted = found.configuration
        answer = pb.ReviewAccessResponse(
            at=found.at, bindings=[pb.Binding(**one._asdict()) for one in found.held]
        )
        if counted is not None:
            answer.configuration = counted.index
            answer.content = canonical_json(dict(counted.content)).decode()
        return answer
