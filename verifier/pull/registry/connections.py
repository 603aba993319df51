"""Connections of one registry: to itself, and to wherever it may send us.

They are kept and used again. The registry's own know its client certificate; those to elsewhere
never show it, and go only to addresses that `addresses.may_reach` lets pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

import httpcore
import httpx

from verifier import limits
from verifier._strict import decimal
from verifier.errors import IntegerError, LimitError
from verifier.pull.errors import (
    RedirectError,
    RegistryAnswerError,
    RegistryUnreachableError,
)
from verifier.pull.registry.addresses import Address, address_of, is_loopback, is_public, may_reach
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.network import Network
from verifier.pull.registry.proxies import proxy_for
from verifier.pull.registry.settings import RegistrySettings
from verifier.pull.registry.tls import Trusted

_KEPT_S = 20.0  # servers close idle connections after a minute or so: we go first
_MOST = 32
_AGENT = b"sealbook"
_PORTS = {"http": 80, "https": 443}

Headers = Sequence[tuple[str, str]]


class Origin(NamedTuple):
    """Who is talked to; credentials belong to one origin."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> Self:
        """Return the origin of a URL."""
        host = url.raw_host.decode("ascii").lower()
        return cls(url.scheme, host, url.port or _PORTS[url.scheme])

    @property
    def netloc(self) -> str:
        """Write `host[:port]` as in a URL or a header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Write it as in a URL."""
        return f"{self.scheme}://{self.netloc}"


class Answer:
    """What came back; read its body once, or `discard` it, so that the connection is free."""

    __slots__ = ("_deadline", "_response", "challenges", "headers", "status")

    def __init__(self, response: httpcore.Response, deadline: Deadline) -> None:
        """Take the head of `response`; its body is to be there by `deadline`."""
        self._response = response
        self._deadline = deadline
        self.status: int = response.status
        self.headers: Mapping[str, str] = {
            name.decode("ascii", "replace").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        self.challenges = [
            value.decode("latin-1")
            for name, value in response.headers
            if name.lower() == b"www-authenticate"
        ]

    @property
    def length(self) -> int | None:
        """How long the body says it is."""
        said = self.headers.get("content-length")
        try:
            return None if said is None else decimal(said)
        except IntegerError as e:
            raise RegistryAnswerError(f"expected a length, found {said!r:.80}") from e

    def pieces(self) -> Iterator[bytes]:
        """Yield the body; what it is worth, whoever reads it must find out.

        Raises:
            RegistryAnswerError: it is compressed, which nobody asked for, or is no HTTP.
            RegistryTimeoutError: it was not there by the deadline.
            RegistryUnreachableError: it ended early.
        """
        try:
            if self.headers.get("content-encoding", "identity") != "identity":
                raise RegistryAnswerError("expected the content as it is, found it compressed")
            for piece in self._response.iter_stream():
                self._deadline.earn(len(piece))
                yield piece
        except _FAILURES as e:
            raise _failure("the answer", e, self._deadline) from e
        finally:
            self._response.close()

    def read(self, limit: int, what: str) -> bytes:
        """Return the whole body, of at most `limit` bytes.

        Raises:
            LimitError: it is larger, or says that it is.
        """
        if (self.length or 0) > limit:
            self.close()
            raise LimitError(f"{what}: expected at most {limit} bytes, found {self.length}")
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > limit:
                self.close()
                raise LimitError(f"{what}: expected at most {limit} bytes, found more")
        return bytes(body)

    def discard(self, limit: int = 64 << 10) -> bytes:
        """Return what a small body says, and leave a large one unread."""
        said = bytearray()
        try:
            for piece in self.pieces():
                said += piece
                if len(said) > limit:
                    break
        except (RegistryAnswerError, RegistryUnreachableError):
            pass
        finally:
            self.close()
        return bytes(said[:limit])

    def close(self) -> None:
        """Let go of the connection, which ends if there was more to read."""
        self._response.close()


class Connections:
    """Sends requests of one registry; safe in many threads."""

    def __init__(self, own: Origin, settings: RegistrySettings, trusted: Trusted) -> None:
        """Connect to nobody yet."""
        self.own = own
        self._settings = settings
        self._trusted = trusted
        self._lock = threading.Lock()
        self._pools: dict[tuple[bool, str], httpcore.ConnectionPool] = {}
        self._home = _Home(own)
        self._abroad = _Abroad(self._home, settings)

    def send(
        self,
        method: str,
        origin: Origin,
        target: str,
        *,
        headers: Headers,
        content: bytes | Iterable[bytes],
        deadline: Deadline,
    ) -> Answer:
        """Send one request, and return the head of what comes back; no redirect is followed.

        A request that can be sent again is, once, when the connection ended meanwhile.

        Raises:
            RegistryUnreachableError: nobody answers; or by the deadline.
            RegistryAnswerError: what answers does not speak HTTP.
            RedirectError: `origin` is not the registry's, and on an address not to be reached.
        """
        request = httpcore.Request(
            method,
            httpcore.URL(
                scheme=origin.scheme.encode(),
                host=origin.host.encode(),
                port=origin.port,
                target=target.encode("ascii"),
            ),
            headers=[
                (b"Host", origin.netloc.encode()),
                (b"User-Agent", _AGENT),
                (b"Accept-Encoding", b"identity"),
                *((name.encode(), value.encode("latin-1")) for name, value in headers),
            ],
            content=content,
        )
        pool = self._pool(origin)
        again = isinstance(content, bytes)
        while True:
            # A fresh dictionary: what is left for waiting in line shrinks.
            request.extensions = {"timeout": _timeouts(deadline)}
            try:
                return Answer(pool.handle_request(request), deadline)
            except _ENDED as e:
                if not again:
                    raise _failure(str(origin), e, deadline) from e
                again = False
            except _FAILURES as e:
                raise _failure(str(origin), e, deadline) from e

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()

    def _pool(self, origin: Origin) -> httpcore.ConnectionPool:
        home = origin == self.own
        proxy = proxy_for(origin.scheme, origin.host, origin.port)
        if proxy and not home:
            self._abroad.judge_name(origin.host)
        key = (home, str(proxy or ""))
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._open(home=home, proxy=proxy)
            return self._pools[key]

    def _open(self, *, home: bool, proxy: httpx.URL | None) -> httpcore.ConnectionPool:
        judge = self._home if home else self._abroad
        # Also where the registry speaks plain HTTP: it may send us to who does not.
        context = (
            self._trusted.context(show=home) if self.own.scheme == "https" or not home else None
        )
        if proxy is None:
            return httpcore.ConnectionPool(
                ssl_context=context,
                max_connections=_MOST,
                keepalive_expiry=_KEPT_S,
                network_backend=Network(judge),
            )
        return httpcore.HTTPProxy(
            str(proxy.copy_with(userinfo=b"", path="/")),
            proxy_auth=(proxy.username, proxy.password) if proxy.userinfo else None,
            ssl_context=context,
            proxy_ssl_context=Trusted().context(show=False) if proxy.scheme == "https" else None,
            max_connections=_MOST,
            keepalive_expiry=_KEPT_S,
            network_backend=Network(_Anywhere()),
        )


class _Home:
    """Judges where the registry itself may be: wherever it was first, but not elsewhere inside."""

    def __init__(self, own: Origin) -> None:
        self._own = own
        self._was_public = False
        self.addresses: set[Address] = set()

    def judge(self, host: str, address: Address) -> None:
        written = address_of(self._own.host) is not None
        if is_public(address) or written:
            return
        if is_loopback(self._own.host) and not address.is_loopback:
            raise RedirectError(f"{host} leads to {address}, which is not this machine")
        if address.is_link_local or address.is_multicast:
            raise RedirectError(f"{host} leads to {address}, where no registry is")
        if self._was_public:
            raise RedirectError(f"{host} was on the Internet, and now leads to {address}")

    def arrived(self, host: str, address: Address) -> None:  # noqa: ARG002
        if len(self.addresses) < limits.PATH:
            self.addresses.add(address)
        self._was_public |= is_public(address)


class _Abroad:
    """Judges where else the registry may send us."""

    def __init__(self, home: _Home, settings: RegistrySettings) -> None:
        self._home = home
        configured = (*settings.token_hosts, *settings.redirect_hosts)
        self._configured = {one.rpartition(":")[0] or one for one in configured} | set(configured)

    def judge(self, host: str, address: Address) -> None:
        if not may_reach(
            address,
            own=self._home.addresses,
            configured=host in self._configured,
            written=address_of(host) is not None or host == "localhost",
        ):
            raise RedirectError(
                f"the registry sends us to {host}, which is {address}, inside some network",
                hint="if that is right, add to what is configured for this registry: "
                f'redirect_hosts = ["{host}"]',
            )

    def judge_name(self, host: str) -> None:
        """Judge what a proxy would connect to: only it knows the addresses of names."""
        address = address_of(host)
        if address is None and is_loopback(host):
            address = address_of("127.0.0.1")
        if address is not None:
            self.judge(host, address)

    def arrived(self, host: str, address: Address) -> None:
        pass


class _Anywhere:
    """Judges the way to a proxy: it is configured, and may be wherever it is."""

    def judge(self, host: str, address: Address) -> None:
        pass

    def arrived(self, host: str, address: Address) -> None:
        pass


_ENDED = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_FAILURES = (
    *_ENDED,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def _timeouts(deadline: Deadline) -> dict[str, object]:
    """Return what httpcore passes on to the network, which asks each time what is left."""
    return {
        "connect": deadline,
        "read": deadline,
        "write": deadline,
        "pool": deadline.left_s(),
    }


def _failure(
    what: str, error: BaseException, deadline: Deadline
) -> RegistryUnreachableError | RegistryAnswerError:
    said = str(error) or type(error).__name__
    if isinstance(error, httpcore.TimeoutException):
        return deadline.passed()
    if isinstance(error, httpcore.ProtocolError) and not (
        "disconnected" in said or "closed connection" in said
    ):
        return RegistryAnswerError(f"{what}: expected HTTP, found: {said:.200}")
    return RegistryUnreachableError(f"{what}: the connection ended: {said:.200}")
