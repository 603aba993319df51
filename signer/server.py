"""The process: opens the ledger, listens, serves, and goes down in order.

Going down: say not ready, let calls in flight finish, commit what waits, close
the ledger, give the lock back. A storage that failed ends the process with
code 74 instead, because nobody knows what is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import structlog
import uvicorn
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ledger.ledger import LogKeys
from ledger.opening import OpenLedger, open_ledger
from ledger.sequencer import Sequencer
from signer.access import Access
from signer.config import Config
from signer.errors import ConfigError, KeyFileError, ListenError
from signer.forms import FORMS
from signer.guard import Guard
from signer.http import application
from signer.keys import SigningKey, open_key
from signer.keys.file import read_secret, read_token
from signer.metrics import Metrics
from signer.service import LedgerService, OperatorService, SignerService
from signer.signing import Signing
from verifier.errors import SealbookError
from verifier.trust import TrustRoot

log = structlog.get_logger()

EX_IOERR = 74  # sysexits.h
_GRACE_S = 10
_SEAL_BYTES = 32

# facts of each in ARCHITECTURE.md, "Limits of a connection".
_GRPC_OPTIONS = (
    ("grpc.so_reuseport", 0),  # else a second service shares the port in silence
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_send_message_length", 4 << 20),
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.absolute_max_metadata_size", 8 << 10),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
_MOST_CALLS = 512  # under way at once; more are refused with RESOURCE_EXHAUSTED


class Addresses(NamedTuple):
    """Where a running service listens."""

    grpc: str
    http: str


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
        self.keys = _signing_keys(config)
        log_key = open_key(config.keys.log, config.base)
        # A key that is gone shows at start, not when it is needed.
        own = (config.keys.promise, config.keys.event, config.keys.status)
        self._own = [log_key, *(open_key(uri, config.base) for uri in own)]
        seal = read_secret(config.path(config.keys.seal))
        if len(seal) != _SEAL_BYTES:
            raise KeyFileError(f"expected {_SEAL_BYTES} bytes in {config.keys.seal}")
        self._access = Access(read_token(config.path(config.access.token)))
        self._tls = _tls(config)
        self._opened: OpenLedger = open_ledger(config.home, LogKeys(log_key, seal))
        self._exit_code = 0
        self._ready = False

    def refuse_example_keys(self) -> None:
        """Raise `ExampleKeyError` if a key is one of keys-example/."""
        for key in (*self.keys.values(), *self._own):
            key.public.refuse_example()

    async def run(self, started: Callable[[Addresses], None]) -> int:
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
        sequencer = Sequencer(ledger, fail)
        signing = Signing(ledger, sequencer, self.keys, self._config.signing.default_key)
        metrics = Metrics()
        metrics.watch(ledger, sequencer, self.keys)
        try:
            async with contextlib.AsyncExitStack() as listening:
                http_socket, http_address = _listen(self._config.listen.http)
                listening.callback(http_socket.close)
                calls, grpc_address, healthy = self._grpc_server(signing, metrics)
                operator = self._operator_server(sequencer)
                await calls.start()
                await operator.start()
                http = self._http_server(metrics)
                serving = asyncio.create_task(http.serve([http_socket]))
                self._ready = True
                await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
                log.info(
                    "serving", grpc=grpc_address, http=http_address, origin=ledger.store.origin
                )
                started(Addresses(grpc_address, http_address))
                await stop.wait()
                # Going down, in order.
                self._ready = False
                log.info("stopping")
                await healthy.enter_graceful_shutdown()
                grace = 0 if self._exit_code else _GRACE_S
                await asyncio.gather(calls.stop(grace), operator.stop(grace))
                await signing.drain()
                http.should_exit = True
                await serving
        finally:
            await asyncio.to_thread(sequencer.stop)
            self.close()
        log.info("stopped", tree_size=ledger.published.checkpoint.tree_size)
        return self._exit_code

    def close(self) -> None:
        """Close the ledger and give its lock back."""
        self._opened.close()

    def _grpc_server(
        self, signing: Signing, metrics: Metrics
    ) -> tuple[grpc.aio.Server, str, health.aio.HealthServicer]:
        ledger = self._opened.ledger
        table = SignerService(signing, ledger, metrics).table() | LedgerService(ledger).table()
        server = grpc.aio.server(options=_GRPC_OPTIONS, maximum_concurrent_rpcs=_MOST_CALLS)
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
            raise _taken(address) from e
        return server, f"{address.rpartition(':')[0]}:{port}", healthy

    def _operator_server(self, sequencer: Sequencer) -> grpc.aio.Server:
        path = self._config.path(self._config.listen.operator)
        _clear_for_socket(path)
        server = grpc.aio.server(options=_GRPC_OPTIONS)
        table = OperatorService(self._opened.ledger, sequencer, self.keys).table()
        server.add_generic_rpc_handlers((Guard(table, None),))
        try:
            server.add_insecure_port(f"unix:{path}")
        except RuntimeError as e:
            raise _taken(str(path)) from e
        return server

    def _http_server(self, metrics: Metrics) -> _Http:
        config = self._config
        files = {
            "trust.json": config.path(config.trust.trust),
            "trusted_root.json": config.path(config.trust.trusted_root),
        }
        app = application(self._opened.ledger, metrics, files, lambda: self._ready)
        certificate, key = config.listen.tls_certificate, config.listen.tls_key
        return _Http(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                ssl_certfile=config.path(certificate) if certificate else None,
                ssl_keyfile=config.path(key) if key else None,
            )
        )


def _signing_keys(config: Config) -> dict[str, SigningKey]:
    """Open the keys that callers may ask for, and check that the trust file lists them."""
    path = config.path(config.trust.trust)
    try:
        trust = TrustRoot.parse(path.read_bytes())
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}") from e
    keys = {}
    for name, section in config.signing.keys.items():
        for form in section.forms:
            if form not in FORMS:
                raise ConfigError(f"key {name}: expected forms of {', '.join(FORMS)}, found {form}")
        key = SigningKey(name, open_key(section.uri, config.base), section.forms)
        trust.key(key.public.hint, "approve")
        keys[name] = key
    return keys


def _tls(config: Config) -> grpc.ServerCredentials | None:
    """Return the TLS credentials, once certificate and key are seen to fit each other."""
    listen = config.listen
    if listen.tls_certificate is None or listen.tls_key is None:
        return None
    certificate, key = config.path(listen.tls_certificate), config.path(listen.tls_key)
    secret = read_secret(key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        chain = certificate.read_bytes()
    except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
        raise ConfigError(f"the TLS certificate {certificate} and key {key}: {e}") from e
    return grpc.ssl_server_credentials([(secret, chain)])


def _listen(address: str) -> tuple[socket.socket, str]:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(128)
    except OSError as e:
        listener.close()
        raise _taken(address) from e
    return listener, f"{address.rpartition(':')[0]}:{listener.getsockname()[1]}"


def _clear_for_socket(path: Path) -> None:
    """Make the directory of the admin socket, and remove what a killed service left there."""
    directory = path.parent
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        raise ListenError(
            f"others can enter {directory}, where the admin socket is to be",
            hint="who can enter the directory is an admin: chmod 700, or choose another",
        )
    if os.path.lexists(path):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"{path} is there already, and is no socket")
        path.unlink()  # ours: the ledger's lock says that nobody else serves


def _taken(address: str) -> ListenError:
    return ListenError(
        f"cannot listen on {address}",
        hint="is another service running there? `listen` in the configuration chooses the address",
    )


def _reflect(server: grpc.aio.Server) -> None:
    from grpc_reflection.v1alpha import reflection

    names = ("sealbook.v1.Signer", "sealbook.v1.Ledger", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)


def harden() -> None:
    """Keep this process's memory, and the keys in it, out of core dumps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
