"""`sealbook serve`: run the service."""

from __future__ import annotations

import asyncio
import os
import sys

import structlog

from signer import heap
from signer.cli.arguments import parser
from signer.config import Config
from signer.listening import Addresses
from signer.server import Server


def main(argv: list[str]) -> int:
    """Serve until SIGTERM; exit code 74 when the storage failed."""
    made = parser(
        "serve",
        "Run the service in the foreground. SIGTERM or Ctrl-C lets it finish what is under way.",
        "cd /var/lib/sealbook && sealbook serve",
    )
    made.add_argument(
        "--example-keys",
        action="store_true",
        help="serve with the public keys of keys-example/; never in earnest",
    )
    args = made.parse_args(argv[1:])
    _log(as_json=args.json or not sys.stderr.isatty())
    # gRPC would wait for its own threads at each fork; what is started here execs at once.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # It would write a line for whatever strangers send wrong, as fast as they send it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    heap.share_one_arena()
    server = Server(Config.load(args.config))
    if not args.example_keys:
        try:
            server.refuse_example_keys()
        except BaseException:
            server.close()
            raise

    def started(addresses: Addresses) -> None:
        heap.leave_what_is_loaded()
        if not args.json:
            print(f"serving gRPC on {addresses.grpc}, HTTP on {addresses.http}", flush=True)

    code = asyncio.run(server.run(started))
    if server.left_behind:  # all is closed, and the interpreter would wait for it
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    return code


def _log(*, as_json: bool) -> None:
    """Log to standard error: JSON lines for machines, columns for people.

    Tracebacks never show the values of local variables: a token may be among them.
    """
    printed: tuple[structlog.typing.Processor, ...] = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    )
    if as_json:
        printed = (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *printed,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
