"""`sealbook.v1.Signer`: what is attached to images, and `Operator.ChangePublications`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import cast

import structlog
from google.protobuf.message import Message

from signer.access import Action, Principal
from signer.audit_trail.trail import Trail
from signer.errors import RequestError
from signer.guard import Method
from signer.publish.asking import PublishOrder
from signer.publish.publications import Publications
from signer.publish.rows import Publication
from signer.seeing import Sight
from signer.v1 import operator_pb2, record_pb2, signer_pb2
from verifier.errors import LimitError, SealbookError
from verifier.repository import Repository

log = structlog.get_logger()

_SIGN_MESSAGE = "/sealbook.v1.Signer/SignMessage"
_SEE: tuple[Action, ...] = ("publish", "read", "operate")
_USUAL, _MOST = 1_000, 10_000
_PAGE = 500
_MOST_IDS = 10_000
_LAST = 1 << 62


class PublicationsService:
    """Publish, ListPublications and ChangePublications."""

    def __init__(self, publications: Publications, trail: Trail) -> None:
        """Serve `publications`; `trail` says who changed them."""
        self._publications = publications
        self._store = publications.store
        self._trail = trail

    def table(self) -> dict[str, Method]:
        """Return the methods that callers may be given, by full name."""
        prefix, pb = "/sealbook.v1.Signer/", signer_pb2
        return {
            prefix + "Publish": Method(pb.PublishRequest, unary=self.publish),
            prefix + "ListPublications": Method(pb.ListPublicationsRequest, streaming=self.listed),
        }

    def noting(self, table: Mapping[str, Method]) -> dict[str, Method]:
        """Return `table` with a SignMessage after which we know what is to be attached where.

        The statements of other tools do not say of which repository they are; who asks does.
        """
        sign = table[_SIGN_MESSAGE].unary
        assert sign is not None

        async def noted(principal: Principal, request: signer_pb2.SignMessageRequest) -> Message:
            answer = cast("signer_pb2.SignMessageResponse", await sign(principal, request))
            await asyncio.to_thread(self._note, request.repository, answer.logged.record.index)
            return answer

        return {**table, _SIGN_MESSAGE: table[_SIGN_MESSAGE]._replace(unary=noted)}

    def _note(self, repository: str, index: int) -> None:
        try:
            self._publications.note(repository, index)
        except SealbookError as e:  # it is signed all the same
            log.warning("what was signed is not attached by itself", error=e.message, entry=index)

    def operating(self) -> dict[str, Method]:
        """Return the method of operators, by full name."""
        name = "/sealbook.v1.Operator/ChangePublications"
        return {name: Method(operator_pb2.ChangePublicationsRequest, unary=self.change)}

    async def publish(
        self, principal: Principal, request: signer_pb2.PublishRequest
    ) -> signer_pb2.PublishResponse:
        """Have everything attached that was signed about some digests."""
        order = PublishOrder(
            request.repository, tuple(request.digests), request.wait_ms, request.reason
        )
        done = await self._publications.asking.publish(principal, order)
        return signer_pb2.PublishResponse(publications=map(_message, done))

    async def listed(
        self, principal: Principal, request: signer_pb2.ListPublicationsRequest
    ) -> AsyncIterator[signer_pb2.ListPublicationsResponse]:
        """Yield what the caller may see, the newest first."""
        if request.limit > _MOST:
            raise LimitError(f"expected a limit of at most {_MOST}, found {request.limit}")
        repository = Repository(request.repository) if request.repository else ""
        sight = Sight(principal, _SEE)
        left, before = request.limit or _USUAL, _LAST
        while left:
            page = await asyncio.to_thread(
                self._store.listed,
                waiting=request.waiting,
                repository=repository,
                before=before,
                limit=_PAGE,
            )
            for one in [one for one in page if sight.covers(one.repository)][:left]:
                left -= 1
                yield signer_pb2.ListPublicationsResponse(publication=_message(one))
            if len(page) < _PAGE:
                return
            before = page[-1].id

    async def change(
        self, principal: Principal, request: operator_pb2.ChangePublicationsRequest
    ) -> operator_pb2.ChangePublicationsResponse:
        """Take out what waits, or have it tried at once."""
        if len(request.ids) > _MOST_IDS:
            raise LimitError(f"expected at most {_MOST_IDS} ids, found {len(request.ids)}")
        if any(not 0 < id_ < _LAST for id_ in request.ids):
            raise RequestError("expected ids of publications")
        ids = sorted(set(request.ids))
        told = {"drop": request.drop, "ids": ids}
        with self._trail.decided(principal, "change-publications", told):
            changed = await asyncio.to_thread(self._store.change, set(ids), drop=request.drop)
        self._publications.changed(changed)
        return operator_pb2.ChangePublicationsResponse(changed=len(changed))


def _message(one: Publication) -> signer_pb2.Publication:
    """Print what became of one image."""
    refusal = None
    if one.code:
        refusal = record_pb2.Refusal(code=one.code, message=one.message, hint=one.hint)
    return signer_pb2.Publication(
        id=one.id,
        digest=one.digest,
        repository=one.repository,
        state=signer_pb2.Publication.State.Name(one.state),
        attempts=one.attempts,
        asked_at=one.asked_at // 1000,
        next_at=one.next_at // 1000,
        done_at=one.done_at // 1000,
        refusal=refusal,
        entries=one.entries,
    )
