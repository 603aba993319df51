"""Persons: who may approve, by which key of their own, and who they are when they call.

    [approvers.alice]
    key = "approvers/alice.pub"     PEM; the private half is hers alone
    principals = ["urn:sealbook:token#loopback"]

By those principals she calls; what is asked by one of them, she may not approve.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from signer.config import Config
from signer.errors import ConfigError, UnknownApproverError
from verifier import limits
from verifier.errors import VerificationError
from verifier.publickey import PublicKey

_ISSUER = "urn:sealbook:person"


class Person(NamedTuple):
    """Somebody who may approve; `principals` are who they are when they call."""

    name: str
    public: PublicKey
    principals: frozenset[str] = frozenset()

    @property
    def requester(self) -> str:
        """How requests call them that they sign themselves."""
        return f"{_ISSUER}#{self.name}"

    def asks(self, requester: str) -> bool:
        """Whether it is this person who asks."""
        return requester == self.requester or requester in self.principals


class Persons:
    """All persons who may approve. Safe in many threads: they are swapped whole."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        """Know `people`.

        Raises:
            ConfigError: two of them have one key.
        """
        self._people = {person.name: person for person in people}
        by_key: dict[PublicKey, str] = {}
        for person in self._people.values():
            other = by_key.setdefault(person.public, person.name)
            if other != person.name:
                raise ConfigError(f"approvers {other} and {person.name} have one key")

    @classmethod
    def read(cls, config: Config, taken: Collection[PublicKey]) -> Self:
        """Read the persons of `config`; none has a key of those `taken` for something else.

        Raises:
            ConfigError: a key cannot be read, is one of these, or is that of two persons.
        """
        return cls(
            Person(name, _key(config.path(section.key), name, taken), frozenset(section.principals))
            for name, section in config.approvers.items()
        )

    def named(self, name: str) -> Person:
        """Return the person `name`.

        Raises:
            UnknownApproverError: there is none.
        """
        person = self._people.get(name)
        if person is None:
            raise UnknownApproverError(
                f"no approver is called {name[:80]!r}",
                hint=f"there are: {', '.join(self._people) or 'none'}",
            )
        return person

    def get(self, name: str) -> Person | None:
        """Return the person `name`, if there is one."""
        return self._people.get(name)

    def signing_as(self, requester: str) -> Person | None:
        """Return the person whose own signature makes `requester` who they say they are."""
        issuer, _, name = requester.partition("#")
        return self._people.get(name) if issuer == _ISSUER else None

    def follow(self, others: Persons) -> None:
        """Know `others` from now on, and nobody else: whoever is none of them approves no more."""
        self._people = others._people

    def publics(self) -> tuple[PublicKey, ...]:
        """Return the keys of all of them."""
        return tuple(person.public for person in self._people.values())

    def __len__(self) -> int:
        """Count them."""
        return len(self._people)


def _key(path: Path, name: str, taken: Collection[PublicKey]) -> PublicKey:
    try:
        with path.open("rb") as file:
            public = PublicKey.from_pem(file.read(limits.KEY + 1))
    except OSError as e:
        raise ConfigError(f"cannot read the key of approver {name}: {path}: {e.strerror}") from e
    except VerificationError as e:
        raise ConfigError(f"the key of approver {name}: {path}: {e.message}") from e
    if public in taken:
        raise ConfigError(
            f"the key of approver {name} is one that the service or its trust file has",
            hint="a person approves with a key that nobody else can use",
        )
    return public
