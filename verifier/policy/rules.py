"""Rules: is what was heard about an image enough? Pure; every answer says what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from verifier.errors import (
    IdentityMismatchError,
    MalformedError,
    NotApprovedError,
    RequesterError,
    TooOldError,
    VulnerableError,
    WitnessQuorumError,
)
from verifier.policy.ages import Ages
from verifier.policy.demands import NOTHING, Demand, Identity, Images, Vulnerabilities
from verifier.spans import span
from verifier.statement import APPROVAL, REQUESTER
from verifier.testimony import Testimony
from verifier.verdict import Answer
from verifier.vulnerabilities import PREDICATE_TYPE, SEVERITIES, Finding, Scan

_MOST_TOLD = 3  # findings that a sentence names
_WORST_FIRST = (*SEVERITIES[:-1], NOTHING)


class Hearing:
    """All that was heard about one image, and what its rules make of it."""

    def __init__(
        self,
        images: Images,
        heard: Sequence[Testimony],
        *,
        ages: Ages,
        origin: str,
        now: float,
        known_witnesses: int,
    ) -> None:
        """Ask what `images` asks. `ages` are of the ledger `origin`, and of no other."""
        self._images = images
        self._heard = heard
        self._ages = ages
        self._origin = origin
        self._now = now
        self._known_witnesses = known_witnesses

    def answers(self) -> list[Answer]:
        """Return one answer for each rule, in the order of the policy."""
        found = [self._demand(demand) for demand in self._images.demands]
        if self._images.vulnerabilities:
            found.append(self._vulnerabilities(self._images.vulnerabilities))
        found.append(self._witnesses())
        return found

    def _demand(self, demand: Demand) -> Answer:
        noun = _noun(demand.predicate_type)
        counting, short = self._sieve(noun, demand)
        by = {one.signer: one for one in counting}
        if len(by) >= demand.signers:
            who = ", ".join(_who(one) for one in by.values())
            return Answer(noun, met=True, told=f"has {noun} by {who}")
        if demand.signers > 1:
            asked = f"needs {noun} by {demand.signers} signers, found {len(by)}"
            return Answer(noun, met=False, told=_and(asked, short), code=short.code)
        return Answer(noun, met=False, told=short.told, code=short.code)

    def _vulnerabilities(self, rule: Vulnerabilities) -> Answer:
        noun = "a vulnerability report"
        asked = Demand(PREDICATE_TYPE, rule.keys, rule.identities, max_age_s=rule.max_age_s)
        counting, short = self._sieve(noun, asked)
        if not counting:
            return Answer("vulnerabilities", met=False, told=short.told, code=short.code)
        newest: dict[tuple[str, str], tuple[int, Scan]] = {}
        for one in sorted(counting, key=lambda one: one.verified.index):
            try:
                scan = Scan.parse(one.statement.predicate)
            except MalformedError as e:  # nobody knows what it found
                told = (
                    f"the vulnerability report at {one.verified.index} cannot be read: {e.message}"
                )
                return Answer("vulnerabilities", met=False, told=told, code=e.code)
            newest[one.verified.origin, scan.scanner.name] = (one.verified.index, scan)
        for index, scan in newest.values():
            bad = [one for one in scan.findings if self._counts(one, rule)]
            if bad:
                named = ", ".join(f"{one.id} ({one.severity})" for one in bad[:_MOST_TOLD])
                more = f" and {len(bad) - _MOST_TOLD} more" if len(bad) > _MOST_TOLD else ""
                told = f"{scan.scanner.name} found {named}{more}, entry {index}"
                return Answer("vulnerabilities", met=False, told=told, code=VulnerableError.code)
        by = ", ".join(f"{name} (entry {index})" for (_, name), (index, _) in newest.items())
        return Answer("vulnerabilities", met=True, told=f"nothing that counts found by {by}")

    def _counts(self, finding: Finding, rule: Vulnerabilities) -> bool:
        """Whether a finding stands in the way; one of unknown severity may be the worst."""
        if rule.fixed_only and not finding.fixed:
            return False
        if any(one.cve == finding.id and self._now < one.until for one in rule.allow):
            return False
        if finding.severity == SEVERITIES[-1]:
            return True
        rank = _WORST_FIRST.index
        return rank(finding.severity) < rank(rule.max_severity)

    def _witnesses(self) -> Answer:
        expected = self._images.witnesses
        counts = [len(one.verified.witnesses) for one in self._heard]
        enough = [count for count in counts if count >= expected]
        seen = min(enough) if enough else max(counts, default=0)
        told = f"witnesses {seen} of {self._known_witnesses}"
        if seen >= expected:
            return Answer("witnesses", met=True, told=told)
        told += f", expected {expected}"
        return Answer("witnesses", met=False, told=told, code=WitnessQuorumError.code)

    def _sieve(self, noun: str, demand: Demand) -> tuple[list[Testimony], Answer]:
        """Return what counts; and, should it be too little, the last thing that was missing."""
        heard = [one for one in self._heard if one.verified.predicate_type == demand.predicate_type]
        keys, identities, claims = demand.keys, demand.identities, demand.requester
        asked = " or ".join([*keys, *(one.identity for one in identities)])
        no_key = IdentityMismatchError.code if identities and not keys else NotApprovedError.code
        steps: list[tuple[Callable[[Testimony], bool], str, str]] = [
            (
                lambda one: _signed_by(one, keys, identities),
                f"needs {noun} by {asked}" if asked else f"needs {noun}",
                no_key if heard else NotApprovedError.code,
            ),
            (
                lambda one: _requested_by(one, claims),
                f"needs {noun} requested by {', '.join(f'{k}={v}' for k, v in claims.items())}",
                RequesterError.code,
            ),
            (
                lambda one: len(one.verified.witnesses) >= self._images.witnesses,
                f"needs {noun} with {self._images.witnesses} witnesses",
                WitnessQuorumError.code,
            ),
            (
                lambda one: self._young(one, demand.max_age_s),
                f"needs {noun} younger than {span(demand.max_age_s or 0)}",
                TooOldError.code,
            ),
        ]
        short = Answer(noun, met=False, told=f"needs {noun}", code=NotApprovedError.code)
        for passes, told, code in steps:
            left = [one for one in heard if passes(one)]
            if len(left) < len(heard) or not heard:
                short = short._replace(told=told + self._found(code, heard, demand), code=code)
            if not left:
                return [], short
            heard = left
        return heard, short

    def _found(self, code: str, heard: Sequence[Testimony], demand: Demand) -> str:
        """Say what was found instead."""
        if not heard:
            return ", found none"
        newest = max(heard, key=lambda one: one.verified.index)
        if code == TooOldError.code:
            if newest.verified.origin != self._origin:
                return f", the age of entries of {newest.verified.origin} is not known here"
            told = self._ages.told(newest.verified.index, demand.max_age_s or 0)
            return f", newest {told}"
        if code == RequesterError.code:
            said = {
                key.removeprefix(REQUESTER): value
                for key, value in newest.verified.annotations.items()
                if key.startswith(REQUESTER)
            }
            claims = ", ".join(f"{k}={v}" for k, v in sorted(said.items()))
            return f", found {claims or 'no claim'}"
        if code == WitnessQuorumError.code:
            return f", found {max(len(one.verified.witnesses) for one in heard)}"
        return f", found one by {newest.verified.key}"

    def _young(self, one: Testimony, max_age_s: int | None) -> bool:
        if max_age_s is None:
            return True
        return one.verified.origin == self._origin and self._ages.younger(
            one.verified.index, max_age_s
        )


def _who(one: Testimony) -> str:
    return f"{one.verified.key} (entry {one.verified.index})"


def _signed_by(one: Testimony, keys: Sequence[str], identities: Sequence[Identity]) -> bool:
    """Whether one of these signed. Without any, every key of trust.json may, and nobody else."""
    if not keys and not identities:
        return bool(one.trusted_key) and not one.verified.identity
    if one.verified.identity:
        return Identity(one.verified.identity, one.verified.issuer) in identities
    return one.trusted_key in keys


def _requested_by(one: Testimony, claims: Mapping[str, str]) -> bool:
    """Whether the service says so: in what others sign, anybody may write anything."""
    said = one.verified.annotations if one.trusted_key else {}
    return all(said.get(REQUESTER + claim) == value for claim, value in claims.items())


def _noun(predicate_type: str) -> str:
    return "an approval" if predicate_type == APPROVAL else f"an attestation {predicate_type}"


def _and(asked: str, short: Answer) -> str:
    return f"{asked}: {short.told}" if short.code != NotApprovedError.code else asked
