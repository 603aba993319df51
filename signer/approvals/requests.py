"""The requests that are open, and what the ledger says of each.

An open request is nothing but memory: whoever asks again opens it again. Who approved it is
never only that: an approval counts when the ledger has it, and is read from there, after a
restart too. What the store shows is believed no further than the person's own signature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from ledger.errors import QueueFullError
from ledger.ledger import Ledger
from signer.approvals.logged import Approval, LoggedApprovals
from signer.approvals.persons import Persons
from signer.approvals.protection import Protection
from signer.approvals.request import LIFETIME_S, Asked, Request
from signer.errors import UnknownRequestError
from verifier.errors import VerificationError

MOST_OPEN = 256


class Standing(NamedTuple):
    """How far a request is; `id` is the request's.

    `signed_by` is where in the ledger each person's signature is, by name, of those who are
    persons now, and by their present keys; `approved_by` who of them counts. `unsigned` is the
    person who has to sign as the one who asks, and did not yet.
    """

    id: str
    request: Request
    needed: int
    signed_by: dict[str, int]
    approved_by: tuple[str, ...]
    unsigned: str = ""

    @property
    def granted(self) -> bool:
        """Whether enough is there."""
        return len(self.approved_by) >= self.needed and not self.unsigned

    def __str__(self) -> str:
        """Say in a few words what is there, as in "1 of 2 approvals"."""
        said = f"{len(self.approved_by)} of {self.needed} approvals"
        return said + (f", and {self.unsigned}, who asks, has not signed" if self.unsigned else "")


class _Open:
    """An open request."""

    def __init__(self, request: Request) -> None:
        self.id = request.id
        self.request = request
        self.signed: dict[str, tuple[int, Approval]] = {}


class Requests:
    """The open requests of one ledger. Safe in many threads."""

    def __init__(
        self,
        ledger: Ledger,
        persons: Persons,
        protection: Protection,
        *,
        now: Callable[[], int] | None = None,
    ) -> None:
        """Know what the persons signed, who are known, as `ledger` has it now.

        Raises:
            DamagedError: an event of the last hour cannot be read, or one is missing.
        """
        self._origin = ledger.store.origin
        self._persons = persons
        self._protection = protection
        # Times of commits never go back, so nothing that expired once counts again; a clock
        # that has leapt signs nothing at all.
        self._now = now or (lambda: ledger.clock.moment(ledger.head.time))
        self._lock = Lock()
        self._open: dict[str, _Open] = {}
        self._calls: dict[bytes, str] = {}
        self._logged = LoggedApprovals(ledger, ledger.head.time - LIFETIME_S)
        self.refresh()

    def refresh(self) -> None:
        """Count what was logged since, published or not: no answer comes before it is.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        with self._lock:
            for index, approval in self._logged.fresh():
                self._count(index, approval)

    def ask(self, asked: Asked) -> Standing:
        """Return how far the request for this call is, which is open from now on if it was not.

        Raises:
            LimitError: it is longer than a request may be.
            QueueFullError: too many are open, each with somebody's approval.
            ClockError: the clock has leapt, so nobody knows what has expired.
        """
        now = self._now()
        with self._lock:
            self._close_expired(now)
            known = self._calls.get(asked.call)
            if known is not None:
                return self._standing(self._open[known])
            one = _Open(Request(self._origin, asked, now + LIFETIME_S))
            if len(self._open) >= MOST_OPEN:
                self._make_room()
            return self._standing(self._add(one))

    def named(self, id_: str) -> Standing:
        """Return how far an open request is.

        Raises:
            UnknownRequestError: there is none with this id, or not any more.
        """
        now = self._now()
        with self._lock:
            self._close_expired(now)
            one = self._open.get(id_)
            if one is None:
                raise UnknownRequestError(f"no request {id_[:80]!r} is open")
            return self._standing(one)

    def all(self) -> list[Standing]:
        """Return how far each open request is, the oldest first."""
        now = self._now()
        with self._lock:
            self._close_expired(now)
            found = [self._standing(one) for one in self._open.values()]
        return sorted(found, key=lambda standing: standing.request.expires)

    def _standing(self, one: _Open) -> Standing:
        asked = one.request.asked
        signed = {
            name: index
            for name, (index, approval) in one.signed.items()
            if (person := self._persons.get(name)) and person.public.hint == approval.key
        }
        approved = [
            name
            for name in signed
            if (person := self._persons.get(name)) and not person.asks(asked.requester)
        ]
        asks = self._persons.signing_as(asked.requester)
        unsigned = asks.name if asks and asks.name not in signed else ""
        needed = self._protection.needed(asked.action, asked.repositories, asked.keys)
        return Standing(one.id, one.request, needed, signed, tuple(approved), unsigned)

    def _count(self, index: int, approval: Approval) -> None:
        """Count what is logged at `index`, if it is what it says and its time has not passed."""
        request = approval.request
        person = self._persons.get(approval.person)
        if person is None or request.origin != self._origin:
            return
        try:
            approval.verify(person.public)
        except VerificationError:  # by a key that this person has no more
            return
        one = self._open.get(request.id) or self._add(_Open(request))
        known = one.signed.get(person.name)
        if known is None or known[1].key != approval.key:  # by a key that they have no more
            one.signed[person.name] = index, approval

    def _add(self, one: _Open) -> _Open:
        self._open[one.id] = one
        self._calls[one.request.asked.call] = one.id
        return one

    def _make_room(self) -> None:
        """Forget the oldest that nobody signed of whoever has most of those: they ask again."""
        unsigned = [one for one in self._open.values() if not one.signed]
        if not unsigned:
            raise QueueFullError(f"expected at most {MOST_OPEN} open requests")
        count = Counter(one.request.asked.requester for one in unsigned)
        [(busiest, _)] = count.most_common(1)
        mine = [one for one in unsigned if one.request.asked.requester == busiest]
        self._close(min(mine, key=lambda one: one.request.expires))

    def _close_expired(self, now: int) -> None:
        for one in list(self._open.values()):
            if not now < one.request.expires <= now + LIFETIME_S:
                self._close(one)

    def _close(self, one: _Open) -> None:
        del self._open[one.id]
        call = one.request.asked.call
        if self._calls.get(call) == one.id:
            del self._calls[call]
