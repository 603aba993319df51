"""Would the policy count an approval that this caller asks for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from signer.access import Principal
from signer.gates.rules import approvals
from signer.request import requester
from verifier.digest import Digest
from verifier.errors import PolicyError
from verifier.policy import Policy
from verifier.policy.ages import Ages
from verifier.policy.demands import Demand, Images
from verifier.policy.rules import Hearing
from verifier.repository import Repository
from verifier.statement import APPROVAL, Statement, Subject
from verifier.testimony import Testimony
from verifier.verdict import Answer, RefusedError, Verdict, Verified


def check_requester(
    policy: Policy,
    principal: Principal,
    keys: Sequence[str],
    digest: Digest,
    repository: Repository,
) -> None:
    """Check that an approval by one of `keys`, for `principal`, is one that `policy` counts.

    Raises:
        RefusedError: none of them is.
        PolicyError: the policy does not say who may request.
        NoRuleError: it has no rules for `repository`.
    """
    images = policy.of(repository)
    asked = approvals(images)
    if not any(demand.requester for demand in asked):
        raise PolicyError(f"the rules for {images.under} do not say who may request")
    said = requester(principal)
    answers = [
        _answer(images, demand, _would_be(digest, repository, key, said))
        for demand in asked
        for key in keys
    ]
    if not any(answer.met for answer in answers):
        raise RefusedError(Verdict(digest, repository, "enforce", tuple(answers)))


def _answer(images: Images, demand: Demand, approval: Testimony) -> Answer:
    """Return what a rule makes of an approval that is not there yet: it is young, and alone."""
    one = demand._replace(signers=1, max_age_s=None)
    hearing = Hearing(
        images._replace(witnesses=0, demands=(one,), vulnerabilities=None),
        [approval],
        ages=Ages((), 0),
        origin=approval.verified.origin,
        now=0,
        known_witnesses=0,
    )
    return hearing.answers()[0]


def _would_be(
    digest: Digest, repository: Repository, key: str, annotations: Mapping[str, str]
) -> Testimony:
    """Return the testimony that an approval by `key` would be."""
    verified = Verified(digest, repository, key, 0, 1, "", annotations, (), 0)
    said = Statement((Subject(digest, repository, annotations),), APPROVAL, {})
    return Testimony(verified, said, key, key)
