"""The flows by which callers come to be known: logins, API keys and bindings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

from signer.access.changing import Changing
from signer.access.exchanging import Exchanging, Vouching
from signer.access.state import State
from signer.audit_trail.trail import Trail
from signer.config import Config
from signer.events import Events
from signer.guard import Method
from signer.service import AccessService


class Logins(NamedTuple):
    """All that can be asked of `sealbook.v1.Access`."""

    exchanging: Exchanging
    changing: Changing
    service: AccessService

    @classmethod
    def over(
        cls,
        state: State,
        issuers: Vouching,
        events: Events,
        trail: Trail,
        config: Callable[[], Config],
    ) -> Self:
        """Take tokens of `issuers`, and keep what comes of them in `state`."""
        exchanging = Exchanging(
            state, issuers, events, trail, session_s=lambda: config().access.session_s
        )
        changing = Changing(state.bindings, events)
        service = AccessService(state, exchanging, changing, trail)
        return cls(exchanging, changing, service)

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        return self.service.table()

    async def drain(self) -> None:
        """Return when every change that was under way has its answer; take no more tokens."""
        self.exchanging.close()
        await self.changing.drain()
