"""Where something may be done: one repository, all that lies below a path, or everywhere.

    *                       everywhere
    registry.bank/team/**   all repositories below registry.bank/team, and not itself
    registry.bank/team/app  this repository

Compared by whole path segments, so that `registry.bank/team-evil/app` is not the team's.
Nothing here knows a wildcard inside a segment: matchers that do let `team/../other` through.
"""

from __future__ import annotations

from typing import Self

from signer.errors import WhereError
from verifier.errors import RepositoryError
from verifier.repository import EVERYWHERE, Repository, Scope

_BELOW = "/**"


class Where(str):
    """A place that has been checked."""

    __slots__ = ("_below",)
    _below: str  # what every repository below starts with; empty for a single repository

    def __new__(cls, text: str) -> Self:
        """Take `text` as a place, or raise `WhereError`."""
        below = ""
        try:
            if text.endswith(_BELOW):
                below = Scope(text.removesuffix(_BELOW)) + "/"
            elif text != EVERYWHERE:
                Repository(text)
        except RepositoryError as e:
            raise WhereError(
                f"expected '*', host/path or host[/path]/**, found {text[:120]!r}"
            ) from e
        if below == EVERYWHERE + "/":
            raise WhereError("expected '*' for everywhere, found '*/**'")
        self = super().__new__(cls, text)
        self._below = below
        return self

    def covers(self, repository: Repository) -> bool:
        """Whether `repository` lies here."""
        if self == EVERYWHERE:
            return True
        return repository.startswith(self._below) if self._below else str(repository) == self

    def contains(self, other: Where) -> bool:
        """Whether all that lies in `other` lies here."""
        if self in {EVERYWHERE, other}:
            return True
        if not self._below or other == EVERYWHERE:
            return False
        return f"{other}".startswith(self._below)
