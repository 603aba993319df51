"""The HTTP server: uvicorn on a socket of ours, with a bound on connections.

Connections are taken by us, since each is welcomed with the TLS that is in force when it comes,
and since those that have not finished their handshake count too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from signer.http.connection import Connection

_HANDSHAKE_S = 5.0
_KEEP_ALIVE_S = 5  # between two requests
_BACKLOG = 1024
_AT_ONCE = 64  # taken before others have their turn on the loop
_PAUSE_S = 0.5


class Http(uvicorn.Server):
    """Serves an application, and leaves signals to the process, which has one way to go down."""

    def __init__(
        self, app: Any, context: Callable[[], ssl.SSLContext | None], most: int, grace_s: int
    ) -> None:
        """Serve `app` on at most `most` connections, each by what `context` returns when it comes.

        Going down, requests under way have `grace_s`.
        """
        logging.getLogger("uvicorn.access").disabled = True  # a path may hold a token
        # Warnings of it are what peers sent wrong, as many as they like.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=grace_s,
            )
        )
        self._context = context
        self._most = most

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections of `sockets`; uvicorn's own way knows one TLS context for ever."""
        assert sockets
        self.servers = [_Door(one, self) for one in sockets]  # type: ignore[misc]
        self.started = True

    def protocol(self) -> Connection:
        """Return what speaks on a new connection."""
        return Connection(self.config, self.server_state, self.lifespan.state)

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS in force."""
        return self._context()

    def is_full(self, handshakes: int) -> bool:
        """Whether there are as many connections as there may be, with those that begin."""
        return len(self.server_state.connections) + handshakes >= self._most


class _Door:
    """Takes connections from one socket, as long as it is open."""

    def __init__(self, listener: socket.socket, http: Http) -> None:
        self._listener = listener
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._closed = False
        listener.setblocking(False)  # noqa: FBT003  named so by Python
        listener.listen(_BACKLOG)
        self._open()

    def close(self) -> None:
        """Take no more; those that have not finished their handshake are left."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener)
            for task in self._handshakes:
                task.cancel()

    async def wait_closed(self) -> None:
        """Return when it is closed."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _open(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no more files: whoever waits does so in the system's queue
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_PAUSE_S, self._open)
                return
            if self._http.is_full(len(self._handshakes)):
                connection.close()
                continue
            connection.setblocking(False)  # noqa: FBT003
            task = self._loop.create_task(self._welcome(connection))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        context = self._http.context
        try:
            await self._loop.connect_accepted_socket(
                self._http.protocol,
                connection,
                ssl=context,
                ssl_handshake_timeout=None if context is None else _HANDSHAKE_S,
                ssl_shutdown_timeout=None if context is None else _HANDSHAKE_S,
            )
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is an OSError
            connection.close()
