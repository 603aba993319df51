"""What a policy may ask of an image: the values that a policy file is read into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from verifier.digest import Digest
from verifier.repository import EVERYWHERE, Repository, Scope

NOTHING = "none"  # as a severity: not even negligible


class Identity(NamedTuple):
    """Whom a certificate names, and who authenticated that; both are whole strings."""

    identity: str
    issuer: str


class Demand(NamedTuple):
    """So many distinct signers of a statement of one type, each with all that is asked.

    Empty `keys` and `identities` mean every key that trust.json has for the purpose.
    `requester` is what the service said of who asked: claims, whole.
    """

    predicate_type: str
    keys: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = ()
    signers: int = 1
    max_age_s: int | None = None
    requester: Mapping[str, str] = {}


class Excuse(NamedTuple):
    """A vulnerability that is taken until `until`, POSIX seconds, and why."""

    cve: str
    until: int
    why: str


class Vulnerabilities(NamedTuple):
    """What the newest report of each scanner may hold; `max_severity` is still taken."""

    max_severity: str
    fixed_only: bool = False
    max_age_s: int | None = None
    allow: tuple[Excuse, ...] = ()
    keys: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = ()


class Remap(NamedTuple):
    """What was signed under `signed` may run under `becomes`, at the same path below."""

    signed: Scope
    becomes: Scope

    def origin_of(self, repository: Repository) -> str | None:
        """Return the name under which an image of `repository` was signed; None if elsewhere."""
        if self.becomes == EVERYWHERE or not self.becomes.covers(repository):
            return None
        return self.signed + repository[len(self.becomes) :]


class BreakGlass(NamedTuple):
    """An image that runs, whatever else is said, until `until`, POSIX seconds; and why."""

    digest: Digest
    until: int
    why: str


class Images(NamedTuple):
    """What images under `under` need."""

    under: Scope
    mode: str = "enforce"  # or "warn": run, and say what is missing
    unnamed: str = "refuse"  # or "allow": statements that name no repository count
    witnesses: int = 0  # behind each statement; the quorum of trust.json counts anyway
    max_checkpoint_age_s: int | None = None
    demands: tuple[Demand, ...] = ()
    vulnerabilities: Vulnerabilities | None = None
    remap: tuple[Remap, ...] = ()
    break_glass: tuple[BreakGlass, ...] = ()

    def names(self, repository: Repository) -> tuple[str, ...]:
        """Return under which names a statement about an image of `repository` counts."""
        signed = (one.origin_of(repository) for one in self.remap)
        return (repository, *(found for found in signed if found is not None))

    def scan_keys(self) -> tuple[str, ...]:
        """Return the names of the keys whose vulnerability reports count."""
        return self.vulnerabilities.keys if self.vulnerabilities else ()
