"""Forwarding lines of the trail by syslog (RFC 5424): a copy elsewhere, while it is possible.

    <110>1 2026-11-26T07:10:00.123Z host sealbook 4711 denied - {"content":{…},…}

To a Unix socket or over UDP, a message a datagram; over TCP with its length before it (RFC 6587).
Nothing waits for it: what the other side does not take in time is dropped, and counted. What is
purged here later stays there.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import deque
from collections.abc import Callable

import structlog

from signer.config import Config

log = structlog.get_logger()

_PRIORITY = 13 * 8 + 6  # "log audit", informational
_MOST_WAITING = 10_000  # lines
_TIMEOUT_S = 5.0
_AGAIN_S = 1.0
_KIND = b'"kind":"'
_TIME = b'"time":"'


class Syslog:
    """Sends lines from a thread of its own."""

    def __init__(self, target: str | None) -> None:
        """Send to "unix:PATH", "udp:HOST:PORT" or "tcp:HOST:PORT"; None is nowhere."""
        self._target = target
        self._lines: deque[bytes] = deque()
        self._wake = threading.Condition()
        self._ending = False
        self._socket: socket.socket | None = None
        self._sent_to: str | None = None
        self.dropped = 0
        self._troubled = False
        self._head = f"{socket.gethostname() or '-'} sealbook {os.getpid()}"
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)
        self._thread.start()

    def __call__(self, line: bytes) -> None:
        """Take a line, and return at once."""
        if self._target is None:
            return
        with self._wake:
            if len(self._lines) >= _MOST_WAITING:
                self.dropped += 1
                return
            self._lines.append(line)
            self._wake.notify()

    def prepare(self, config: Config) -> Callable[[], None]:
        """Return what sends to where `config` says from now on."""

        def install() -> None:
            with self._wake:
                self._target = config.trail.syslog
                self._wake.notify()

        return install

    def close(self) -> None:
        """Send what waits, if the other side takes it in time, and end."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._lines and not self._ending:
                    self._wake.wait()
                if not self._lines:
                    break
                line, target = self._lines.popleft(), self._target
            if target is not None and not self._send(target, line):
                self.dropped += 1
        self._disconnect()

    def _send(self, target: str, line: bytes) -> bool:
        """Send a line, connecting first if need be; return whether it went."""
        try:
            if self._socket is None or self._sent_to != target:
                self._disconnect()
                self._socket, self._sent_to = _connected(target), target
            message = self._message(line)
            if target.startswith("tcp:"):
                message = b"%d %s" % (len(message), message)
            self._socket.sendall(message)
        except OSError as e:
            if not self._troubled:
                log.warning("syslog does not take the audit trail", error=e.strerror or str(e))
            self._troubled = True
            self._disconnect()
            with self._wake:  # or each line would try for itself
                self._wake.wait_for(lambda: self._ending, _AGAIN_S)
            return False
        self._troubled = False
        return True

    def _message(self, line: bytes) -> bytes:
        kind, time = _field(line, _KIND), _field(line, _TIME)
        return f"<{_PRIORITY}>1 {time} {self._head} {kind} - ".encode("ascii") + line.rstrip(b"\n")

    def _disconnect(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None


def _connected(target: str) -> socket.socket:
    kind, _, where = target.partition(":")
    if kind == "unix":
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address: str | tuple[str, int] = where
    else:
        host, _, port = where.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        way = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made, address = socket.socket(family, way), (host, int(port))
    try:
        made.settimeout(_TIMEOUT_S)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _field(line: bytes, name: bytes) -> str:
    """Return a field of the head, which comes after the content."""
    return line[line.rindex(name) + len(name) :].split(b'"', 1)[0].decode("ascii")
