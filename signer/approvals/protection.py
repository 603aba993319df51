"""Protection: how many approvals a request needs.

    [[protected]]                       whatever is signed for these repositories
    under = "registry.bank/payments"
    approvals = 2

    [[protected]]                       whatever is signed by this key
    key = "payments"
    approvals = 2

    [key_changes]                       making, rotating, retiring keys; installing trust files
    approvals = 2

    [[protected]]                       no person signs this at all, whoever agrees
    under = "registry.bank/payments"
    pipelines_only = true

Of all rules that fit, the strictest counts: a rule that is added never lets more through. What
names no repository may be for any, so it needs what the most protected one does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Self

from signer.access import Principal
from signer.approvals.persons import Persons
from signer.config import Config
from signer.errors import ConfigError, PermissionDeniedError
from verifier.repository import Repository, Scope

_OF_PIPELINES = ("session", "certificate")
SIGN, ATTEST, MESSAGE = SIGNED = ("sign", "attest", "message")


class Rule(NamedTuple):
    """So many approvals for what is signed in a scope, or by a key."""

    approvals: int
    under: Scope | None = None
    key: str | None = None
    pipelines_only: bool = False

    def fits(self, repositories: Sequence[Repository], keys: Sequence[str]) -> bool:
        """Whether it says something of what `keys` are to sign for `repositories`."""
        if self.under is None:
            return self.key in keys
        # Where no repository is named, nobody can say that it is not for this one.
        return not repositories or any(map(self.under.covers, repositories))


class Protection:
    """What is protected. Safe in many threads: it is swapped whole."""

    def __init__(self, rules: Sequence[Rule] = (), key_changes: int = 0) -> None:
        """Protect by `rules` what is signed; changes of keys by so many approvals, or not at 0."""
        self._now = tuple(rules), key_changes

    @classmethod
    def read(cls, config: Config, persons: Persons, keys: Collection[str]) -> Self:
        """Read what `config` protects; `keys` are the names of those that sign.

        Raises:
            ConfigError: more approvals than there are persons who could give them, or a key
                that is not there.
        """
        rules = []
        for section in config.protected:
            if section.approvals > len(persons):
                raise ConfigError(
                    f"{section.approvals} approvals for {section.under or section.key}, "
                    f"and {len(persons)} approvers"
                )
            if section.key is not None and section.key not in keys:
                raise ConfigError(f"the protected key {section.key!r} is not among the keys")
            under = None if section.under is None else Scope(section.under)
            rules.append(Rule(section.approvals, under, section.key, section.pipelines_only))
        changes = config.key_changes.approvals if config.key_changes else 0
        if changes and changes >= len(persons):  # one of them asks
            raise ConfigError(
                f"{changes} approvals for key changes besides who asks, {len(persons)} approvers"
            )
        return cls(rules, changes)

    def follow(self, other: Protection) -> None:
        """Protect from now on what `other` does."""
        self._now = other._now

    def needed(
        self, action: str, repositories: Sequence[Repository], keys: Sequence[str] = ()
    ) -> int:
        """Return how many approvals a request needs; 0: whoever may, may alone."""
        rules, key_changes = self._now
        if action not in SIGNED:
            return key_changes
        fitting = (rule.approvals for rule in rules if rule.fits(repositories, keys))
        return max(fitting, default=0)

    def refuse_people(
        self, principal: Principal, repositories: Sequence[Repository], keys: Sequence[str]
    ) -> None:
        """Check that `principal` is a pipeline where `keys` sign for these only what pipelines ask.

        A token or an API key says nothing of who holds it, so it is no pipeline's.

        Raises:
            PermissionDeniedError: it is none, whatever else it may do.
        """
        if principal.pipeline and principal.proof in _OF_PIPELINES:
            return
        rules, _ = self._now
        for rule in rules:
            if rule.pipelines_only and rule.fits(repositories, keys):
                raise PermissionDeniedError(
                    f"{principal.name} is no pipeline, and only pipelines sign"
                    f" {f'by {rule.key}' if rule.under is None else f'under {rule.under}'}"
                )
