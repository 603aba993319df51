"""Where a registry may send us: judged by the address that is connected to, not by a name.

A name can lead to one address while it is judged and to another when it is used, so the network
resolves once, judges each address, and connects to those. An address inside a network (loopback,
link-local, private, and whatever else is not of the public Internet) is reached only if

- it is of a host that was named to us: the registry itself,
- the registry itself is on that very address, or
- a host was configured (`redirect_hosts`, `token_hosts`): then private addresses, never
  link-local ones, where clouds keep their secrets; and loopback only if written as such.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SHARED = ipaddress.ip_network("100.64.0.0/10")


def address_of(text: str) -> Address | None:
    """Read an address as a socket has it, or None; of one inside another, the inner one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        # The old "compatible" form, of which :: and ::1 are not.
        if inner is None and 1 < int(address) <= 0xFFFFFFFF:
            inner = ipaddress.IPv4Address(int(address))
        return inner or address
    return address


def is_public(address: Address) -> bool:
    """Whether everybody reaches this address, and nobody has it for themselves."""
    return address.is_global and not address.is_multicast


def is_loopback(host: str) -> bool:
    """Whether `host` is written as this very machine: localhost or a loopback address."""
    address = address_of(host.strip("[]"))
    return host == "localhost" or (address is not None and address.is_loopback)


def may_reach(
    address: Address, *, own: Collection[Address], configured: bool, written: bool
) -> bool:
    """Whether a registry on `own` may send us to `address`.

    `configured`: the host that it sends us to was; `written`: as that address, or localhost.
    """
    if is_public(address) or address in own:
        return True
    if not configured or address.is_link_local or address.is_multicast:
        return False
    if address.is_loopback or address.is_unspecified:
        return written
    return address.is_private or (address.version == 4 and address in _SHARED)
