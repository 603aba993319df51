"""Opening dual control: what the configuration says, held against keys and the ledger."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Self

from ledger.ledger import Ledger
from signer.approvals.approving import Approving
from signer.approvals.control import Control
from signer.approvals.persons import Persons
from signer.approvals.protection import Protection
from signer.approvals.requests import Requests
from signer.config import Config
from signer.events import Events
from verifier.publickey import PublicKey


class DualControl(NamedTuple):
    """Who may approve, what is open, and what asks before it signs."""

    persons: Persons
    requests: Requests
    control: Control

    @classmethod
    def open(
        cls,
        config: Config,
        ledger: Ledger,
        keys: Collection[str],
        taken: Collection[PublicKey],
    ) -> Self:
        """Open what `config` says; no person has a key of those `taken` for something else.

        `keys` are the names of those that sign.

        Raises:
            ConfigError: it names keys that cannot be, or more approvals than persons.
            DamagedError: an approval of the last hour cannot be read, or one is missing.
        """
        persons = Persons.read(config, taken)
        protection = Protection.read(config, persons, keys)
        requests = Requests(ledger, persons, protection)
        return cls(persons, requests, Control(protection, persons, requests))

    def approving(self, events: Events) -> Approving:
        """Return what takes approvals, and logs them by `events`."""
        return Approving(self.requests, self.persons, events)
