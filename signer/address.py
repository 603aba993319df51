"""Addresses to listen on: IP:PORT in one spelling, and the sockets there.

Needs the standard library alone: a witness listens too, without gRPC.
"""

from __future__ import annotations

import ipaddress
import re
import socket

from signer.errors import ConfigError, ListenError

_PORT = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)


def check_address(text: str) -> str:
    """Return `text` if it is an address to listen on: IP:PORT, IPv6 in brackets.

    Raises:
        ConfigError: it is not.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        version = ipaddress.ip_address(host[1:-1] if bracketed else host).version
        good = bracketed == (version == 6)
    except ValueError:
        good = False
    if not good or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ConfigError(f"expected IP:PORT, with IPv6 in brackets, found {text[:80]!r}")
    return text


def is_loopback(address: str) -> bool:
    """Whether a checked address can be reached from this machine alone."""
    return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback


def listen(address: str) -> tuple[socket.socket, str]:
    """Return a socket that listens on a checked address, and the address with its real port.

    Raises:
        ListenError: somebody else has it.
    """
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named: else 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), int(port)))
        listener.listen(128)
    except OSError as e:
        listener.close()
        raise taken(address) from e
    return listener, f"{host}:{listener.getsockname()[1]}"


def taken(address: str) -> ListenError:
    """Return the refusal of an address that cannot be listened on."""
    return ListenError(
        f"cannot listen on {address}",
        hint="is another program listening there? choose another address",
    )
