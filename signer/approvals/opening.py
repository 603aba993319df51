"""Opening dual control: what the configuration says, held against keys and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ledger.ledger import Ledger
from signer.approvals.approving import Approving
from signer.approvals.control import Control
from signer.approvals.persons import Persons
from signer.approvals.protection import Protection
from signer.approvals.requests import Requests
from signer.config import Config
from signer.configuring.live import Install
from signer.events import Events
from verifier.publickey import PublicKey


class DualControl:
    """Who may approve, what is open, and what asks before it signs."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        keys: Callable[[], Collection[str]],
        taken: Callable[[], Collection[PublicKey]],
    ) -> None:
        """Open what `config` says; no person has a key of those `taken` for something else.

        `keys` are the names of those that sign.

        Raises:
            ConfigError: it names keys that cannot be, or more approvals than persons.
            DamagedError: an approval of the last hour cannot be read, or one is missing.
        """
        self._keys = keys
        self._taken = taken
        self._examples_too = True
        self.persons, self._protection = self._read(config)
        self.requests = Requests(ledger, self.persons, self._protection)
        self.control = Control(self._protection, self.persons, self.requests)

    def approving(self, events: Events) -> Approving:
        """Return what takes approvals, and logs them by `events`."""
        return Approving(self.requests, self.persons, events)

    def refuse_examples(self) -> None:
        """Raise `ExampleKeyError` if a person's key is one of keys-example/, now and later."""
        self._examples_too = False
        for public in self.persons.publics():
            public.refuse_example()

    def prepare(self, config: Config) -> Install:
        """Read who may approve and what is protected; raises `ConfigError` or `ExampleKeyError`.

        Whoever is no approver afterwards counts no more, for what is open too.
        """
        persons, protection = self._read(config)
        for public in () if self._examples_too else persons.publics():
            public.refuse_example()

        def install() -> None:
            self.persons.follow(persons)
            self._protection.follow(protection)

        return install

    def _read(self, config: Config) -> tuple[Persons, Protection]:
        persons = Persons.read(config, self._taken())
        return persons, Protection.read(config, persons, self._keys())
