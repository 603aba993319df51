"""Who says where connections may go, for each kind of them; see `addresses`."""

from __future__ import annotations

from verifier import limits
from verifier.pull.errors import RedirectError
from verifier.pull.registry.addresses import Address, address_of, is_loopback, is_public, may_reach
from verifier.pull.registry.settings import RegistrySettings


class Home:
    """Judges where the registry itself may be: wherever it was first, but not elsewhere inside."""

    def __init__(self, host: str) -> None:
        """Judge for the registry on `host`, which somebody named."""
        self._host = host
        self._was_public = False
        self.addresses: set[Address] = set()

    def judge(self, host: str, address: Address) -> None:
        """Raise `RedirectError` if it must not be there."""
        written = address_of(self._host) is not None
        if is_public(address) or written:
            return
        if is_loopback(self._host) and not address.is_loopback:
            raise RedirectError(f"{host} leads to {address}, which is not this machine")
        if address.is_link_local or address.is_multicast:
            raise RedirectError(f"{host} leads to {address}, where no registry is")
        if self._was_public:
            raise RedirectError(f"{host} was on the Internet, and now leads to {address}")

    def arrived(self, host: str, address: Address) -> None:  # noqa: ARG002  the protocol's
        """Remember where the registry is."""
        if len(self.addresses) < limits.PATH:
            self.addresses.add(address)
        self._was_public |= is_public(address)


class Abroad:
    """Judges where else the registry may send us."""

    def __init__(self, home: Home, settings: RegistrySettings) -> None:
        """Judge for a registry that is where `home` learns."""
        self._home = home
        configured = (*settings.token_hosts, *settings.redirect_hosts)
        self._configured = {one.rpartition(":")[0] or one for one in configured} | set(configured)

    def judge(self, host: str, address: Address) -> None:
        """Raise `RedirectError` if the registry must not send us there."""
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
        """Learn nothing from it."""


class Anywhere:
    """Judges the way to a proxy: it is configured, and may be wherever it is."""

    def judge(self, host: str, address: Address) -> None:
        """Let it pass."""

    def arrived(self, host: str, address: Address) -> None:
        """Learn nothing from it."""
