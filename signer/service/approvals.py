"""`sealbook.v1.Approvals`: what others have to agree to."""

from __future__ import annotations

from signer.access import Principal
from signer.approvals.approving import Approving
from signer.approvals.requests import Standing
from signer.errors import UnknownRequestError
from signer.guard import Method
from signer.seeing import AGREE, Sight
from signer.v1 import approvals_pb2

_LISTED = 16  # repositories of one request in a list


class ApprovalsService:
    """`sealbook.v1.Approvals`."""

    def __init__(self, approving: Approving) -> None:
        """Show what is open, and take approvals by `approving`."""
        self._requests = approving.requests
        self._approving = approving

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix, pb = "/sealbook.v1.Approvals/", approvals_pb2
        return {
            prefix + "ListRequests": Method(pb.ListRequestsRequest, self.list_requests),
            prefix + "GetRequest": Method(pb.GetRequestRequest, self.get_request),
            prefix + "Approve": Method(pb.ApproveRequest, self.approve),
        }

    async def list_requests(
        self, principal: Principal, _: approvals_pb2.ListRequestsRequest
    ) -> approvals_pb2.ListRequestsResponse:
        """Say what is open, of what the caller is shown."""
        answer, sight = approvals_pb2.ListRequestsResponse(), Sight(principal)
        for standing in self._requests.all():
            if not sight.covers_all(standing.request.asked.repositories):
                continue
            one = answer.requests.add()
            one.CopyFrom(_open(standing))
            del one.repositories[_LISTED:]
        return answer

    async def get_request(
        self, principal: Principal, request: approvals_pb2.GetRequestRequest
    ) -> approvals_pb2.OpenRequest:
        """Return what is to be read and signed."""
        standing = self._shown(request.id, Sight(principal))
        found = _open(standing)
        found.canonical = standing.request.canonical()
        return found

    async def approve(
        self, principal: Principal, request: approvals_pb2.ApproveRequest
    ) -> approvals_pb2.ApproveResponse:
        """Take a signature, from whoever may agree to all that the request is for."""
        self._shown(request.id, Sight(principal, AGREE))
        approved = await self._approving.approve(request.id, request.person, request.signature)
        return approvals_pb2.ApproveResponse(
            request=_open(approved.standing),
            index=approved.event.record.index,
            note=approved.event.published.note,
            known=approved.known,
        )

    def _shown(self, id_: str, sight: Sight) -> Standing:
        """Return an open request; one that the caller is not shown is as none."""
        standing = self._requests.named(id_)
        if not sight.covers_all(standing.request.asked.repositories):
            raise UnknownRequestError(f"no request {id_[:80]!r} is open")
        return standing


def _open(standing: Standing) -> approvals_pb2.OpenRequest:
    asked = standing.request.asked
    return approvals_pb2.OpenRequest(
        id=standing.id,
        action=asked.action,
        requester=asked.requester,
        repositories=asked.repositories,
        keys=asked.keys,
        expires=standing.request.expires,
        needed=standing.needed,
        approved_by=standing.approved_by,
        unsigned_by=standing.unsigned,
        granted=standing.granted,
    )
