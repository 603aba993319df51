"""Control: asked by every flow, before anything is signed or changed, whether it may.

Freezing a ledger, accepting its clock and revoking ask nobody: they only take away, and the
hour in which somebody has to is no hour to look for a second person in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Self

from signer.access import Principal
from signer.approvals.persons import Persons
from signer.approvals.protection import Protection
from signer.approvals.request import Asked
from signer.approvals.requests import Requests
from signer.errors import ApprovalNeededError, PersonKeyError, RequesterNeededError
from verifier.publickey import PublicKey
from verifier.repository import Repository

What = Mapping[str, object]


class Control:
    """Dual control. Safe in many threads."""

    def __init__(
        self, protection: Protection, persons: Persons, requests: Requests | None = None
    ) -> None:
        """Ask for what `protection` says, from `persons`, who answer to `requests`."""
        self._protection = protection
        self._persons = persons
        self._requests = requests

    @classmethod
    def off(cls) -> Self:
        """Return one that asks for nothing."""
        return cls(Protection(), Persons())

    def refuse_people(
        self,
        principal: Principal,
        repositories: Collection[Repository | None],
        keys: Sequence[str],
    ) -> None:
        """Check that a person does not ask for what pipelines alone have signed.

        What is for no repository could be for any.

        Raises:
            PermissionDeniedError: one does, and no approval helps.
        """
        named = [one for one in repositories if one is not None]
        all_named = len(named) == len(repositories)
        self._protection.refuse_people(principal, named if all_named else [], keys)

    def wants(self, action: str, repositories: Sequence[Repository], keys: Sequence[str]) -> bool:
        """Whether others have to agree to this."""
        return self._protection.needed(action, repositories, keys) > 0

    def check(
        self,
        action: str,
        requester: str,
        repositories: Sequence[Repository],
        keys: Sequence[str],
        what: Callable[[], What],
    ) -> None:
        """Return once enough others agree that `keys` sign this for `repositories`.

        `requester` is who asks, as `issuer#subject`; `what` says what is to be signed. It is
        asked when nothing was signed yet, and only for what is not signed already.

        Raises:
            ApprovalNeededError: they do not, yet.
            LimitError: it is more than others could read.
            QueueFullError, ClockError: as `Requests.ask`.
        """
        if self.wants(action, repositories, keys):
            self._check(Asked(action, requester, tuple(repositories), tuple(keys), what()))

    def check_key_change(self, action: str, requester: str, what: What) -> None:
        """Return once enough others agree to a change of keys that the person `requester` asks for.

        Whoever opens the admin socket is nobody in particular, so the person who asks has to
        sign the request too. `what` names, in `after`, the last event about keys: then the
        approval is for this one change, and none that comes later.

        Raises:
            RequesterNeededError: nobody is named.
            UnknownApproverError: there is no such person.
            ApprovalNeededError: they do not agree, yet.
        """
        if not self.wants(action, (), ()):
            return
        if not requester:
            raise RequesterNeededError(f"expected who asks for {action}: others have to agree")
        asks = self._persons.named(requester).requester
        self._check(Asked(action, asks, (), (), what))

    def refuse_persons(self, publics: Iterable[PublicKey]) -> None:
        """Check that none of `publics`, which are to be used here, is a person's own key.

        Raises:
            PersonKeyError: one is, and then the service could approve in their name.
        """
        theirs = set(self._persons.publics())
        for public in publics:
            if public in theirs:
                raise PersonKeyError(f"key {public!r} is the one by which a person approves")

    def _check(self, asked: Asked) -> None:
        assert self._requests is not None, "what is protected has requests"
        standing = self._requests.ask(asked)
        if not standing.granted:
            raise ApprovalNeededError(f"{standing}, request {standing.id}", standing.id)
