"""`sealbook.v1.Operator`: the calls about what is stored, and how."""

from __future__ import annotations

import asyncio

from signer.access import Principal
from signer.at_rest.keeping import AtRest
from signer.audit_trail.trail import Trail
from signer.deleting import Deleting
from signer.errors import AtRestError
from signer.guard import Method
from signer.v1 import operator_pb2 as pb


class StorageService:
    """What an operator does with what is stored."""

    def __init__(self, deleting: Deleting, at_rest: AtRest | None, trail: Trail) -> None:
        """Delete by `deleting`; data keys are those of `at_rest`, if anything is encrypted.

        `trail` says who had a new one made, which is in no entry.
        """
        self._deleting = deleting
        self._at_rest = at_rest
        self._trail = trail

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix = "/sealbook.v1.Operator/"
        return {
            prefix + "DeleteBody": Method(pb.DeleteBodyRequest, self.delete_body),
            prefix + "RotateDataKey": Method(pb.RotateDataKeyRequest, self.rotate_data_key),
        }

    async def delete_body(self, _: Principal, request: pb.DeleteBodyRequest) -> pb.EventResponse:
        """Delete the body of an attestation for good."""
        event = await self._deleting.delete(request.entry, request.reason, request.requester)
        return pb.EventResponse(index=event.record.index, note=event.published.note)

    async def rotate_data_key(
        self, principal: Principal, _: pb.RotateDataKeyRequest
    ) -> pb.RotateDataKeyResponse:
        """Make a new data key."""
        if self._at_rest is None:
            raise AtRestError("nothing is encrypted here", hint="set [at_rest], and restart")
        with self._trail.decided(principal, "rotate-data-key", {}):
            rotated = await asyncio.to_thread(self._at_rest.rotate)
        return pb.RotateDataKeyResponse(key=rotated.key, wrapping=rotated.wrapping)
