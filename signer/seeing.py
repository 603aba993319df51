"""What somebody is shown of the ledger: entries about repositories that are theirs to read.

What is about several is shown to whoever may read all of them. What is about none, events and
what others signed, is shown to whoever may read everywhere. To all others it is as if it were
not there: they get the same answers, and no count tells more.
"""

from __future__ import annotations

from collections.abc import Collection

from ledger import labels
from signer.access import Action, Principal
from verifier.errors import RepositoryError
from verifier.repository import EVERYWHERE, Repository

READ: tuple[Action, ...] = ("read",)
AGREE: tuple[Action, ...] = ("agree",)
# By its digest one may get what one may not list.
FETCH: tuple[Action, ...] = ("read", "fetch")


class Sight:
    """What one caller is shown, by what they may do."""

    __slots__ = ("_places", "everything")

    def __init__(self, principal: Principal, actions: tuple[Action, ...] = READ) -> None:
        """Show what `principal` may do any of `actions` about."""
        self._places = [
            grant.where for action in actions for grant in principal.grants.get(action, ())
        ]
        self.everything = EVERYWHERE in self._places

    def shows(self, row: bytes) -> bool:
        """Whether an entry is shown, by the labels of its row."""
        if self.everything:
            return True
        about = labels.decode(row)
        return about["form"] != [labels.EVENT] and self.covers_all(about.get("repository", ()))

    def covers_all(self, named: Collection[str]) -> bool:
        """Whether what is about these repositories is shown; none of them is about everything."""
        return self.everything or (bool(named) and all(map(self.covers, named)))

    def covers(self, named: str) -> bool:
        """Whether what is about the repository of this name, and no other, is shown."""
        if self.everything:
            return True
        try:
            repository = Repository(named)
        except RepositoryError:
            return False
        return any(place.covers(repository) for place in self._places)
