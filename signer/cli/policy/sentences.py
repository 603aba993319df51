"""A policy in sentences that can be read aloud: a paragraph for each `[[images]]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier._strict import utc
from verifier.policy import Policy
from verifier.policy.demands import NOTHING, Demand, Identity, Images, Vulnerabilities
from verifier.repository import EVERYWHERE
from verifier.spans import span
from verifier.statement import APPROVAL

_WIDEST = 3  # names in a sentence before "one of" is easier to follow than "or"


def paragraphs(policy: Policy) -> list[list[str]]:
    """Return the sentences about each prefix, the most specific first, and then the rest."""
    images = sorted(policy.images, key=lambda one: (one.under == EVERYWHERE, one.under))
    found = [list(_about(one)) for one in images]
    elsewhere = ["Images from anywhere else are refused."]
    if any(one.under == EVERYWHERE for one in images):
        elsewhere = []
    age = span(policy.max_trust_age_s)
    stale = f"When the newest status file is older than {age}, everything is refused."
    return [*found, [*elsewhere, stale]]


def _about(images: Images) -> Iterator[str]:
    where = "everywhere else" if images.under == EVERYWHERE else f"under {images.under}"
    runs = (
        "may run only if" if images.mode == "enforce" else "ALWAYS RUN; a warning is given unless"
    )
    asked = [_demanded(one) for one in images.demands]
    if images.vulnerabilities is not None:
        asked.append(_scanned(images.vulnerabilities))
    yield f"Images {where} {runs} {', and '.join(asked)}."
    if images.vulnerabilities is not None:
        for one in images.vulnerabilities.allow:
            yield f"{one.cve} is taken until {utc(one.until)}: {one.why}."
    if images.witnesses:
        yield f"Of the ledger's witnesses {_count(images.witnesses, 'has', 'have')} seen each."
    if images.max_checkpoint_age_s is not None:
        yield f"The newest checkpoint is younger than {span(images.max_checkpoint_age_s)}."
    if images.unnamed == "allow":
        yield "Statements that name no repository COUNT TOO."
    for remap in images.remap:
        yield f"What was signed under {remap.signed} may run under {remap.becomes}."
    for glass in images.break_glass:
        yield f"WHATEVER IS MISSING, {glass.digest} runs until {utc(glass.until)}: {glass.why}."


def _demanded(demand: Demand) -> str:
    approves = demand.predicate_type == APPROVAL
    what = "an approval" if approves else f"an attestation of type {demand.predicate_type}"
    signers = "one signer" if demand.signers == 1 else f"{demand.signers} different signers"
    purpose, every = "approve" if approves else "attest", demand.signers > 1
    every = every and demand.signers == len(demand.keys) + len(demand.identities)
    whom = _whom(demand.keys, demand.identities, purpose, every=every)
    told = f"{signers} gave {what} ({whom})"
    if demand.max_age_s is not None:
        told += f" in the last {span(demand.max_age_s)}"
    if demand.requester:
        claims = " and ".join(f"{claim} {value!r}" for claim, value in demand.requester.items())
        told += f", asked for by somebody with {claims}"
    return told


def _scanned(rule: Vulnerabilities) -> str:
    least = "nothing" if rule.max_severity == NOTHING else f"nothing worse than {rule.max_severity}"
    fixed = " that has a fix" if rule.fixed_only else ""
    age = f", from the last {span(rule.max_age_s)}," if rule.max_age_s is not None else ""
    whom = _whom(rule.keys, rule.identities, "attest")
    return f"each scanner's newest report ({whom}){age} holds {least}{fixed}"


def _whom(
    keys: Sequence[str], identities: Sequence[Identity], purpose: str, *, every: bool = False
) -> str:
    """Return who may sign, or who must when it takes `every` one of them."""
    if not keys and not identities:
        return f"any key of the trust file that may {purpose}"
    named = [f"key {one}" for one in keys]
    named += [f"{one.identity} as {one.issuer} knows them" for one in identities]
    if len(named) <= _WIDEST:
        return (" and " if every else " or ").join(named)
    return f"{'all' if every else 'one'} of {', '.join(named)}"


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"
