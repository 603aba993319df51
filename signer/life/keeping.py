"""The life of the keys of one service: opened at start, changed by commands, closed at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ledger.ledger import Ledger
from signer.approvals.control import Control
from signer.config import Config
from signer.events import Events
from signer.forms import Forms
from signer.keys import SigningKey
from signer.keys.ring import KeyRing
from signer.life import versions
from signer.life.announcing import Announcing
from signer.life.book import Book
from signer.life.installing import Installing
from signer.life.listing import Listing
from signer.life.opening import Opening
from signer.life.parts import Parts, Turn
from signer.life.retiring import Retiring
from signer.life.standing import Standing
from signer.life.switching import Switching
from signer.own_keys import OwnKeys
from signer.status.in_force import InForce
from signer.trust_files import LiveTrust
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


class KeyFlows(NamedTuple):
    """All that can be done with keys while the service runs."""

    listing: Listing
    announcing: Announcing
    switching: Switching
    retiring: Retiring
    installing: Installing
    turn: Turn

    async def drain(self) -> None:
        """Return when everything that was under way has its answer."""
        await self.turn.drain()


class KeyLife:
    """The keys that callers may ask for are `ring`; what became of others is known here."""

    def __init__(
        self, config: Config, forms: Forms, ledger: Ledger, live: LiveTrust, own: OwnKeys
    ) -> None:
        """Open the keys that sign, as `ledger` says; they are for `forms`, and `live` has them.

        Raises:
            DamagedError: an event about keys cannot be read, or is missing.
            SealbookError: whatever else `Opening.current` raises.
        """
        self._config = config
        self._ledger = ledger
        self._live = live
        self._own = own
        self._held: dict[str, SigningKey] = {}
        self._book = Book(config.path(config.signing.book))
        self._standing = Standing(ledger)
        self._opening = Opening(config, forms, self._book)
        known = self._standing.known
        keys = self._opening.current(live.root, known)
        for key in keys:
            key.earlier = versions.earlier(known, live.root, key)
        self.ring = KeyRing(
            keys,
            config.signing.default_key,
            config.signing.default_attest_key,
            trust=lambda: live.root,
        )

    @property
    def publics(self) -> tuple[PublicKey, ...]:
        """The public halves of all keys that are this service's, or were."""
        announced = self._standing.known.announced.values()
        signing = (*self.ring.keys.values(), *self._held.values())
        return (
            *self._own.publics,
            *(key.public for key in signing),
            *(one.announcement.public for one in announced),
        )

    def is_ours(self, public: PublicKey) -> bool:
        """Whether a key is this service's, or was."""
        known, listed = self._standing.known, self._live.root.keys.get(public.hint)
        # A first version that was replaced is in no announcement; the trust file has it.
        names = {*self._config.signing.keys, *known.active}
        replaced = listed is not None and listed.name in names
        return replaced or public.hint in known.retired or public in self.publics

    def flows(
        self,
        events: Events,
        in_force: InForce,
        control: Control,
        settle: Callable[[], Awaitable[object]],
        follow: Callable[[TrustRoot], Awaitable[Callable[[], None]]],
    ) -> KeyFlows:
        """Return what can be done; `settle` waits for what callers have under way.

        `follow` returns what puts the policy in force that a trust file pins, once that is logged.
        """
        turn = Turn()
        parts = Parts(
            self._config,
            self._ledger,
            events,
            self.ring,
            self._live,
            self._standing,
            in_force,
            self._opening,
            self._book,
            control,
            settle,
            self._own.publics,
            turn,
            self._held,
        )
        own = ((self._own.event.public, "event"), (self._own.status.public, "status"))
        return KeyFlows(
            Listing(parts),
            Announcing(parts),
            Switching(parts),
            Retiring(parts),
            Installing(parts, own, follow),
            turn,
        )

    def close(self) -> None:
        """Log out of the devices that the keys are in; they sign no more."""
        self.ring.close()
        for key in self._held.values():
            key.close()
        self._held.clear()
