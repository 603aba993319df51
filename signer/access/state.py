"""All that is known of callers: bindings, pins, sessions and API keys, opened together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Self

from ledger.ledger import Ledger
from signer.access.apikeys import ApiKeys
from signer.access.bindings import Bindings
from signer.access.pins import Pins
from signer.access.sessions import Sessions
from signer.access.store import Store
from signer.at_rest import Sealing
from signer.config import Config


class State(NamedTuple):
    """What the ledger and the database of logins have, in memory."""

    store: Store
    bindings: Bindings
    pins: Pins
    sessions: Sessions
    api_keys: ApiKeys

    @classmethod
    def open(
        cls,
        config: Config,
        ledger: Ledger,
        sealing: Sealing | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open what `config` names, and read what `ledger` says; `close` it.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
            AccessError: the database is broken, or cannot be opened.
            LedgerBusyError: another process has it open.
        """
        bindings, pins = Bindings(config, ledger), Pins(ledger)
        store = Store(config.path(config.access.database), sealing, clock)
        try:
            sessions = Sessions(store, bindings, pins, clock)
            return cls(store, bindings, pins, sessions, ApiKeys(store, clock))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self.store.close()
