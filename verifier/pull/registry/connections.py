"""Connections of one registry: to itself, and to wherever it may send us.

They are kept and used again. The registry's own know its client certificate; those to elsewhere
never show it, and go only to addresses that `addresses.may_reach` lets pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import httpcore
import httpx

from verifier.pull.registry.answers import ENDED, FAILURES, Answer, failure
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.judges import Abroad, Anywhere, Home
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


def is_web(url: httpx.URL) -> bool:
    """Whether `url` is one that we go to: HTTP, to a host, and without a password in it."""
    port = url.port or 1
    return url.scheme in _PORTS and bool(url.host) and not url.userinfo and 0 < port < 65536


class Connections:
    """Sends requests of one registry; safe in many threads."""

    def __init__(self, own: Origin, settings: RegistrySettings, trusted: Trusted) -> None:
        """Connect to nobody yet."""
        self.own = own
        self._settings = settings
        self._trusted = trusted
        self._lock = threading.Lock()
        self._pools: dict[tuple[bool, str], httpcore.ConnectionPool] = {}
        self._home = Home(own.host)
        self._abroad = Abroad(self._home, settings)

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
                port=None if origin.port == _PORTS[origin.scheme] else origin.port,
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
            except ENDED as e:
                if not again:
                    raise failure(str(origin), e, deadline) from e
                again = False
            except FAILURES as e:
                raise failure(str(origin), e, deadline) from e

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
            network_backend=Network(Anywhere()),
        )


def _timeouts(deadline: Deadline) -> dict[str, object]:
    """Return what httpcore passes on to the network, which asks each time what is left."""
    return {
        "connect": deadline,
        "read": deadline,
        "write": deadline,
        "pool": deadline.left_s(),
    }
