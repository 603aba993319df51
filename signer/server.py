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
from grpc_health.v1 import health, health_pb2

from ledger.errors import LedgerError
from ledger.mirrored import Mirrored
from ledger.opening import OpenLedger, open_ledger
from ledger.receipts import Receipts
from ledger.sequencer import Sequencer
from signer import listening
from signer.access import Access
from signer.address import listen
from signer.approvals.opening import DualControl
from signer.authority.opening import opened
from signer.config import Config
from signer.daily import keep_receipts
from signer.dating import Dating
from signer.events import Events
from signer.expiry import Expiry
from signer.flows import Flows
from signer.forms.all import all_forms
from signer.guard import Guard, Method
from signer.http import application
from signer.http_serving import Http
from signer.keys.secret_files import read_token
from signer.life.keeping import KeyLife
from signer.metrics import Metrics
from signer.own_keys import OwnKeys
from signer.publishing import Publishing, asks
from signer.rekor.asgi import RekorSide
from signer.rekor.uploads import Uploads
from signer.service import KeysService, OperatorService, PullService
from signer.status.keeping import StatusKeeper, read_status
from signer.status.revoking import Revoking
from signer.tls import Tls
from signer.trust_files import Handed, LiveTrust, handed_out, public_signing_config, read_policy
from verifier.errors import SealbookError
from verifier.trust import TrustRoot

log = structlog.get_logger()

EX_IOERR = 74  # sysexits.h
_GRACE_S = 10


class Server:
    """One service. `run` serves until it is told to stop."""

    def __init__(self, config: Config) -> None:
        """Load keys and open the ledger.

        Raises:
            SealbookError: whatever keeps the service from starting, with its code.
        """
        self._config = config
        self._live = LiveTrust.read(config)
        self._own = OwnKeys.open(config, self._trust)
        self._authorities = opened(config, self._own, self._trust)
        self._forms = all_forms(config.origin, self._authorities.issuer)
        named = config.access
        files = (named.token, named.append_token, named.approver_token)
        self._access = Access(*(read_token(config.path(file)) if file else None for file in files))
        self._tls = Tls(config)
        read_policy(config, self._trust)
        handed = Handed.of(config, self._live)
        status = read_status(handed.status, self._trust, config.origin)
        self._opened: OpenLedger = open_ledger(
            config.home,
            self._own.ledger,
            asks=asks(config, self._trust),
            signs_late=config.mirror.synchronous,
        )
        try:
            self._status = StatusKeeper(
                self._opened.ledger,
                self._own.status,
                handed,
                every_s=config.trust.status_every_s,
                previous=status,
            )
            ledger = self._opened.ledger
            self._life = KeyLife(config, self._forms, ledger, self._live, self._own)
            self.keys = self._life.ring
            taken = (*self._life.publics, *self._trust.publics())
            self._dual = DualControl.open(config, self._opened.ledger, self.keys.keys, taken)
            self._expiry = Expiry(config, self.keys, self._opened.ledger, lambda: self._trust)
        except BaseException:
            self._opened.close()
            raise
        self._mirrored = Mirrored()
        self._pulls = PullService(self._opened.ledger, self._mirrored)
        self._exit_code = 0
        self._ready = False

    def refuse_example_keys(self) -> None:
        """Raise `ExampleKeyError` if a key is one of keys-example/."""
        for public in (*self._life.publics, *self._dual.persons.publics()):
            public.refuse_example()

    @property
    def _trust(self) -> TrustRoot:
        """The trust file in force."""
        return self._live.root

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
            ledger, fail, patience_s=publishing.patience_s, on_commit=publishing.wake
        )
        publishing.start(sequencer.release, fail)
        events = Events(ledger, sequencer, self._own.event)
        flows = Flows.over(
            ledger,
            sequencer,
            self.keys,
            forms=self._forms,
            dating=Dating(self._authorities.timestamps),
            in_force=self._status.in_force,
            approving=self._dual.approving(events),
            control=self._dual.control,
            behind_issuer=self._authorities.behind_issuer,
        )
        revoking = Revoking(ledger, events, self._status, self._live)
        keys = self._life.flows(events, self._status.in_force, self._dual.control, flows.settle)
        receipts = self._receipts()
        metrics = self._metrics(sequencer, publishing)
        try:
            async with contextlib.AsyncExitStack() as stack:
                await asyncio.to_thread(self._status.make)
                most = listening.most_connections()
                http_socket, http_address = listen(self._config.listen.http)
                stack.callback(http_socket.close)
                table = flows.table(metrics) | self._pulls.table()
                healthy = health.aio.HealthServicer()
                calls, grpc_address = listening.calls(
                    self._config, Guard(table, self._access), healthy, self._tls.credentials, most
                )
                operator = listening.operator(
                    self._config,
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
                    ).table()
                    | KeysService(keys).table()
                    | flows.approvals(),
                )
                await asyncio.gather(calls.start(), operator.start())
                http = self._http_server(
                    metrics,
                    table,
                    sequencer,
                    address=http_address,
                    most=most,
                    ready=lambda: self._ready and publishing.alarm is None,
                )
                serving = asyncio.create_task(http.serve([http_socket]))
                for one in self._kept(receipts):
                    stack.callback(asyncio.create_task(one).cancel)
                sweeping = asyncio.create_task(_sweep(flows))
                self._ready = True
                await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
                log.info(
                    "serving", grpc=grpc_address, http=http_address, origin=ledger.store.origin
                )
                started(listening.Addresses(grpc_address, http_address))
                await stop.wait()
                # Going down, in order.
                self._say_stopping()
                await healthy.enter_graceful_shutdown()
                grace = 0 if self._exit_code else _GRACE_S
                await asyncio.gather(calls.stop(grace), operator.stop(grace))
                await asyncio.gather(flows.drain(), revoking.drain(), keys.drain(), sweeping)
                http.should_exit = True
                await serving
        finally:
            await asyncio.to_thread(sequencer.stop)
            await asyncio.to_thread(publishing.stop)
            self.close()
        log.info("stopped", tree_size=ledger.published.checkpoint.tree_size)
        return self._exit_code

    def _say_stopping(self) -> None:
        """Be no longer ready, and let no mirror wait for entries that will not come."""
        self._ready = False
        self._pulls.stop()
        log.info("stopping")

    def close(self) -> None:
        """Close the ledger, give its lock back, and log out of the devices with keys."""
        self._opened.close()
        self._own.close()
        self._life.close()

    def _metrics(self, sequencer: Sequencer, publishing: Publishing) -> Metrics:
        metrics = Metrics()
        metrics.watch(self._opened.ledger, sequencer, self.keys)
        publishing.watch(metrics)
        metrics.watch_status(lambda: self._status.age_s)
        metrics.watch_endings(self._expiry.endings)
        metrics.watch_tls(lambda: self._tls.refused)
        return metrics

    def _kept(self, receipts: Receipts | None) -> Iterator[Coroutine[object, object, None]]:
        """Yield what goes on for as long as we serve."""
        yield self._status.keep()
        yield self._expiry.keep()
        yield self._tls.keep()
        if receipts is not None:
            yield keep_receipts(self._opened.ledger, receipts)

    def _receipts(self) -> Receipts | None:
        anchor = self._config.anchor
        if anchor.exec is None:
            return None
        return Receipts(self._config.home.anchor, anchor.exec, anchor.timeout_s)

    def _http_server(
        self,
        metrics: Metrics,
        table: Mapping[str, Method],
        sequencer: Sequencer,
        *,
        address: str,
        most: int,
        ready: Callable[[], bool],
    ) -> Http:
        config = self._config
        app = application(
            self._opened.ledger,
            self._access,
            metrics,
            trust_files=handed_out(config),
            signing_config=public_signing_config(config, self._trust, address),
            ready=ready,
            table=table,
        )
        uploads = Uploads(self._opened.ledger, sequencer, self._life.is_ours)
        side = RekorSide(uploads, self._access, self._own.promise, metrics, app)
        return Http(side, lambda: self._tls.context, most, _GRACE_S)


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
