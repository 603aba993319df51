"""`sealbook witness serve`: answer logs that ask for cosignatures."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ledger.errors import LedgerError, WitnessSetupError
from ledger.witness.judge import Judge
from ledger.witness.server import READ_S, Witness
from ledger.witness.state import WitnessState
from signer.address import check_address, is_loopback, listen
from signer.cli.arguments import parser
from signer.cli.witness.setup import Setup
from signer.errors import ConfigError, ListenError
from signer.keys.secret_files import read_secret

_EX_IOERR = 74  # sysexits.h
_GRACE_S = 10
_MOST_CONNECTIONS = 256


class _Http(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to go down."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Patient(HttpToolsProtocol):
    """HTTP whose request line and headers must be there within seconds, as the body must."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(READ_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def main(argv: list[str]) -> int:
    """Serve until SIGTERM; exit code 74 when the disk failed."""
    made = parser(
        "witness serve",
        "Answer logs that ask for cosignatures (c2sp.org/tlog-witness), in the foreground.\n"
        "Without TLS on loopback only: a proxy or a tunnel brings the logs there.",
        "sealbook witness serve /var/lib/witness --listen 127.0.0.1:8642",
        config=False,
    )
    made.add_argument("directory", type=Path, metavar="DIR", help="the witness")
    made.add_argument(
        "--listen",
        default="127.0.0.1:8642",
        metavar="HOST:PORT",
        help="where (default: 127.0.0.1:8642)",
    )
    made.add_argument("--tls-certificate", type=Path, metavar="FILE", help="PEM chain")
    made.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, readable by you alone")
    args = made.parse_args(argv)
    try:
        check_address(args.listen)
    except ConfigError as e:
        raise ListenError(e.message) from e
    _check_tls(args.listen, args.tls_certificate, args.tls_key)
    setup = Setup.load(args.directory)
    with WitnessState(args.directory) as state:
        if not state.origins():
            raise WitnessSetupError(
                "expected a log to be a witness of, found none",
                hint=f"sealbook witness add-log {args.directory} --trust trust.json",
            )
        judge = Judge(state, setup.name, setup.open_keys())
        listener, address = listen(args.listen)
        with listener:
            return asyncio.run(_serve(judge, listener, address, args))


async def _serve(judge: Judge, listener: socket.socket, address: str, args: Any) -> int:
    failures: list[LedgerError] = []
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def fail(error: LedgerError) -> None:
        print(f"error: {error.message} ({error.code})", file=sys.stderr, flush=True)
        failures.append(error)
        stop.set()

    server = _Http(
        uvicorn.Config(
            Witness(judge, fail),
            http=_Patient,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=args.tls_certificate,
            ssl_keyfile=args.tls_key,
        )
    )
    serving = asyncio.create_task(server.serve([listener]))
    stopped = asyncio.create_task(stop.wait())
    scheme = "https" if args.tls_key else "http"
    print(f"the witness {judge.keys[0].name} serves on {scheme}://{address}", flush=True)
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    server.should_exit = True
    await serving
    return _EX_IOERR if failures else 0


def _check_tls(address: str, certificate: Path | None, key: Path | None) -> None:
    if (certificate is None) != (key is None):
        raise ListenError("expected --tls-certificate and --tls-key together, found one")
    if certificate is not None and key is not None:
        read_secret(key)  # refuses a key that others can read
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
            raise ListenError(f"the TLS certificate {certificate} and key {key}: {e}") from e
        return
    if not is_loopback(address):
        raise ListenError(
            f"expected a loopback address without TLS, found {address}",
            hint="pass --tls-certificate and --tls-key, or let a proxy on this machine bring TLS",
        )
