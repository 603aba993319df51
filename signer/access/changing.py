"""Bind and unbind: the main flow of a change to who may do what.

1. What is asked for can be a binding: a role, a place, and somebody.
2. The caller may give that role in all of that place.
3. What is so already is answered with its event; nothing is logged twice.
4. It is logged as an event, with who asked for it.
5. It counts: whoever is bound is judged anew from their next call on.

In a task of its own that the caller's cancellation does not reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import NamedTuple

from signer.access.binding import Binding
from signer.access.bindings import BOUND, UNBOUND, Bindings, bound_event, unbound_event
from signer.access.giving import check_may_give, sees
from signer.access.principal import Principal
from signer.access.where import Where
from signer.config.access import BindingSection
from signer.errors import NotFoundError, RateError, RequestError
from signer.events import Events

_MOST = 10_000
_CONFIGURED = "bindings."


class Changed(NamedTuple):
    """A binding that counts, or counted; where its event is, and whether it was so before."""

    binding: Binding
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    known: bool = False


class Changing:
    """Binds and unbinds, one after the other. Runs on one event loop."""

    def __init__(self, bindings: Bindings, events: Events) -> None:
        """Change `bindings` by `events`."""
        self._bindings = bindings
        self._events = events
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[Changed]] = set()

    async def bind(self, principal: Principal, section: BindingSection) -> Changed:
        """Return once what `section` says is logged and counts.

        Raises:
            RequestError, WhereError: it can be no binding, or not one by call.
            PermissionDeniedError: `principal` may not give that role there.
            LedgerError: it was not logged, or is not published in time.
        """
        return await self._apart(self._bind(principal, section))

    async def unbind(self, principal: Principal, rule: str) -> Changed:
        """Return once the binding of this name is logged as ended, and counts no more.

        Raises:
            RequestError: it is the configuration's.
            NotFoundError: there is none, or `principal` may not know of it.
            PermissionDeniedError: `principal` may not give, and so not take, that role there.
            LedgerError: it was not logged, or is not published in time.
        """
        return await self._apart(self._unbind(principal, rule))

    async def drain(self) -> None:
        """Return when everything that was under way has its answer."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _apart(self, work: Coroutine[None, None, Changed]) -> Changed:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _bind(self, principal: Principal, section: BindingSection) -> Changed:
        async with self._turn:
            # 1.
            wanted = self._wanted(section)
            # 2.
            check_may_give(principal, wanted.role, [Where(wanted.repository)])
            # 3.
            for one in self._bindings.logged:
                if one.same(wanted):
                    assert one.at is not None
                    await self._events.published(one.at)
                    return Changed(one, one.at, known=True)
            if len(self._bindings.logged) >= _MOST:
                raise RateError(f"expected at most {_MOST} bindings in the ledger")
            # 4. and 5.
            index = await self._record(BOUND, bound_event(wanted, principal.name))
            made = self._bindings.named(f"binding:{index}")
            assert made is not None
            return Changed(made, index)

    def _wanted(self, section: BindingSection) -> Binding:
        Where(section.repository)  # a place that claims decide has to be in the configuration
        if section.pin is not None or section.people:
            raise RequestError("expected no pin: that is for the configuration to say")
        issuers = self._bindings.issuers
        try:
            section.check_against(issuers)
        except ValueError as e:
            raise RequestError(str(e)) from e
        url = issuers[section.issuer].issuer if section.issuer else ""
        return Binding.configured(section, 0)._replace(rule="", issuer_url=url)

    async def _unbind(self, principal: Principal, rule: str) -> Changed:
        async with self._turn:
            # 1.
            if rule.startswith(_CONFIGURED):
                raise RequestError("this is bound by the configuration", hint="change it there")
            found = self._bindings.named(rule)
            if found is None or not sees(principal, [found.where]):
                raise NotFoundError("there is no such binding", hint="sealbook access bindings")
            # 2.
            check_may_give(principal, found.role, [Where(found.repository)])
            # 3. What has ended is not there any more.
            # 4. and 5.
            index = await self._record(UNBOUND, unbound_event(rule, principal.name))
            return Changed(found, index)

    async def _record(self, kind: str, predicate: dict[str, object]) -> int:
        try:
            event = await self._events.record(kind, predicate)
        finally:  # also of an event that waits for its witnesses: it is in the ledger
            await asyncio.to_thread(self._bindings.refresh)
        return event.record.index
