"""The main flows of a running service: everything that callers can have done."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Self, cast

from ledger import orphans
from ledger.ledger import Ledger
from ledger.sequencer import Sequencer
from ledger.store.reading import SqliteReader
from signer.approvals.approving import Approving
from signer.approvals.control import Control
from signer.attest.attesting import Attesting
from signer.audit_trail.trail import Trail
from signer.dating import Dating
from signer.forms import Forms
from signer.gates import Gates
from signer.guard import Method
from signer.keys.ring import KeyRing
from signer.message import Messages
from signer.metrics import Metrics
from signer.service import (
    ApprovalsService,
    AttestService,
    Bundles,
    LedgerService,
    MessageService,
    SignerService,
)
from signer.signing import Signing
from signer.status.in_force import InForce


class Flows(NamedTuple):
    """Approvals, attestations, messages of other tools; and what others agree to of these."""

    ledger: Ledger
    signing: Signing
    attesting: Attesting
    messages: Messages
    approving: Approving

    @classmethod
    def over(
        cls,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: KeyRing,
        *,
        forms: Forms,
        dating: Dating,
        in_force: InForce,
        gates: Gates,
        approving: Approving,
        control: Control,
        trail: Trail,
        behind_issuer: tuple[str, ...] = (),
    ) -> Self:
        """Sign with `keys` what goes through `sequencer` into `ledger`, as `control` lets it."""
        return cls(
            ledger,
            Signing(
                ledger,
                sequencer,
                keys,
                forms=forms,
                dating=dating,
                in_force=in_force,
                gates=gates,
                control=control,
                trail=trail,
                behind_issuer=behind_issuer,
            ),
            Attesting(
                ledger,
                sequencer,
                keys,
                dating,
                in_force=in_force,
                control=control,
                trail=trail,
            ),
            Messages(
                ledger,
                sequencer,
                keys,
                forms=forms,
                dating=dating,
                in_force=in_force,
                gates=gates,
                control=control,
                trail=trail,
            ),
            approving,
        )

    def table(self, metrics: Metrics) -> dict[str, Method]:
        """Return every method that callers may be given, over gRPC or as JSON."""
        ledger = self.ledger
        return (
            SignerService(self.signing, ledger, metrics).table()
            | AttestService(self.attesting, ledger, metrics).table()
            | MessageService(self.messages, ledger, metrics).table()
            | Bundles(ledger).table()
            | LedgerService(ledger).table()
            | self.approvals()
        )

    def approvals(self) -> dict[str, Method]:
        """Return the methods of dual control, which admins are given too."""
        return ApprovalsService(self.approving).table()

    async def drain(self) -> None:
        """Return when everything that was under way has its leaf and its answer."""
        flows = (self.signing, self.attesting, self.messages, self.approving)
        await asyncio.gather(*(flow.drain() for flow in flows))

    async def settle(self) -> None:
        """Return when everything that is under way now has its leaf and its answer."""
        flows = (self.signing, self.attesting, self.messages)
        await asyncio.gather(*(flow.settle() for flow in flows))

    def sweep(self) -> int:
        """Remove large bodies that no entry names, and return how many; may run meanwhile."""
        store = cast("SqliteReader", self.ledger.store)  # what a service is opened on
        return orphans.sweep(store, self.ledger.bodies)
