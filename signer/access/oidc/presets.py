"""What tokens of each kind of issuer say, and which of it identifies somebody for good.

    github      GitHub Actions: repository_id, repository_owner_id; names can change hands
    gitlab      GitLab's id_tokens: project_id, namespace_id; paths can change hands
    jenkins     the OpenID Connect provider plugin: the URL of the job is all there is; no jti
    kubernetes  tokens of service accounts: the uid; meant to be used again while they live

A name is given up when its owner leaves, and whoever takes it next would have what was its. So a
binding asks for an id, or pins one to the name. Builds of what is only proposed, of pull and merge
requests, run what anybody may propose; their tokens are refused unless the issuer's section says
otherwise, and so are those of GitHub's workflow_run, which such builds can start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from signer.access.oidc.prechecks import ALGORITHMS
from signer.access.oidc.verified import Reuse
from signer.errors import TokenClaimError

PresetName = Literal["github", "gitlab", "jenkins", "kubernetes"]

_QUARTER, _HOUR = 900, 3600
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_UID = "kubernetes.io/serviceaccount/uid"
_NAMESPACE = "kubernetes.io/namespace"
_ACCOUNT = "kubernetes.io/serviceaccount/name"
# How multibranch jobs call the branches that they make of pull and merge requests.
_PROPOSED_JOB = re.compile(r"/job/(?:PR|MR|CHANGE)-[0-9]+(?:-(?:head|merge))?(?:/|\Z)", re.ASCII)
_PROPOSED_SOURCES = frozenset({"merge_request_event", "external_pull_request_event"})
_CLAIM = re.compile(r"\{([^{}]*)\}")
_ID = re.compile(r"(?:^|[._/-])u?id\Z", re.ASCII)
# Everybody has an account there, so that a binding without an id would be for everybody.
_OPEN_TO_ALL = frozenset({"https://token.actions.githubusercontent.com", "https://gitlab.com"})


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of issuer.

    Attributes:
        lifetime_s: How long its tokens live at most.
        algorithms: What it signs by.
        reuse: Whether a token counts once, or once a minute.
        subject: The subject, made of claims that are ids.
        needs: Claims that each token has.
        numbers: Of those, the ones that are decimal numbers.
        stable: Claims that go into what is signed.
        ids: Claims that are never given to anybody else.
        names: Claims that may be.
    """

    lifetime_s: int = _QUARTER
    algorithms: tuple[str, ...] = ALGORITHMS
    reuse: Reuse = "once"
    subject: str = "{sub}"
    needs: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    stable: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def whom(self, claims: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Return the stable subject, and the stable claims, of somebody who has `claims`.

        Raises:
            TokenClaimError: a claim is missing that each token has, or an id is no number.
        """
        for name in self.needs:
            if not claims.get(name):
                raise TokenClaimError(f"expected a claim {name!r} in a token of this issuer")
        for name in self.numbers:
            if not _NUMBER.fullmatch(claims[name]):
                raise TokenClaimError(f"expected a number in the claim {name!r}")
        stable = {name: claims[name] for name in self.stable}
        # A protected ref is moved by those alone who may: it says something of what was built.
        if self.stable and claims.get("ref_protected") == "true" and claims.get("ref"):
            stable |= {"ref": claims["ref"], "ref_protected": "true"}
        return _CLAIM.sub(lambda match: claims[match[1]], self.subject), stable


_ANY = Preset(needs=("sub",))
PRESETS: Mapping[PresetName, Preset] = {
    "github": Preset(
        lifetime_s=_HOUR,
        algorithms=("RS256",),
        subject="repository_id:{repository_id}",
        needs=("sub", "jti", "repository_id", "repository_owner_id", "event_name"),
        numbers=("repository_id", "repository_owner_id"),
        stable=("repository_id", "repository_owner_id"),
        ids=frozenset({"repository_id", "repository_owner_id", "enterprise_id"}),
        names=frozenset(
            {"sub", "repository", "repository_owner", "workflow_ref", "job_workflow_ref"}
        ),
    ),
    "gitlab": Preset(
        lifetime_s=_HOUR,
        algorithms=("RS256",),
        subject="project_id:{project_id}",
        needs=("sub", "jti", "project_id", "namespace_id", "pipeline_source"),
        numbers=("project_id", "namespace_id"),
        stable=("project_id", "namespace_id"),
        ids=frozenset({"project_id", "namespace_id"}),
        names=frozenset({"sub", "project_path", "namespace_path", "ci_config_ref_uri"}),
    ),
    "jenkins": Preset(
        lifetime_s=_HOUR,
        algorithms=("RS256", "RS384", "RS512"),
        needs=("sub",),
        ids=frozenset({"sub"}),
    ),
    "kubernetes": Preset(
        lifetime_s=_HOUR,
        algorithms=("RS256", "ES256", "ES384", "ES512"),
        reuse="minute",
        subject=f"serviceaccount:{{{_NAMESPACE}}}:{{{_ACCOUNT}}}:{{{_UID}}}",
        needs=("sub", _NAMESPACE, _ACCOUNT, _UID),
        stable=(_NAMESPACE, _ACCOUNT, _UID),
        ids=frozenset({_UID}),
        names=frozenset({"sub", _NAMESPACE, _ACCOUNT}),
    ),
}


def preset(name: PresetName | None) -> Preset:
    """Return the preset of that name; without one, what holds for any issuer."""
    return _ANY if name is None else PRESETS[name]


def is_proposed(name: PresetName | None, claims: Mapping[str, str]) -> bool:
    """Whether the token is of a build of something that is only proposed.

    What GitHub and GitLab say of it counts for every issuer that says it.
    """
    event = claims.get("event_name", "")
    job = claims.get("job_project_id")
    return (
        event.startswith("pull_request")
        or event == "workflow_run"
        or bool(claims.get("head_ref") or claims.get("base_ref"))
        or claims.get("ref", "").startswith("refs/pull/")
        or claims.get("pipeline_source") in _PROPOSED_SOURCES
        # Of a fork's merge request, GitLab gives the fork as the project, and ours as the job's.
        or (job is not None and job != claims.get("project_id"))
        or (name == "jenkins" and bool(_PROPOSED_JOB.search(claims.get("sub", ""))))
    )


def why_not_bound(
    name: PresetName | None,
    issuer: str,
    claims: Mapping[str, str],
    pin: str | None,
    *,
    made_of: bool,
) -> str:
    """Return why a binding to these claims could be for more than it means; empty when it is not.

    `made_of` says that its place is made of claims.
    """
    known = preset(name)
    ids = " or ".join(sorted(known.ids))
    if name is None:
        by_id = "sub" in claims or any(map(_ID.search, claims))
        by_name = bool(claims)
    else:
        by_id = not known.ids.isdisjoint(claims)
        by_name = by_id or not known.names.isdisjoint(claims)
    reasons = (
        (
            name is not None and issuer in _OPEN_TO_ALL and not by_id,
            f"expected {ids} among claims: everybody may have tokens of {issuer}",
        ),
        (
            (name is not None or made_of) and not by_id and pin is None,
            f"expected {ids or 'an id'} among claims, or as pin: names can change hands",
        ),
        (name is not None and pin is not None and pin not in known.ids, f"expected {ids} as pin"),
        (
            pin is not None and not made_of and not by_name,
            "expected claims with a name that the pin is the id of",
        ),
    )
    return next((reason for found, reason in reasons if found), "")
