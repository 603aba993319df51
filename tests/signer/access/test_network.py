"""Addresses: one spelling for what gRPC, HTTP and proxies write in many (A17)."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.access.network import Networks, is_loopback, within
from signer.config.values import check_network
from signer.errors import NetworkError
from tests.signer.asking import refused

BANK = Networks(["10.0.0.0/8", "2001:db8::/32"], ["192.0.2.0/24", "2001:db8:ffff::/48"])


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.1.2.3:54321", "10.1.2.3"),
        ("ipv6:%5B::1%5D:54321", "::1"),
        ("ipv6:[2001:DB8:0::1]:1", "2001:db8::1"),
        ("ipv6:%5B::ffff:10.1.2.3%5D:54321", "10.1.2.3"),
        ("ipv6:%5B::ffff:a01:203%5D:54321", "10.1.2.3"),
        ("ipv6:%5Bfe80::1%25eth0%5D:54321", "fe80::1"),
        ("unix:", ""),
        ("unix:/var/lib/sealbook/run/operator.sock", ""),
        ("unix:%00abstract", ""),
    ],
)
def test_peer(peer: str, address: str) -> None:
    """
    A peer as gRPC writes it has one address, whatever its escapes and clothes.
    """
    assert address == BANK.address_of_peer(peer)


@pytest.mark.parametrize(
    "peer",
    [
        *("", "10.1.2.3", "10.1.2.3:1", "ipv4:", "ipv4:10.1.2.3", "ipv4:10.1.2:1", "dns:host:1"),
        *("ipv4:010.1.2.3:1", "ipv4:10.1.2.3/8:1", "ipv4:10.1.2.3 :1", "ipv4:0x0a010203:1"),
        *("ipv6:::1:1", "ipv6:[::1:1", "ipv6:[]:1", "IPV4:10.1.2.3:1", "unixx:10.1.2.3:1"),
    ],
)
def test_no_peer(peer: str) -> None:
    """
    What is no address is refused, and never taken for one, nor for a socket.
    """
    refused("network", lambda: BANK.address_of_peer(peer))


@pytest.mark.parametrize("host", ["::ffff:10.1.2.3", "::FFFF:0a01:0203", "10.1.2.3"])
def test_mapped_is_ipv4(host: str) -> None:
    """
    An IPv4 address in IPv6's clothes is in the networks of IPv4, and in no network of IPv6.
    """
    address = BANK.address(host)

    assert ("10.1.2.3", True) == (address, BANK.allowed(address))
    assert not Networks(["::/0"]).allowed(address)
    assert BANK.allowed(host)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("::ffff:10.0.0.0/104", "10.255.0.1", "11.0.0.1"),
        ("::ffff:192.0.2.7/128", "::ffff:192.0.2.7", "192.0.2.8"),
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::1/128", "::1", "127.0.0.1"),
    ],
)
def test_allowed(network: str, inside: str, outside: str) -> None:
    """
    A network holds its own addresses and no others.
    """
    networks = Networks([network])

    assert (True, False) == (networks.allowed(inside), networks.allowed(outside))
    assert (True, False) == (within(inside, [network]), within(outside, [network]))


def test_no_networks() -> None:
    """
    An empty list is nobody, no list is everybody.
    """
    nobody, everybody = Networks([]), Networks(None)

    for address in ("10.1.2.3", "127.0.0.1", "::1", ""):
        assert (False, True) == (nobody.allowed(address), everybody.allowed(address))
        refused("network", lambda one=address: nobody.check(one))
        everybody.check(address)


def test_a_socket_is_in_no_network() -> None:
    """
    A peer on a Unix socket has no address, and so is in no network that is listed.
    """
    assert not Networks(["0.0.0.0/0", "::/0"]).allowed("")
    assert not within("", ["0.0.0.0/0", "::/0"])
    assert is_loopback("")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.1.2.3", False), ("::2", False)],
)
def test_loopback(address: str, loopback: bool) -> None:
    """
    Loopback is this machine.
    """
    assert loopback == is_loopback(address)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.1.2.3", None, "10.1.2.3"),
        # Whoever is no proxy may write what they like.
        ("10.1.2.3", "10.9.9.9", "10.1.2.3"),
        ("203.0.113.5", "10.9.9.9", "203.0.113.5"),
        ("203.0.113.5", "nonsense", "203.0.113.5"),
        ("", "10.9.9.9", ""),
        # A proxy is believed about whom it heard, and about no more.
        ("192.0.2.1", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "10.9.9.9, 203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "nonsense, 203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "192.0.2.9, 203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "203.0.113.5,10.9.9.9 ,\t192.0.2.9", "10.9.9.9"),
        ("192.0.2.1", "192.0.2.8, 192.0.2.9", "192.0.2.8"),
        ("2001:db8:ffff::1", "::ffff:203.0.113.5", "203.0.113.5"),
        # The proxy itself asks.
        ("192.0.2.1", None, "192.0.2.1"),
    ],
)
def test_forwarded(peer: str, forwarded: str | None, client: str) -> None:
    """
    X-Forwarded-For counts from proxies of ours, from the right, up to the first who is none.
    """
    assert client == BANK.client(peer, forwarded)


@pytest.mark.parametrize(
    "forwarded",
    [
        *("", " ", ",", "203.0.113.5,", "unknown", "203.0.113.5:1234", "[2001:db8::1]", "::1%eth0"),
        *("203.0.113.5\n", "203.0.113.5, nonsense", "٢٠٣.0.113.5", "10.1.2.3," * 400 + "192.0.2.9"),
    ],
)
def test_a_proxy_writes_addresses(forwarded: str) -> None:
    """
    What a proxy of ours writes that is no address is refused, instead of guessed at.
    """
    refused("network", lambda: BANK.client("192.0.2.1", forwarded))


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 32))
def test_clothes_change_nothing(address: IPv4Address, base: IPv4Address, bits: int) -> None:
    """
    Whether an IPv4 address is in a network is the same in each spelling of both.
    """
    low = int(base) >> (32 - bits) << (32 - bits)
    network = f"{ip_address(low)}/{bits}"
    mapped = f"{ip_address(0xFFFF_0000_0000 + low)}/{bits + 96}"
    expected = int(address) >> (32 - bits) == low >> (32 - bits)
    spellings = (
        f"{address}",
        f"::ffff:{address}",
        f"{ip_address(0xFFFF_0000_0000 + int(address))}",
    )

    assert network == check_network(network)
    assert mapped == check_network(mapped)
    for spelling in spellings:
        assert expected == Networks([network]).allowed(spelling)
        assert expected == Networks([mapped]).allowed(spelling)


@given(st.text())
def test_no_text_gets_further(text: str) -> None:
    """
    A peer is read, or refused as such; nothing else is raised.
    """
    for peer in (text, f"ipv4:{text}:1", f"ipv6:[{text}]:1"):
        try:
            address = BANK.address_of_peer(peer)
        except NetworkError:
            continue
        assert not address or address == str(ip_address(address))
