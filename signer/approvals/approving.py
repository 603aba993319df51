"""Approve: the main flow of a person who says yes.

1. The request is open: somebody asked for this here, within the hour.
2. The person is known.
3. The person is not who asks, by any of their names. A person who asks in their own name signs
   too, to say that it is them; that is counted apart.
4. The signature is over this request, by this person's own key.
5. Who signed before is answered with that; nothing is counted or logged twice.
6. It is logged as an event, with the whole request, before it counts: what comes of it has its
   reason in the ledger, at a lower index.
7. It counts, as far as the ledger has it.

In a task of its own that the caller's cancellation does not reach.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ledger.answer import Appended
from signer.approvals.logged import EVENT, Approval
from signer.approvals.persons import Person, Persons
from signer.approvals.request import Request
from signer.approvals.requests import Requests, Standing
from signer.errors import OwnRequestError
from signer.events import Events


class Approved(NamedTuple):
    """How far the request is now, and the event; `known` when it was there before."""

    standing: Standing
    event: Appended
    known: bool


class Approving:
    """Takes approvals, one after the other. Runs on one event loop."""

    def __init__(self, requests: Requests, persons: Persons, events: Events) -> None:
        """Take what `persons` sign of `requests`, logging by `events`."""
        self.requests = requests
        self._persons = persons
        self._events = events
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[Approved]] = set()

    async def approve(self, id_: str, person: str, signature: bytes) -> Approved:
        """Return once the signature of `person` over the request `id_` is logged and counts.

        Raises:
            UnknownRequestError: no such request is open.
            UnknownApproverError: there is no such person.
            OwnRequestError: the person is who asks.
            SignatureError: it is not their signature over this request.
            LedgerError: it was not logged, or is not published in time.
        """
        task = asyncio.ensure_future(self._approve(id_, person, signature))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Return when everything that was under way has its answer."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _approve(self, id_: str, name: str, signature: bytes) -> Approved:
        async with self._turn:
            # 1.
            standing = self.requests.named(id_)
            # 2.
            person = self._persons.named(name)
            # 3.
            _refuse_own(standing.request, person)
            # 4.
            approval = Approval(standing.request, person.name, person.public.hint, signature)
            approval.verify(person.public)
            # 5.
            known = standing.signed_by.get(person.name)
            if known is not None:
                return Approved(standing, await self._events.published(known), known=True)
            # 6.
            try:
                event = await self._events.record(EVENT, approval.predicate())
            finally:
                # 7. Also of an event that waits for its witnesses: what it lets through waits too.
                await asyncio.to_thread(self.requests.refresh)
            return Approved(self.requests.named(id_), event, known=False)


def _refuse_own(request: Request, person: Person) -> None:
    requester = request.asked.requester
    if person.asks(requester) and requester != person.requester:
        raise OwnRequestError(
            f"{person.name} asks for this, as {requester}", hint="somebody else has to approve it"
        )
