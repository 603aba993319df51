"""What is asked of one bundle, and what a good one says."""

from __future__ import annotations

from typing import NamedTuple

from verifier import limits
from verifier.digest import Digest
from verifier.errors import (
    DigestMismatchError,
    PredicateTypeError,
    RepositoryMismatchError,
    UnnamedRepositoryError,
)
from verifier.repository import Repository
from verifier.statement import APPROVAL, EVENT_PREFIX, Statement, Subject
from verifier.verdict import Verified


class Question(NamedTuple):
    """What is asked about an image. `names` is None when any repository will do.

    `purposes` are those of the keys that may answer; `unnamed` is whether a statement that
    names no repository counts.
    """

    digest: Digest
    names: tuple[str, ...] | None
    purposes: tuple[str, ...] = ("approve",)
    unnamed: bool = False
    limit: int = limits.BUNDLE

    def subject_of(self, statement: Statement, purpose: str) -> Subject:
        """Return the subject that is what was asked about, in a statement of this purpose.

        Raises:
            PredicateTypeError: a key of this purpose does not say such things.
            DigestMismatchError, RepositoryMismatchError, UnnamedRepositoryError: the
                statement is about something else.
        """
        found = statement.predicate_type
        approves = found == APPROVAL
        if approves is not (purpose == "approve") or found.startswith(EVENT_PREFIX):
            expected = APPROVAL if purpose == "approve" else "an attestation"
            raise PredicateTypeError(f"expected {expected}, found {found[:120]!r}")
        matching = [one for one in statement.subjects if one.digest == self.digest]
        if not matching:
            others = ", ".join(subject.digest for subject in statement.subjects[:3])
            raise DigestMismatchError(f"expected {self.digest}, the statement is about {others}")
        named = [one for one in matching if one.name]
        if not named and not self.unnamed:
            raise UnnamedRepositoryError("expected the name of a repository, found none")
        for subject in named:
            if self.names is None or subject.name in self.names:
                return subject._replace(name=Repository(subject.name))
        if len(named) < len(matching) and self.unnamed:
            return next(one for one in matching if not one.name)
        others = ", ".join(repr(one.name[:120]) for one in named[:3])
        expected = self.names[0] if self.names else "a repository"
        raise RepositoryMismatchError(f"expected {expected}, the statement approves {others}")


class Testimony(NamedTuple):
    """A good statement about the image.

    `signer` tells signers apart: all versions of one key are one.
    `trusted_key` is the key's name in trust.json; "" when a certificate alone says whose it is.
    """

    verified: Verified
    statement: Statement
    signer: str
    trusted_key: str
