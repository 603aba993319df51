"""Bindings: who has which role where, by the configuration and by events of the ledger.

    [[bindings]]          urn:sealbook:role-bound     {"binding":{…},"bound_by":"issuer#subject"}
    in sealbook.toml      urn:sealbook:role-unbound   {"rule":"binding:42","unbound_by":"…"}

They are compiled into one immutable snapshot, and whoever calls is judged by the newest: with
each one the generation grows, so that what was judged before is judged again. A binding by an
event counts for as long as the configuration calls the same issuer by the same name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from ledger.ledger import Ledger
from signer.access import templates
from signer.access.admitting import Unbound
from signer.access.binding import Binding
from signer.access.certificates import PeerCertificate
from signer.access.judged import Judged, Placed
from signer.access.oidc import Verified
from signer.access.principal import Caller, Principal, Proof
from signer.access.templates import Keep
from signer.access.where import Where
from signer.config import Config
from signer.config.access import IssuerSection
from signer.errors import ClaimPlaceError, UnauthenticatedError
from signer.events import logged
from verifier._strict import Fields

BOUND, UNBOUND = "role-bound", "role-unbound"
CERTIFICATE, NETWORK = "urn:sealbook:certificate", "urn:sealbook:network"
_RULE = "binding:"
_T = TypeVar("_T")


class _Snapshot(NamedTuple):
    """All bindings that count, by whom they are about."""

    generation: int
    configured: tuple[Binding, ...]
    logged: Mapping[str, Binding]  # by rule
    issuers: Mapping[str, IssuerSection]  # by name
    by_issuer: Mapping[str, tuple[Binding, ...]]
    by_certificate: Mapping[str, Judged]
    anonymous: tuple[Placed, ...]


class Bindings:
    """The bindings in force. Safe in many threads: they are swapped whole."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        """Know what `config` and `ledger` say.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        self._ledger = ledger
        self._lock = Lock()
        self._last: dict[str, int | None] = {BOUND: None, UNBOUND: None}
        configured, issuers = read(config)
        self._now = _compiled(0, configured, {}, issuers)
        self.refresh()

    @property
    def generation(self) -> int:
        """Grows whenever anybody could be judged differently than before."""
        return self._now.generation

    @property
    def all(self) -> tuple[Binding, ...]:
        """Those of the configuration first, then in the order of their events."""
        return (*self._now.configured, *self._now.logged.values())

    @property
    def logged(self) -> tuple[Binding, ...]:
        """Those that events made, in their order."""
        return tuple(self._now.logged.values())

    @property
    def issuers(self) -> Mapping[str, IssuerSection]:
        """The configured issuers, by name."""
        return self._now.issuers

    def named(self, rule: str) -> Binding | None:
        """Return the binding of this name that an event made."""
        return self._now.logged.get(rule)

    def certified(self, peer: PeerCertificate, caller: Caller) -> Principal:
        """Return the holder of a client certificate; without a binding it may do nothing."""
        now = self._now
        judged = now.by_certificate.get(peer.uri) or Judged(now.anonymous, pipeline=False)
        grants = judged.grants(caller.address)
        return Principal(
            CERTIFICATE, peer.uri, grants, "certificate", pipeline=judged.pipeline, caller=caller
        )

    def anonymous(self, caller: Caller) -> Principal:
        """Return whoever calls without any proof, with what its network may do.

        As long as the configuration binds no network, who is on this machine may read; whoever
        may bind inside a prefix does not change that.
        """
        found = self._now.anonymous
        if not any(one.binding.at is None for one in found):
            here = Unbound().anonymous(caller)
            if here.grants or not found:
                return here
        grants = Judged(found, pipeline=False).grants(caller.address)
        proof: Proof = "network" if grants else "none"
        return Principal(NETWORK, "anybody", grants, proof, caller=caller)

    def of_token(self, verified: Verified, keep: Keep) -> Judged:
        """Return what whoever has this token may do; `keep` is asked about names that are pinned.

        Raises:
            ClaimPlaceError: a binding is about it, and its claims name no place; and no other is.
            UnauthenticatedError: its issuer is not configured any more.
        """
        now = self._now
        if _url(now.issuers, verified.issuer_name) != verified.issuer:
            raise UnauthenticatedError("the issuer of this token is not known here")
        placed, failed = [], None
        for binding in now.by_issuer.get(verified.issuer_name, ()):
            try:
                where = templates.place(binding, verified, keep)
            except ClaimPlaceError as e:
                failed = failed or e
                continue
            if where is not None:
                placed.append(Placed(binding, where))
        if failed is not None and not placed:
            raise failed
        return Judged((*placed, *now.anonymous), pipeline=verified.pipeline)

    def refresh(self) -> None:
        """Follow the ledger.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        with self._lock:
            last, found, changed = dict(self._last), dict(self._now.logged), False
            for index, binding in logged(self._ledger, BOUND, last[BOUND], _read_bound):
                found[f"{_RULE}{index}"] = _at(binding, index)
                last[BOUND], changed = index, True
            for index, rule in logged(self._ledger, UNBOUND, last[UNBOUND], _read_unbound):
                found.pop(rule, None)
                last[UNBOUND], changed = index, True
            self._last = last
            if changed:
                now = self._now
                self._now = _compiled(now.generation + 1, now.configured, found, now.issuers)

    def prepare(self, config: Config) -> Callable[[], None]:
        """Read the bindings of `config`, and return what puts them in force."""
        configured, issuers = read(config)

        def install() -> None:
            with self._lock:
                now = self._now
                self._now = _compiled(now.generation + 1, configured, now.logged, issuers)

        return install


def read(config: Config) -> tuple[tuple[Binding, ...], Mapping[str, IssuerSection]]:
    """Return the bindings of a configuration, and its issuers by name."""
    found = tuple(Binding.configured(one, n) for n, one in enumerate(config.bindings))
    return found, MappingProxyType(dict(config.issuers))


def bound_at(ledger: Ledger, tree_size: int) -> tuple[Binding, ...]:
    """Return the bindings by events that counted once `tree_size` entries were there.

    Raises:
        DamagedError: an event cannot be read, or one is missing.
    """
    found = {
        f"{_RULE}{index}": _at(binding, index)
        for index, binding in _before(tree_size, logged(ledger, BOUND, None, _read_bound))
    }
    for _, rule in _before(tree_size, logged(ledger, UNBOUND, None, _read_unbound)):
        found.pop(rule, None)
    return tuple(found.values())


def bound_event(binding: Binding, bound_by: str) -> dict[str, object]:
    """Return the predicate of the event that makes a binding count."""
    return {"binding": binding.json(), "bound_by": bound_by}


def unbound_event(rule: str, unbound_by: str) -> dict[str, object]:
    """Return the predicate of the event that ends a binding."""
    return {"rule": rule, "unbound_by": unbound_by}


def _compiled(
    generation: int,
    configured: tuple[Binding, ...],
    found: Mapping[str, Binding],
    issuers: Mapping[str, IssuerSection],
) -> _Snapshot:
    by_issuer: dict[str, list[Binding]] = {}
    by_certificate: dict[str, list[Binding]] = {}
    anonymous: list[Placed] = []
    for one in (*configured, *found.values()):
        if one.issuer:
            # By an event it is of the issuer that had this name then.
            if one.at is None or _url(issuers, one.issuer) == one.issuer_url:
                by_issuer.setdefault(one.issuer, []).append(one)
        elif one.certificate:
            by_certificate.setdefault(one.certificate, []).append(one)
        else:
            anonymous.append(Placed(one, Where(one.repository)))
    nobody = tuple(anonymous)
    return _Snapshot(
        generation,
        configured,
        MappingProxyType(dict(found)),
        issuers,
        {name: tuple(each) for name, each in by_issuer.items()},
        {uri: _of_certificate(each, nobody) for uri, each in by_certificate.items()},
        nobody,
    )


def _of_certificate(found: Sequence[Binding], anonymous: Sequence[Placed]) -> Judged:
    placed = [Placed(one, Where(one.repository)) for one in found]
    # Whoever binds inside a prefix may not say who is a build, and no person.
    pipeline = any(one.at is None for one in found)
    return Judged((*placed, *anonymous), pipeline=pipeline)


def _url(issuers: Mapping[str, IssuerSection], name: str) -> str | None:
    section = issuers.get(name)
    return section.issuer if section else None


def _at(binding: Binding, index: int) -> Binding:
    return binding._replace(rule=f"{_RULE}{index}", at=index)


def _before(tree_size: int, events: Iterator[tuple[int, _T]]) -> Iterator[tuple[int, _T]]:
    return itertools.takewhile(lambda event: event[0] < tree_size, events)


def _read_bound(fields: Fields) -> Binding:
    binding = Binding.read(fields.inside("binding"))
    bound_by = fields.text("bound_by")
    fields.done()
    return binding._replace(bound_by=bound_by)


def _read_unbound(fields: Fields) -> str:
    rule, _ = fields.text("rule"), fields.text("unbound_by")
    fields.done()
    return rule
