"""The process: opens the ledger, listens, serves, and goes down in order.

Going down: say not ready, let calls in flight finish, commit what waits, close
the ledger, give the lock back. A storage that failed ends the process with
code 74 instead, because nobody knows what is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping

import grpc
import structlog
import uvicorn
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ledger.errors import LedgerError
from ledger.mirrored import Mirrored
from ledger.opening import OpenLedger, open_ledger
from ledger.receipts import Receipts
from ledger.sequencer import Sequencer
from signer import listening
from signer.access import Access
from signer.address import listen, taken
from signer.authority.opening import opened
from signer.config import Config
from signer.daily import keep_receipts
from signer.dating import Dating
from signer.events import Events
from signer.flows import Flows
from signer.forms.all import all_forms
from signer.guard import Guard, Method
from signer.http import application
from signer.keys.configured import signing_keys
from signer.keys.file import read_token
from signer.metrics import Metrics
from signer.own_keys import OwnKeys
from signer.publishing import Publishing, asks
from signer.rekor.asgi import RekorSide
from signer.rekor.uploads import Uploads
from signer.service import OperatorService, PullService
from signer.trust_files import public_signing_config, read_trust
from verifier.errors import SealbookError

log = structlog.get_logger()

EX_IOERR = 74  # sysexits.h
_GRACE_S = 10


class _Http(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to go down."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """One service. `run` serves until it is told to stop."""

    def __init__(self, config: Config) -> None:
        """Load keys and open the ledger.

        Raises:
            SealbookError: whatever keeps the service from starting, with its code.
        """
        self._config = config
        self._trust = read_trust(config)
        self._own = OwnKeys.open(config, self._trust)
        self._authorities = opened(config, self._own, self._trust)
        self._forms = all_forms(config.origin, self._authorities.issuer)
        self.keys = signing_keys(config, self._trust, self._forms)
        append_token = config.access.append_token
        self._access = Access(
            read_token(config.path(config.access.token)),
            read_token(config.path(append_token)) if append_token else None,
        )
        self._tls = listening.tls(config)
        self._opened: OpenLedger = open_ledger(
            config.home,
            self._own.ledger,
            asks=asks(config, self._trust),
            signs_late=config.mirror.synchronous,
        )
        self._mirrored = Mirrored()
        self._pulls = PullService(self._opened.ledger, self._mirrored)
        self._exit_code = 0
        self._ready = False

    def refuse_example_keys(self) -> None:
        """Raise `ExampleKeyError` if a key is one of keys-example/."""
        for public in (*(key.public for key in self.keys.values()), *self._own.publics):
            public.refuse_example()

    async def run(self, started: Callable[[listening.Addresses], None]) -> int:
        """Serve until SIGTERM or SIGINT, and return the exit code.

        `started` is told the addresses once everything listens.

        Raises:
            ListenError: an address is taken.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

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
        flows = Flows.over(
            ledger,
            sequencer,
            self._config,
            self.keys,
            forms=self._forms,
            dating=Dating(self._authorities.timestamps),
        )
        events = Events(ledger, sequencer, self._own.event)
        receipts = self._receipts()
        metrics = self._metrics(sequencer, publishing)
        try:
            async with contextlib.AsyncExitStack() as stack:
                http_socket, http_address = listen(self._config.listen.http)
                stack.callback(http_socket.close)
                table = flows.table(metrics) | self._pulls.table()
                calls, grpc_address, healthy = self._grpc_server(table)
                operator = self._operator_server(
                    OperatorService(
                        ledger,
                        sequencer,
                        self.keys,
                        home=self._config.home,
                        events=events,
                        publishing=publishing,
                        receipts=receipts,
                    )
                )
                await calls.start()
                await operator.start()
                http = self._http_server(
                    metrics,
                    table,
                    sequencer,
                    address=http_address,
                    ready=lambda: self._ready and publishing.alarm is None,
                )
                serving = asyncio.create_task(http.serve([http_socket]))
                if receipts is not None:
                    daily = asyncio.create_task(keep_receipts(ledger, receipts))
                    stack.callback(daily.cancel)
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
                await asyncio.gather(flows.drain(), sweeping)
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
        """Close the ledger and give its lock back."""
        self._opened.close()

    def _metrics(self, sequencer: Sequencer, publishing: Publishing) -> Metrics:
        metrics = Metrics()
        metrics.watch(self._opened.ledger, sequencer, self.keys)
        publishing.watch(metrics)
        return metrics

    def _grpc_server(
        self, table: Mapping[str, Method]
    ) -> tuple[grpc.aio.Server, str, health.aio.HealthServicer]:
        server = grpc.aio.server(
            options=listening.GRPC_OPTIONS, maximum_concurrent_rpcs=listening.MOST_OPEN_CALLS
        )
        healthy = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        if self._config.listen.reflection:
            _reflect(server)
        server.add_generic_rpc_handlers((Guard(table, self._access),))
        address = self._config.listen.grpc
        try:
            if self._tls is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._tls)
        except RuntimeError as e:
            raise taken(address) from e
        return server, f"{address.rpartition(':')[0]}:{port}", healthy

    def _receipts(self) -> Receipts | None:
        anchor = self._config.anchor
        if anchor.exec is None:
            return None
        return Receipts(self._config.home.anchor, anchor.exec, anchor.timeout_s)

    def _operator_server(self, service: OperatorService) -> grpc.aio.Server:
        path = self._config.path(self._config.listen.operator)
        listening.clear_for_socket(path)
        server = grpc.aio.server(options=listening.GRPC_OPTIONS)
        server.add_generic_rpc_handlers((Guard(service.table(), None),))
        try:
            server.add_insecure_port(f"unix:{path}")
        except RuntimeError as e:
            raise taken(str(path)) from e
        return server

    def _http_server(
        self,
        metrics: Metrics,
        table: Mapping[str, Method],
        sequencer: Sequencer,
        *,
        address: str,
        ready: Callable[[], bool],
    ) -> _Http:
        config = self._config
        files = {
            "trust.json": config.path(config.trust.trust),
            "trusted_root.json": config.path(config.trust.trusted_root),
        }
        app = application(
            self._opened.ledger,
            self._access,
            metrics,
            trust_files=files,
            signing_config=public_signing_config(config, self._trust, address),
            ready=ready,
            table=table,
        )
        certificate, key = config.listen.tls_certificate, config.listen.tls_key
        own = (*self._own.publics, *(one.public for one in self.keys.values()))
        uploads = Uploads(self._opened.ledger, sequencer, own)
        logging.getLogger("uvicorn.access").disabled = True  # a path may hold a token
        return _Http(
            uvicorn.Config(
                RekorSide(uploads, self._access, self._own.promise, metrics, app),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_S,
                ssl_certfile=config.path(certificate) if certificate else None,
                ssl_keyfile=config.path(key) if key else None,
            )
        )


async def _sweep(flows: Flows) -> None:
    """Remove what a crash left over; whatever keeps us from it can wait for fsck."""
    try:
        swept = await asyncio.to_thread(flows.sweep)
    except (LedgerError, OSError) as e:
        log.warning("left-over bodies could not be swept", error=str(e))
    else:
        if swept:
            log.info("swept bodies that no entry names", count=swept)


def _reflect(server: grpc.aio.Server) -> None:
    from grpc_reflection.v1alpha import reflection

    names = ("sealbook.v1.Signer", "sealbook.v1.Ledger", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)


def harden() -> None:
    """Keep this process's memory, and the keys in it, out of core dumps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
