"""One request to our service and its answer, over by one moment, whatever the peer does.

Redirects are not followed, compressed answers are not taken, and proxies are not asked: what
is configured is where the service is.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from verifier.errors import printable
from verifier.pull.errors import (
    PullSettingsError,
    PullTimeoutError,
    ServiceAnswerError,
    ServiceUnreachableError,
    UnreadableSourceError,
)
from verifier.pull.sources.file import read_regular

if TYPE_CHECKING:
    from verifier.pull.settings import ServiceSettings

_FRESH_S = 300.0  # then certificates are read again
_TOKEN = 64 << 10


class Answer(NamedTuple):
    """A status and a whole body."""

    status: int
    body: bytes


class Exchange:
    """Asks one service. Safe in many threads."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Ask at `settings.url`; nothing is read or opened yet.

        Raises:
            PullSettingsError: the URL is none.
        """
        self._settings = settings
        self.url = settings.url
        try:
            parts = urlsplit(settings.url)
            self._secure = parts.scheme == "https"
            self._host = parts.hostname or ""
            self._port = parts.port or (443 if self._secure else 80)
        except ValueError as e:
            raise PullSettingsError(f"service.url: {e}") from e
        self._netloc, self._base = parts.netloc, parts.path.rstrip("/")
        self._lock = threading.Lock()
        self._context: tuple[ssl.SSLContext, float] | None = None

    def get(self, path: str, until: float, limit: int) -> Answer:
        """Return what is at `path`, of at most `limit` bytes, before `until` (monotonic).

        Raises:
            PullError: it could not be had.
        """
        return self.send("GET", path, b"", until, limit)

    def send(self, verb: str, path: str, body: bytes, until: float, limit: int) -> Answer:
        """Send one request; see `get`. A `body` is JSON."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Host": self._netloc,
            "Connection": "close",
        }
        if body:
            headers |= {"Content-Type": "application/json"}
        if self._settings.token:
            headers["Authorization"] = f"Bearer {self._token()}"
        connection = _Connection(self._host, self._port, until, self._tls())
        try:
            connection.request(verb, self._base + path, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, _body(response, limit))
        except TimeoutError as e:
            raise PullTimeoutError(f"{self.url}: expected all of the answer in time") from e
        except ssl.SSLError as e:
            why = getattr(e, "verify_message", "") or e.reason or "no TLS"
            raise ServiceUnreachableError(f"{self.url}: {why}") from e
        except OSError as e:
            raise ServiceUnreachableError(f"{self.url}: {e.strerror or e}") from e
        except (http.client.HTTPException, ValueError) as e:
            raise ServiceAnswerError(f"{self.url}: {type(e).__name__}, no answer in HTTP") from e
        finally:
            connection.close()
            connection.hang_up()

    def _token(self) -> str:
        try:
            found = read_regular(self._settings.token, _TOKEN)
            token = (found or b"").decode("ascii").strip()
        except (OSError, ValueError) as e:
            raise UnreadableSourceError(f"cannot read {self._settings.token}") from e
        if not token or not token.isprintable() or len(token) > _TOKEN:
            raise UnreadableSourceError(f"expected a token in {self._settings.token}")
        return token

    def _tls(self) -> ssl.SSLContext | None:
        if not self._secure:
            return None
        with self._lock:
            if self._context is None or time.monotonic() - self._context[1] > _FRESH_S:
                self._context = self._made_context(), time.monotonic()
            return self._context[0]

    def _made_context(self) -> ssl.SSLContext:
        said = self._settings
        try:
            context = ssl.create_default_context(cafile=said.ca or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if said.client_certificate:
                context.load_cert_chain(said.client_certificate, said.client_key, _no_password)
        except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
            where = " or ".join(filter(None, (said.ca, said.client_certificate)))
            raise UnreadableSourceError(f"cannot use {where}: {printable(str(e))}") from e
        return context


def _no_password() -> str:
    raise ValueError("the client key is encrypted, and nobody is here to be asked")


class _Connection(http.client.HTTPConnection):
    """A connection every step of which is over by one moment."""

    def __init__(self, host: str, port: int, until: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self._until = until
        self._tls = tls
        self._open: socket.socket | None = None

    def hang_up(self) -> None:
        """Let go of the peer. `close` comes too early: it is called before the body is read."""
        if self._open is not None:
            self._open.close()

    def connect(self) -> None:
        """Connect to the first address that answers, and shake hands."""
        error: OSError | None = None
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for number, (family, kind, proto, _, address) in enumerate(found):
            plain = socket.socket(family, kind, proto)
            try:
                # One that nobody answers at leaves time for the others.
                plain.settimeout(_left_s(self._until) / (len(found) - number))
                plain.connect(address)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open = self._secured(plain)
                self.sock = _Timed(self._open, self._until)
            except OSError as e:
                plain.close()
                error = e
            else:
                return
        raise error or OSError(0, "no address")

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self._tls is None:
            return plain
        # By steps: a handshake is many reads, and each would have all the time again.
        secured = self._tls.wrap_socket(
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        secured.settimeout(0)
        try:
            while True:
                try:
                    secured.do_handshake()
                except ssl.SSLWantReadError:
                    _wait(secured, self._until, write=False)
                except ssl.SSLWantWriteError:
                    _wait(secured, self._until, write=True)
                else:
                    return secured
        except BaseException:
            secured.close()
            raise


class _Timed:
    """What `http.client` needs of a socket, each call with the time that is left."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(_left_s(self._until))
        self._sock.sendall(data)  # all of it by one deadline: sockets count it as one call

    def makefile(self, mode: str, *_: Any) -> io.BufferedReader:
        assert mode == "rb", mode
        return io.BufferedReader(_Reading(self._sock, self._until))

    def close(self) -> None:
        """Leave it open for the body; `hang_up` closes it."""


class _Reading(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left_s(self._until))
        return self._sock.recv_into(buffer)


def _wait(sock: socket.socket, until: float, *, write: bool) -> None:
    import select

    poll = select.poll()
    poll.register(sock, select.POLLOUT if write else select.POLLIN)
    if not poll.poll(_left_s(until) * 1000):
        raise TimeoutError


def _left_s(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """Return a whole body, what is too long for which is refused before it is read."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ServiceAnswerError("expected an answer that is not compressed")
    if response.length is not None and response.length > limit:
        raise ServiceAnswerError(f"expected at most {limit} bytes, found {response.length}")
    found = bytearray()
    while piece := response.read(1 << 16):
        found += piece
        if len(found) > limit:
            raise ServiceAnswerError(f"expected at most {limit} bytes, found more")
    if response.length:
        raise ServiceAnswerError("the answer ends too early")
    return bytes(found)
