"""Admission: who is calling, from where, and whether they may at all. The first steps of a call.

1. The network lets the address through.
2. A client certificate, if any was shown, is one of a client.
3. A secret says who it is; without one the certificate does; without either, the network.
4. The table's row lets the principal in.
5. The principal has not called too often; for whoever is not known, the address has not.

What follows is the flow's: it asks again for the repository that it acts on.

Each kind of secret has its `Holders`; a secret that none of them knows is nobody's, and so is
one that a certificate or an address would have been enough for: nobody is taken for less than
they said they were. Which of them did not know it, and why, is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from signer.access.certificates import PeerCertificate, read_peer
from signer.access.network import Networks, is_loopback
from signer.access.principal import (
    Action,
    Caller,
    Grant,
    Principal,
    admit,
    authorise_everywhere,
)
from signer.access.rate import Rates
from signer.access.roles import ROLES
from signer.access.table import Row
from signer.access.where import Where
from signer.config import Config
from signer.errors import PermissionDeniedError, UnauthenticatedError
from signer.nonces import Nonces
from verifier.repository import EVERYWHERE

Denied = Callable[[Caller, str, str, str], None]  # caller, who, what, code
_REFERENCES = Nonces(8)
_READ_HERE: tuple[Action, ...] = ("fetch", "watch", "monitor")


class Holders(Protocol):
    """Knows who holds the secrets of one kind: tokens of files, sessions, API keys."""

    def holder(self, secret: str, caller: Caller) -> Principal | None:
        """Return who holds `secret`, with what they may do now; None when nobody does.

        Raises:
            UnauthenticatedError: it is one of these, and counts no more, or not from there.
            AccessError: what is known of them cannot be read.
        """


class Bound(Protocol):
    """What is bound to whoever shows no secret."""

    def certified(self, peer: PeerCertificate, caller: Caller) -> Principal:
        """Return the holder of a client certificate, with or without anything it may do."""

    def anonymous(self, caller: Caller) -> Principal:
        """Return whoever calls from there, with or without anything they may do."""


class Unbound:
    """Bindings when there are none: whoever is on this machine may read what is no secret."""

    def certified(self, peer: PeerCertificate, caller: Caller) -> Principal:
        """Return somebody who may do nothing."""
        return Principal("urn:sealbook:certificate", peer.uri, {}, "certificate", caller=caller)

    def anonymous(self, caller: Caller) -> Principal:
        """Return somebody who may fetch, watch and monitor when on this machine."""
        return _HERE if is_loopback(caller.address) else _NOBODY


class Sent(NamedTuple):
    """What is known of a caller before anything is checked."""

    peer: str = ""  # as gRPC names it; or
    host: str = ""  # as a socket does
    certificate: bytes | None = None  # PEM or DER; TLS has checked its chain
    forwarded: str | None = None  # X-Forwarded-For


class Visit:
    """One call: who makes it, as far as that is known by now. For refusals, and the trail."""

    __slots__ = ("caller", "principal", "what")

    def __init__(self, what: str) -> None:
        """Begin a call of `what`, with a reference that nobody can guess."""
        self.what = what
        self.caller = Caller(reference=_REFERENCES.take().hex())
        self.principal: Principal | None = None

    @property
    def who(self) -> str:
        """The principal's name, or nothing."""
        return self.principal.name if self.principal else ""


class Admitting:
    """Says who calls, and lets them in or not. For one event loop."""

    def __init__(
        self, config: Config, holders: Sequence[Holders] = (), bound: Bound | None = None
    ) -> None:
        """Take as many calls as `config` says, from where it says.

        Known is whoever `holders` know by a secret, and else whoever is `bound`.
        """
        self.holders = holders
        self.bound = bound or Unbound()
        self._rates = Rates(config.access.rate)
        self.prepare(config)()

    def prepare(self, config: Config) -> Callable[[], None]:
        """Check what `config` says of networks, certificates and rates; return what installs it."""
        access = config.access
        networks = Networks(access.allow, access.proxies)
        deny = frozenset(access.deny_certificates)
        wants_certificate = config.listen.client_ca is not None

        def install() -> None:
            self._networks, self._deny = networks, deny
            self._wants_certificate = wants_certificate
            self._rates.set(access.rate)

        return install

    def enter(
        self, visit: Visit, row: Row, sent: Sent, secret: Callable[[], str | None]
    ) -> Principal:
        """Do all five steps, and return who calls; `secret` reads what they sent.

        `visit` knows who it is as soon as that is known, so that a refusal can be told of.

        Raises:
            NetworkError: calls from there are not taken.
            UnauthenticatedError: nobody we know, and whoever may do this is known; or the
                certificate is none of a client.
            PermissionDeniedError: it may not.
            RateError: too many calls.
            AccessError: who it is cannot be looked up.
        """
        # 1.
        self._look(visit, sent)
        try:
            # 2.
            peer = None
            if sent.certificate is not None:
                peer = read_peer(sent.certificate, self._deny)
                address, _, reference, _ = visit.caller
                visit.caller = Caller(address, peer.spki_sha256, reference, peer.thumbprint)
            # 3.
            said = secret()
            if peer is None and self._wants_certificate:
                _check_harmless(row, said)
            principal = self._principal(visit.caller, peer, said)
        except UnauthenticatedError:
            self._rates.take_of_stranger(visit.caller.address)
            raise
        visit.principal = principal
        # 5, first: a call that is refused is a call.
        known = not is_stranger(principal)
        if known:
            self._rates.take(principal.name)
        else:
            self._rates.take_of_stranger(visit.caller.address)
        # 4.
        try:
            _let_in(principal, row)
        except PermissionDeniedError:
            if known:
                raise
            raise UnauthenticatedError("expected 'authorization: Bearer TOKEN'") from None
        return principal

    def stray(self, visit: Visit, sent: Sent) -> None:
        """Note in `visit` where a call comes from of what is not there.

        Raises:
            NetworkError: calls from there are not taken.
            RateError: too many of these.
        """
        self._look(visit, sent)
        self._rates.take_of_stranger(visit.caller.address)

    def _look(self, visit: Visit, sent: Sent) -> None:
        networks = self._networks
        host = sent.host
        peer = networks.address(host) if host else networks.address_of_peer(sent.peer)
        address = networks.client(peer, sent.forwarded)
        visit.caller = Caller(address, reference=visit.caller.reference)
        networks.check(address)

    def _principal(
        self, caller: Caller, peer: PeerCertificate | None, secret: str | None
    ) -> Principal:
        if secret is None:
            bound = self.bound
            found = bound.anonymous(caller) if peer is None else bound.certified(peer, caller)
            return found if found.caller is caller else found._replace(caller=caller)
        for holders in self.holders:
            holder = holders.holder(secret, caller)
            if holder is not None:
                return holder if holder.caller is caller else holder._replace(caller=caller)
        raise UnauthenticatedError("this token is not known here")


class AtSocket:
    """Lets in whoever could open the admin socket: its directory is nobody else's."""

    def stray(self, visit: Visit, sent: Sent) -> None:
        """Note nothing: a socket has no address."""

    def enter(
        self,
        visit: Visit,
        row: Row,
        sent: Sent,  # noqa: ARG002
        secret: Callable[[], str | None],  # noqa: ARG002
    ) -> Principal:
        """Return the admin, of whom no secret is asked; see `Admitting.enter`."""
        visit.principal = principal = _ADMIN._replace(caller=visit.caller)
        _let_in(principal, row)
        return principal


def is_stranger(principal: Principal) -> bool:
    """Whether nothing but an address says who this is."""
    return principal.proof in _UNPROVEN


_UNPROVEN, _PROVEN = ("network", "none"), ("certificate", "socket")
_HERE = Principal(
    "urn:sealbook:network",
    "loopback",
    dict.fromkeys(_READ_HERE, (Grant(Where(EVERYWHERE), "loopback"),)),
    proof="network",
)
_NOBODY = Principal("urn:sealbook:network", "anybody", {}, proof="none")
_ADMIN = Principal(
    "urn:sealbook:socket",
    "admin",
    dict.fromkeys((*ROLES["admin"], "agree"), (Grant(Where(EVERYWHERE), "listen.operator"),)),
    proof="socket",
)


def _check_harmless(row: Row, secret: str | None) -> None:
    """Refuse a call for which a certificate is wanted, of somebody who shows none.

    TLS has it of whoever calls by gRPC. HTTP is open to those who only look; but what is a
    secret's, or changes anything, is worth nothing to whoever stole the secret alone. Clients
    of the log have no certificates to show: they append what others signed, and no more.
    """
    if row.actions != ("append",) and (secret is not None or row.record == "change"):
        raise UnauthenticatedError(
            "expected a client certificate", hint="beside the token: --cert and --key of curl"
        )


def _let_in(principal: Principal, row: Row) -> None:
    """Do step 4; raises `PermissionDeniedError`."""
    admit(principal, row.actions)
    if row.everywhere:
        for action in row.actions:
            authorise_everywhere(principal, action)
    if row.local and not is_loopback(principal.caller.address):
        raise PermissionDeniedError("this is for callers on the service's own machine")
    if row.proven and principal.proof not in _PROVEN:
        raise PermissionDeniedError(
            "expected an operator who is known by a client certificate",
            hint="send no token beside the certificate, or use the admin socket",
        )
