"""`sealbook.v1.Signer`: what hosts tell of their pulls, and who is shown it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from signer.access import Action, Principal
from signer.errors import RequestError
from signer.guard import Method
from signer.pulls.counting import Counting, day_of, day_told
from signer.pulls.store import Outcome, Pulls
from signer.seeing import Sight
from signer.v1 import signer_pb2
from verifier.errors import LimitError
from verifier.repository import Repository

_TELL: tuple[Action, ...] = ("report",)
_SEE: tuple[Action, ...] = ("read", "operate")
_MOST = 256
_MOST_COUNT = 1_000_000
_MOST_CODE = 64  # characters
_PAGE = 1_000
_FIRST = (-1, "", 0, "")


class PullCountsService:
    """ReportPulls and ListPulls."""

    def __init__(self, counting: Counting) -> None:
        """Count by `counting`."""
        self._counting = counting

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix, pb = "/sealbook.v1.Signer/", signer_pb2
        return {
            prefix + "ReportPulls": Method(pb.ReportPullsRequest, unary=self.report),
            prefix + "ListPulls": Method(pb.ListPullsRequest, streaming=self.listed),
        }

    async def report(
        self, principal: Principal, request: signer_pb2.ReportPullsRequest
    ) -> signer_pb2.ReportPullsResponse:
        """Count what a host told. A repository that is not the caller's is not named."""
        if not 1 <= len(request.pulls) <= _MOST:
            raise LimitError(f"expected 1 to {_MOST} pulls, found {len(request.pulls)}")
        told = [_read(one) for one in request.pulls]
        if len({one[:3] for one in told}) != len(told):
            raise RequestError("expected each repository, outcome and code once")
        sight = Sight(principal, _TELL)
        named = [
            one if sight.covers(one.repository) else one._replace(repository="") for one in told
        ]
        await asyncio.to_thread(self._counting.add, named)
        unnamed = sum(not one.repository for one in named)
        return signer_pb2.ReportPullsResponse(unnamed=unnamed)

    async def listed(
        self, principal: Principal, request: signer_pb2.ListPullsRequest
    ) -> AsyncIterator[signer_pb2.ListPullsResponse]:
        """Yield what the caller may see, by day; what is not named, to who may see everything."""
        repository = Repository(request.repository) if request.repository else ""
        since, until = _day(request.since, 0), _day(request.until, self._counting.today)
        sight = Sight(principal, _SEE)
        after = _FIRST
        while True:
            page = await asyncio.to_thread(
                self._counting.page, since, until, repository, after, _PAGE
            )
            for day, one in page:
                if sight.covers(one.repository):
                    yield signer_pb2.ListPullsResponse(day=day_told(day), pulls=_message(one))
            if len(page) < _PAGE:
                return
            day, last = page[-1]
            after = (day, last.repository, int(last.outcome), last.code)


def _read(told: signer_pb2.Pulls) -> Pulls:
    """Take what was told, if it can be meant."""
    repository = Repository(told.repository) if told.repository else ""
    try:
        outcome = Outcome(told.outcome)
    except ValueError as e:
        raise RequestError("expected an outcome: allowed, warned or refused") from e
    if len(told.code) > _MOST_CODE:
        raise LimitError(f"expected a code of at most {_MOST_CODE} characters")
    if bool(told.code) == (outcome is Outcome.ALLOWED):
        raise RequestError("expected a code of what was warned of or refused, and of nothing else")
    if not 1 <= told.count <= _MOST_COUNT:
        raise LimitError(f"expected a count of 1 to {_MOST_COUNT}, found {told.count}")
    return Pulls(repository, outcome, told.code, told.count)


def _message(one: Pulls) -> signer_pb2.Pulls:
    return signer_pb2.Pulls(
        repository=one.repository,
        outcome=signer_pb2.Pulls.Outcome.Name(one.outcome),
        code=one.code,
        count=one.times,
    )


def _day(text: str, default: int) -> int:
    if not text:
        return default
    try:
        return day_of(text)
    except ValueError as e:
        raise RequestError(f"expected a day as in 2026-11-26, found {text[:20]!r}") from e
