"""`sealbook.v1.Operator`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ledger.answer import Appended
from ledger.errors import ForeignLedgerError
from ledger.ledger import Ledger
from ledger.opening import Home
from ledger.receipts import Receipts
from ledger.sequencer import Sequencer
from signer import __version__
from signer.access import Principal
from signer.ceremony.recording import Ceremonies
from signer.errors import RequestError
from signer.events import Events
from signer.expiry import Expiry
from signer.guard import Method
from signer.keys.ring import KeyRing
from signer.publish.publications import Publications
from signer.publishing import Publishing
from signer.pulls.counting import Counting
from signer.status.in_force import InForce
from signer.status.revoking import (
    AuthorityTarget,
    EntryTarget,
    ImageTarget,
    KeyTarget,
    Revoking,
    Target,
)
from signer.v1 import operator_pb2
from verifier import limits
from verifier._strict import canonical_json


class OperatorService:
    """`sealbook.v1.Operator`, on the admin socket."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: KeyRing,
        *,
        home: Home,
        events: Events,
        publishing: Publishing,
        receipts: Receipts | None,
        revoking: Revoking,
        in_force: InForce,
        expiry: Expiry,
        publications: Publications,
        counting: Counting,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Report on these, log what an operator does as `events`, and revoke by `revoking`."""
        self._ledger = ledger
        self._sequencer = sequencer
        self._keys = keys
        self._home = home
        self._events = events
        self._publishing = publishing
        self._receipts = receipts
        self._revoking = revoking
        self._in_force = in_force
        self._expiry = expiry
        self._publications = publications
        self._counting = counting
        self._ceremonies = Ceremonies(ledger, events)
        self._clock = clock
        self._started_at = int(clock())

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix, pb = "/sealbook.v1.Operator/", operator_pb2
        return {
            prefix + "GetStatus": Method(pb.GetStatusRequest, self.status),
            prefix + "Freeze": Method(pb.FreezeRequest, self.freeze),
            prefix + "AcceptClock": Method(pb.AcceptClockRequest, self.accept_clock),
            prefix + "Revoke": Method(pb.RevokeRequest, self.revoke),
            prefix + "RecordCeremony": Method(pb.RecordCeremonyRequest, self.record_ceremony),
        }

    async def status(
        self, _: Principal, __: operator_pb2.GetStatusRequest
    ) -> operator_pb2.GetStatusResponse:
        """Say how the service is, now."""
        published = self._ledger.published
        mirrored, alarm = self._publishing.mirrored, self._publishing.alarm
        counts = await asyncio.to_thread(self._publications.counts)
        pulls = await asyncio.to_thread(self._counting.totals)
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
                    revoked=self._in_force.is_revoked(key.public),
                    version=key.version,
                    available=key.available,
                )
                for key in self._keys.keys.values()
            ],
            frozen=self._ledger.head.frozen,
            alarm=alarm.code if alarm else "",
            witnesses=[
                operator_pb2.GetStatusResponse.WitnessStatus(
                    name=witness.name,
                    tree_size=witness.tree_size,
                    cosigned_at=witness.cosigned_at,
                    error=witness.error,
                )
                for witness in self._publishing.witnesses
            ],
            mirror_size=mirrored.tree_size,
            mirrored_at=int(mirrored.heard_at),
            database_bytes=self._home.size_bytes(),
            receipt_day=self._receipts.last_day if self._receipts else "",
            endings=[
                operator_pb2.GetStatusResponse.Ending(what=ending.what, at=ending.at)
                for ending in self._expiry.soon()
            ],
            publications=operator_pb2.GetStatusResponse.Publications(
                waiting=counts.waiting,
                oldest_s=self._publications.store.age_s(counts),
                refused=counts.refused,
            ),
            pulls=operator_pb2.GetStatusResponse.Pulls(**pulls._asdict()),
        )

    async def freeze(
        self, _: Principal, request: operator_pb2.FreezeRequest
    ) -> operator_pb2.EventResponse:
        """Log the last entry of all."""
        origin = self._ledger.store.origin
        if request.origin != origin:
            raise ForeignLedgerError(f"expected the origin {origin}, found {request.origin[:80]!r}")
        predicate = {"reason": _reason(request.reason)}
        return _event(await self._events.record("frozen", predicate, freeze=True))

    async def accept_clock(
        self, _: Principal, request: operator_pb2.AcceptClockRequest
    ) -> operator_pb2.EventResponse:
        """Take the machine's clock as right, and log that."""
        clock, last = self._ledger.clock, self._ledger.head.time
        predicate = {"reason": _reason(request.reason), "last": last, "now": int(clock.now())}
        clock.accept(last)
        return _event(await self._events.record("clock-accepted", predicate))

    async def revoke(
        self, _: Principal, request: operator_pb2.RevokeRequest
    ) -> operator_pb2.RevokeResponse:
        """Take something back."""
        revoked = await self._revoking.revoke(_target(request), request.reason)
        return operator_pb2.RevokeResponse(
            index=revoked.event.record.index,
            note=revoked.event.published.note,
            claim=canonical_json(revoked.revocation.claim()).decode(),
            known=revoked.known,
            status_version=revoked.status_version,
        )

    async def record_ceremony(
        self, _: Principal, request: operator_pb2.RecordCeremonyRequest
    ) -> operator_pb2.RecordCeremonyResponse:
        """Log that a key ceremony was held."""
        recorded = await self._ceremonies.record(request.transcript)
        return operator_pb2.RecordCeremonyResponse(
            index=recorded.event.record.index,
            note=recorded.event.published.note,
            claim=recorded.claim.decode(),
            known=recorded.known,
        )


def _target(request: operator_pb2.RevokeRequest) -> Target:
    match request.WhichOneof("target"):
        case "entry":
            return EntryTarget(request.entry)
        case "key":
            key = request.key
            set_ = key.HasField("valid_through_tree_size")
            return KeyTarget(key.name, key.valid_through_tree_size if set_ else None)
        case "image":
            return ImageTarget(request.image.digest, request.image.repository)
        case "authority":
            return AuthorityTarget(request.authority.name, request.authority.until or None)
    raise RequestError("expected an entry, a key, an image or an authority, found none")


def _reason(text: str) -> str:
    if not 0 < len(text.encode()) <= limits.ANNOTATION_VALUE:
        raise RequestError(f"expected a reason of 1 to {limits.ANNOTATION_VALUE} bytes")
    return text


def _event(appended: Appended) -> operator_pb2.EventResponse:
    return operator_pb2.EventResponse(index=appended.record.index, note=appended.published.note)
