"""Where the service listens: sockets, and what a connection may cost.

Nothing is shared by accident: a taken address is a refusal, the admin socket
lies in a directory that nobody else can enter. TLS itself is `signer.tls`.
"""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path
from typing import NamedTuple

import grpc
import structlog
from grpc_health.v1 import health, health_pb2_grpc

from signer.address import taken
from signer.config import Config
from signer.errors import ListenError
from signer.guard import Guard

log = structlog.get_logger()

# What a connection may cost; ARCHITECTURE.md, "Limits".
GRPC_OPTIONS = (
    ("grpc.so_reuseport", 0),  # else a second service shares the port in silence
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_send_message_length", 4 << 20),
    ("grpc.max_metadata_size", 8 << 10),
    ("grpc.absolute_max_metadata_size", 8 << 10),
    # Beyond them gRPC's own clients are told UNAVAILABLE, though they wait for their turn: the
    # service still counts streams that have ended. So it is more than anybody needs.
    ("grpc.max_concurrent_streams", 256),
    # Else each stream may bring 4 MiB before anybody has looked who is calling.
    ("grpc.http2.bdp_probe", 0),
    # Nothing here compresses well, and what was compressed may be far more than it seems.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.server_handshake_timeout_ms", 5_000),
    # What waits to be looked at. By default gRPC cancels beyond a thousand, by dice and without
    # a word; here everybody is told by `signer.guard`.
    ("grpc.server.max_pending_requests", 16_384),
    ("grpc.server.max_pending_requests_hard_limit", 16_384),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # what really ends it, else after a minute
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.http2.min_ping_interval_without_data_ms", 300_000),
    ("grpc.max_connection_idle_ms", 300_000),
    # New calls come back to the certificate in force. A call under way may end: a predicate has
    # 120 s to arrive, and the first answer to a mirror is a whole ledger.
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 1_800_000),
)
# Far more than `signer.guard` lets through: who opens calls and sends nothing costs memory too.
MOST_OPEN_CALLS = 4096
_FILES, _RAISED = 8192, 65_536  # open at once: what we want, and what we ask for if it is less
_OWN_FILES = 1024  # of them for all but connections
_FEWEST_CONNECTIONS, _MOST_CONNECTIONS = 64, 8192


class Addresses(NamedTuple):
    """Where a running service listens."""

    grpc: str
    http: str


def most_connections() -> int:
    """Let this process have as many open files as it may; return how many connections that takes.

    They are as many again for HTTP. Without a bound, whoever opens connections would keep the
    ledger from opening its files.
    """
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < _FILES:
        files = _FILES if most == resource.RLIM_INFINITY else max(files, min(most, _RAISED))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    if files < _FILES:
        log.warning("few files may be open", found=files, expected=_FILES, to_do="LimitNOFILE=")
    # gRPC has two files for each connection.
    return max(_FEWEST_CONNECTIONS, min(_MOST_CONNECTIONS, (files - _OWN_FILES) // 3))


def calls(
    config: Config,
    guard: Guard,
    healthy: health.aio.HealthServicer,
    credentials: grpc.ServerCredentials | None,
    most: int,
) -> tuple[grpc.aio.Server, str]:
    """Return a gRPC server of what `guard` answers, not started yet, and its address.

    It has at most `most` connections, and all of them by `credentials`, if any.

    Raises:
        ListenError: the address is taken.
    """
    server = grpc.aio.server(
        options=(*GRPC_OPTIONS, ("grpc.max_allowed_incoming_connections", most)),
        maximum_concurrent_rpcs=MOST_OPEN_CALLS,
        interceptors=(guard,),
    )
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    if config.listen.reflection:
        _reflect(server)
    address = config.listen.grpc
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as e:
        raise taken(address) from e
    return server, f"{address.rpartition(':')[0]}:{port}"


def operator(config: Config, guard: Guard) -> grpc.aio.Server:
    """Return a server of what `guard` answers on the admin socket, not started yet.

    Raises:
        ListenError: something else is where the socket is to be, or others can reach it.
    """
    path = config.path(config.listen.operator)
    clear_for_socket(path)
    server = grpc.aio.server(options=GRPC_OPTIONS, interceptors=(guard,))
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as e:
        raise taken(str(path)) from e
    return server


def clear_for_socket(path: Path) -> None:
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


def _reflect(server: grpc.aio.Server) -> None:
    from grpc_reflection.v1alpha import reflection

    ours = (f"sealbook.v1.{name}" for name in ("Signer", "Ledger", "Approvals"))
    reflection.enable_server_reflection((*ours, reflection.SERVICE_NAME), server)
