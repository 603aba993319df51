"""The process: opens the ledger, listens, serves, and goes down in order.

Going down: say not ready, let calls in flight finish, commit what waits, close
the ledger, give the lock back. A storage that failed ends the process with
code 74 instead, because nobody knows what is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping

import structlog

from ledger.errors import LedgerError
from ledger.receipts import Receipts
from ledger.sequencer import Sequencer
from signer import listening
from signer.at_rest.older import keep_older
from signer.audit_trail.anchoring import Anchoring
from signer.audit_trail.calls import told
from signer.audit_trail.purging import Purging
from signer.config import Config
from signer.configuring.logged import Configured
from signer.configuring.reloading import Reloading
from signer.daily import keep_receipts
from signer.dating import Dating
from signer.deleting import Deleting
from signer.events import Events
from signer.flows import Flows
from signer.front import Front
from signer.gates import Gates
from signer.gates.reports import Reports
from signer.guard import Method
from signer.http.application import application
from signer.logins import Logins
from signer.metrics import Metrics
from signer.prepared import Prepared
from signer.publishing import Publishing
from signer.refusal import Refusals
from signer.rekor.asgi import RekorSide
from signer.rekor.uploads import Uploads
from signer.service import (
    KeysService,
    OperatorService,
    PublicationsService,
    PullCountsService,
    StorageService,
)
from signer.service.audit import AuditService
from signer.service.configuration import ConfigurationService
from signer.service.review import ReviewService
from signer.status.revoking import Revoking
from signer.trust_files import handed_out, public_signing_config
from verifier.errors import SealbookError

log = structlog.get_logger()

EX_IOERR = 74  # sysexits.h
_GRACE_S = 10


class Server(Prepared):
    """One service. `run` serves until it is told to stop."""

    def __init__(self, config: Config) -> None:
        """Load keys and open the ledger.

        Raises:
            SealbookError: whatever keeps the service from starting, with its code.
        """
        super().__init__(config)
        self._publishes = PublicationsService(self._publications, self._trail)
        self._counts = PullCountsService(self._counting)
        self._exit_code = 0
        self._ready = False

    @property
    def left_behind(self) -> bool:
        """Whether something still waits for a registry, which nobody needs any more."""
        return self._publications.left_behind

    async def run(self, started: Callable[[listening.Addresses], None]) -> int:
        """Serve until SIGTERM or SIGINT, and return the exit code.

        `started` is told the addresses once everything listens.

        Raises:
            ListenError: an address is taken.
        """
        loop = asyncio.get_running_loop()
        stop = _told_to_stop(loop)

        def fail(error: SealbookError) -> None:
            log.critical("the ledger can take no more", code=error.code, error=error.message)
            self._exit_code = EX_IOERR
            loop.call_soon_threadsafe(stop.set)

        ledger = self._opened.ledger
        publishing = Publishing(self._config, self._trust, ledger, self._mirrored)
        sequencer = Sequencer(
            ledger,
            fail,
            patience_s=publishing.patience_s,
            before_commit=self._trail.sync,
            on_commit=publishing.wake,
        )
        publishing.start(sequencer.release, fail)
        events = Events(ledger, sequencer, self._own.event, self._trail)
        anchoring = Anchoring(self._trail, ledger, events, self._config.trail.segment_s)
        reloading = self._reloading(events, anchoring)
        flows = Flows.over(
            ledger,
            sequencer,
            self.keys,
            forms=self._forms,
            dating=Dating(self._authorities.timestamps),
            in_force=self._status.in_force,
            gates=self._gates(),
            approving=self._dual.approving(events),
            control=self._dual.control,
            trail=self._trail,
            behind_issuer=self._authorities.behind_issuer,
        )
        revoking = Revoking(ledger, events, self._status, self._live)
        keys = self._life.flows(
            events, self._status.in_force, self._dual.control, flows.settle, reloading.follow
        )
        receipts = self._receipts()
        metrics = self._metrics(sequencer, publishing, reloading)
        refusals = Refusals(self._trail.denied, metrics.count_refusal)
        logins = Logins.over(
            self._state, self._issuers, events, self._trail, lambda: self._live_config.now
        )
        calls = told(
            self._publishes.noting(flows.table(metrics))
            | self._pulls.table()
            | logins.table()
            | self._publishes.table()
            | self._counts.table()
        )
        purging = Purging(
            self._trail, ledger, events, lambda: self._live_config.now.trail.retain_days
        )
        admins = told(
            OperatorService(
                ledger,
                sequencer,
                self.keys,
                home=self._config.home,
                events=events,
                publishing=publishing,
                receipts=receipts,
                revoking=revoking,
                in_force=self._status.in_force,
                expiry=self._expiry,
                publications=self._publications,
                counting=self._counting,
            ).table()
            | KeysService(keys).table()
            | StorageService(
                Deleting(ledger, events, self._dual.control, flows.settle, keys.turn),
                self._at_rest,
                self._trail,
            ).table()
            | ConfigurationService(reloading).table()
            # To read; an admin may not sign by that alone.
            | self._publishes.noting(flows.table(metrics))
            | flows.approvals()
            | logins.table()
            | self._publishes.table()
            | self._counts.table()
            | self._publishes.operating()
            | AuditService(self._trail, purging).table()
            | ReviewService(ledger).table()
        )
        try:
            async with contextlib.AsyncExitStack() as stack:
                await asyncio.to_thread(self._status.make)
                await reloading.start()  # before anybody can do anything under it
                front = self._front = Front(
                    self._config,
                    self._tls,
                    self._admitting,
                    refusals,
                    calls=admins | calls,
                    admins=admins,
                    site=lambda address: self._site(
                        metrics,
                        calls,
                        Uploads(ledger, sequencer, self._life.is_ours, self._trail),
                        address=address,
                        ready=lambda: (
                            self._ready and publishing.alarm is None and self._trail.writable
                        ),
                    ),
                    grace_s=_GRACE_S,
                )
                stack.callback(front.close)
                await front.start()
                for one in (*self._kept(receipts), anchoring.keep()):
                    stack.callback(asyncio.create_task(one).cancel)
                sweeping = asyncio.create_task(_sweep(flows))
                self._ready = True
                log.info("serving", **front.addresses._asdict(), origin=ledger.store.origin)
                started(front.addresses)
                await stop.wait()
                # Going down, in order. What the trail has to log comes first: mirrors get it too.
                self._ready = False
                if not self._exit_code:  # else the next start goes on in the segment
                    await anchoring.stop()
                self._say_stopping()
                await front.stop(at_once=self._exit_code != 0)
                await asyncio.gather(
                    flows.drain(),
                    self._publications.asking.drain(),
                    revoking.drain(),
                    keys.drain(),
                    logins.drain(),
                    reloading.drain(),
                    sweeping,
                )
                await front.end()
        finally:
            for stop_it in (self._publications.stop, sequencer.stop, publishing.stop):
                await asyncio.to_thread(stop_it)
            self.close()
        log.info("stopped", tree_size=ledger.published.checkpoint.tree_size)
        return self._exit_code

    def _say_stopping(self) -> None:
        """Be no longer ready, and let no mirror wait for entries that will not come."""
        self._ready = False
        self._pulls.stop()
        self._publications.say_stopping()
        log.info("stopping")

    def _reloading(self, events: Events, anchoring: Anchoring) -> Reloading:
        ledger = self._opened.ledger
        return Reloading(
            self._live_config,
            self._policy,
            Configured(events, ledger.store, ledger.bodies),
            [
                self._admitting,
                self._tokens,
                self._issuers,
                self._state.bindings,
                self._dual,
                self._expiry,
                self._tls,
                self._syslog,
                self._publications,
                anchoring,
            ],
        )

    def _gates(self) -> Gates:
        status = self._config.path(self._config.trust.status)
        reports = Reports(self._opened.ledger, lambda: self._trust, status, self._status.in_force)
        return Gates(lambda: self._policy.now, reports)

    def _metrics(
        self, sequencer: Sequencer, publishing: Publishing, reloading: Reloading
    ) -> Metrics:
        metrics = Metrics()
        metrics.watch(self._opened.ledger, sequencer, self.keys)
        publishing.watch(metrics)
        metrics.watch_status(lambda: self._status.age_s)
        metrics.watch_endings(self._expiry.endings)
        metrics.watch_trail(self._trail, lambda: self._syslog.dropped)
        metrics.watch_tls(lambda: self._tls.refused)
        metrics.watch_config(lambda: reloading.refused)
        self._publications.watch(metrics)
        metrics.watch_pulls(self._counting.since_start)
        return metrics

    def _kept(self, receipts: Receipts | None) -> Iterator[Coroutine[object, object, None]]:
        """Yield what goes on for as long as we serve."""
        yield self._status.keep()
        yield self._expiry.keep()
        yield self._tls.keep()
        yield self._publications.keep()
        if self._at_rest is not None:
            yield self._at_rest.keep()
            yield keep_older(self._at_rest, self._opened.ledger)
        if receipts is not None:
            yield keep_receipts(self._opened.ledger, receipts)

    def _receipts(self) -> Receipts | None:
        anchor = self._config.anchor
        if anchor.exec is None:
            return None
        return Receipts(self._config.home.anchor, anchor.exec, anchor.timeout_s)

    def _site(
        self,
        metrics: Metrics,
        table: Mapping[str, Method],
        uploads: Uploads,
        *,
        address: str,
        ready: Callable[[], bool],
    ) -> RekorSide:
        """Return what is served over HTTP, at `address`."""
        config = self._config
        others = application(
            self._opened.ledger,
            metrics,
            in_force=self._status.in_force,
            trust_files=handed_out(config),
            policy_file=lambda: self._policy.now.content,
            signing_config=public_signing_config(config, self._trust, address),
            ready=ready,
            table=table,
        )
        return RekorSide(uploads, self._own.promise, metrics, others)


def _told_to_stop(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Return what is set once a signal tells the process to go down."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def _sweep(flows: Flows) -> None:
    """Remove what a crash left over; whatever keeps us from it can wait for fsck."""
    try:
        swept = await asyncio.to_thread(flows.sweep)
    except (LedgerError, OSError) as e:
        log.warning("left-over bodies could not be swept", error=str(e))
    else:
        if swept:
            log.info("swept bodies that no entry names", count=swept)
