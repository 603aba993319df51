"""From where a call comes, and whether calls from there are taken at all.

gRPC and HTTP tell the peer in spellings of their own; an address has one spelling here, and an
IPv4 address that comes in IPv6's clothes is IPv4. X-Forwarded-For is what anybody may write:
it is read for as long as who wrote the next part is a proxy that the configuration names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from signer.errors import NetworkError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_FORWARDED = 2048  # characters; a hundred IPv6 hops have less
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class Networks:
    """The networks that may call, and those of the proxies that are believed."""

    def __init__(self, allow: Iterable[str] | None, proxies: Iterable[str] = ()) -> None:
        """Take calls from the networks `allow` alone; None is every network, nothing is none.

        Networks are in CIDR notation. IPv6's ::/0 does not hold IPv4 addresses.
        """
        self._allow = None if allow is None else tuple(_network(one) for one in allow)
        self._proxies = tuple(_network(one) for one in proxies)

    def address_of_peer(self, peer: str) -> str:
        """Return the address of a peer as gRPC names it; empty for one on a Unix socket.

        Raises:
            NetworkError: it names no address.
        """
        return _address_of_peer(peer)

    def address(self, host: str) -> str:
        """Return the address of a peer as a socket names it, in its one spelling.

        Raises:
            NetworkError: it is none.
        """
        return _address(host)

    def client(self, peer_address: str, forwarded: str | None) -> str:
        """Return who called: the peer, or the one for whom proxies of ours say that they ask.

        `forwarded` is X-Forwarded-For, several of them joined by commas in their order. Each
        proxy has added whom it heard; what stands before the first who is no proxy of ours is
        that one's claim, and is not looked at.

        Raises:
            NetworkError: a proxy of ours sent something else than addresses.
        """
        hop = peer_address
        if forwarded is None or not self._is_proxy(hop):
            return hop
        if len(forwarded) > _MOST_FORWARDED:
            raise NetworkError(f"expected at most {_MOST_FORWARDED} characters in X-Forwarded-For")
        for said in reversed(forwarded.split(",")):
            hop = str(_parsed(said.strip(" \t")))
            if not self._is_proxy(hop):
                break
        return hop

    def allowed(self, address: str) -> bool:
        """Whether calls from `address` are taken; what has no address is in no network."""
        if self._allow is None:
            return True
        return bool(address) and _in(_parsed(address), self._allow)

    def check(self, address: str) -> None:
        """Raise `NetworkError` if calls from `address` are not taken."""
        if not self.allowed(address):
            raise NetworkError(f"calls from {address or 'a socket'} are not taken here")

    def _is_proxy(self, address: str) -> bool:
        return bool(address) and _in(_parsed(address), self._proxies)


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether `address` lies in one of `networks`; what has no address lies in none."""
    return bool(address) and _in(_parsed(address), tuple(_network(one) for one in networks))


def is_loopback(address: str) -> bool:
    """Whether `address` is of this machine alone; no address is a socket of it."""
    return not address or _parsed(address).is_loopback


def _in(address: _Address, networks: tuple[_Network, ...]) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=4096)  # a connection has many calls
def _address_of_peer(peer: str) -> str:
    kind, _, rest = unquote(peer).partition(":")
    if kind == "unix":
        return ""
    host = rest.rpartition(":")[0]
    if kind == "ipv4" or (kind == "ipv6" and host.startswith("[") and host.endswith("]")):
        return _address(host.strip("[]"))
    raise _unreadable(peer)


@lru_cache(maxsize=4096)
def _address(host: str) -> str:
    return str(_parsed(host.partition("%")[0]))  # behind % is the link that it came over


@lru_cache(maxsize=4096)
def _parsed(text: str) -> _Address:
    """Return an address; IPv4 in IPv6's clothes (RFC 4291 section 2.5.5.2) as IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _unreadable(text) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise _unreadable(text)
        return address.ipv4_mapped or address
    return address


@lru_cache(maxsize=1024)
def _network(text: str) -> _Network:
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        # No address comes in these clothes, so the network may not keep them on.
        low = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((low, network.prefixlen - 96))
    return network


def _unreadable(text: str) -> NetworkError:
    return NetworkError(f"expected an IP address, found {text[:80]!r}")
