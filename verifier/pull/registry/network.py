"""Sockets for httpcore: each operation by one deadline, each address judged where it is used.

httpcore hands our `Deadline` through as its timeout, so that the tenth read of an answer has
what the nine before it left over.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterable
from typing import Any, Protocol

import httpcore

from verifier.pull.errors import RegistryUnreachableError
from verifier.pull.registry.addresses import Address, address_of
from verifier.pull.registry.deadline import Deadline

_MOST_ADDRESSES = 16  # of one name; more are not tried
_BULK = 1 << 20
_ATTEMPT_S = 10.0  # for one of several addresses

Resolved = list[tuple[int, tuple[Any, ...]]]


class Judge(Protocol):
    """Says where connections may go."""

    def judge(self, host: str, address: Address) -> None:
        """Raise if there must be no connection to `address`, which `host` has."""

    def arrived(self, host: str, address: Address) -> None:
        """Learn that there is one."""


class Network(httpcore.NetworkBackend):
    """Connects by deadline, and only to addresses that the judge lets pass."""

    def __init__(self, judge: Judge) -> None:
        """Ask `judge` of every address before a connection is made."""
        self._judge = judge

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers.

        Raises:
            RegistryUnreachableError: there is no such host, or nobody answers.
            RegistryTimeoutError: not by the deadline.
        """
        deadline = _deadline(timeout)
        found = resolve(host, port, deadline)
        addresses = [_address(place) for _, place in found]
        for address in addresses:
            self._judge.judge(host, address)
        last: OSError | None = None
        for (family, place), address in zip(found, addresses, strict=True):
            allowed = deadline.left_s()
            if len(found) > 1:
                allowed = min(allowed, _ATTEMPT_S)
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(allowed)
                connection.connect(place)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as e:
                connection.close()
                last = e
            else:
                self._judge.arrived(host, address)
                return _Stream(connection)
        deadline.left_s()
        why = last.strerror or "no answer" if last else "no address"
        raise RegistryUnreachableError(f"{host}:{port}: {why}")


class _Stream(httpcore.NetworkStream):
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._more = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline = _deadline(timeout)
        try:
            self._socket.settimeout(deadline.step_s())
            found = self._socket.recv(max(max_bytes, self._more))
        except TimeoutError:
            raise deadline.passed() from None
        except OSError as e:
            raise httpcore.ReadError(str(e)) from e
        # What comes so fast is a large blob: fewer and larger pieces wait less for each other.
        self._more = _BULK if len(found) >= max_bytes else 0
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        deadline = _deadline(timeout)
        left = memoryview(buffer)
        try:
            while left:
                self._socket.settimeout(deadline.step_s())
                left = left[self._socket.send(left) :]
        except TimeoutError:
            raise deadline.passed() from None
        except OSError as e:
            # httpcore then reads what the peer may have said before it went away.
            raise httpcore.WriteError(str(e)) from e

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        deadline = _deadline(timeout)
        try:
            self._socket.settimeout(deadline.step_s())
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except TimeoutError:
            self.close()
            raise deadline.passed() from None
        except ssl.SSLCertVerificationError as e:
            self.close()
            raise RegistryUnreachableError(
                f"the certificate of {server_hostname} does not pass: {e.verify_message}",
                hint='name its CA: ca = "FILE" in registries.toml, or SSL_CERT_FILE',
            ) from e
        except OSError as e:
            self.close()
            raise RegistryUnreachableError(f"no TLS with {server_hostname}: {_reason(e)}") from e

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # an idle connection that has something to say has ended
            if self._socket.fileno() < 0:
                return True
            poll = select.poll()
            poll.register(self._socket.fileno(), select.POLLIN)
            return bool(poll.poll(0))
        if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket):
            return self._socket
        return None


def resolve(host: str, port: int, deadline: Deadline) -> Resolved:
    """Return the addresses of `host`, in the order in which the system would try them.

    Raises:
        RegistryUnreachableError: it has none.
        RegistryTimeoutError: not by the deadline.
    """
    literal = address_of(host)
    if literal is not None:
        return _addresses(host, port)
    found: list[Resolved | OSError] = []

    def ask() -> None:
        try:
            found.append(_addresses(host, port))
        except OSError as e:
            found.append(e)

    # The system's resolver takes its own time, and cannot be told to hurry.
    asking = threading.Thread(target=ask, daemon=True, name="resolving")
    asking.start()
    asking.join(deadline.left_s())
    if not found:
        raise deadline.passed()
    if isinstance(found[0], OSError):
        raise RegistryUnreachableError(f"{host}: no such host: {found[0].strerror}")
    return found[0]


def _addresses(host: str, port: int) -> Resolved:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as e:  # a label too long for the DNS
        raise OSError(0, "not a name") from e
    found: Resolved = [(family, place) for family, _, _, _, place in infos]
    return found[:_MOST_ADDRESSES]


def _address(place: tuple[Any, ...]) -> Address:
    address = address_of(str(place[0]))
    assert address is not None, "getaddrinfo gives addresses"
    return address


def _deadline(timeout: object) -> Deadline:
    assert isinstance(timeout, Deadline), "every request carries its deadline"
    return timeout


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "the handshake failed"
    return error.strerror or str(error)
