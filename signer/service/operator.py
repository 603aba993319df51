"""`sealbook.v1.Operator`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ledger.ledger import Ledger
from ledger.sequencer import Sequencer
from signer import __version__
from signer.access import Principal
from signer.guard import Method
from signer.keys import SigningKey
from signer.v1 import operator_pb2


class OperatorService:
    """`sealbook.v1.Operator`, on the admin socket."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: Mapping[str, SigningKey],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Report on these."""
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._clock = clock
        self._started_at = int(clock())

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        return {
            "/sealbook.v1.Operator/GetStatus": Method(
                "operate", operator_pb2.GetStatusRequest, self.status
            )
        }

    async def status(
        self, _: Principal, __: operator_pb2.GetStatusRequest
    ) -> operator_pb2.GetStatusResponse:
        """Say how the service is, now."""
        published = self._ledger.published
        return operator_pb2.GetStatusResponse(
            version=__version__,
            origin=published.checkpoint.origin,
            tree_size=self._ledger.head.tree_size,
            published_size=published.checkpoint.tree_size,
            root=published.checkpoint.root,
            checkpoint_age_s=max(0.0, self._clock() - published.signed_at),
            queue_depth=self._sequencer.depth,
            started_at=self._started_at,
            keys=[
                operator_pb2.GetStatusResponse.KeyStatus(
                    name=key.name,
                    algorithm=key.public.algorithm.name,
                    fingerprint=key.public.fingerprint,
                    healthy=key.healthy,
                )
                for key in self._keys.values()
            ],
        )
