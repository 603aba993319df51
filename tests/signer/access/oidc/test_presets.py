"""What each kind of issuer's tokens say: ids that stay, and builds that anybody may start (A12)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signer.access.oidc.presets import PRESETS, PresetName
from signer.access.principal import Principal
from tests.signer.access.oidc.issuing import NOW, Offline, Pair, compact
from tests.signer.access.oidc.kinds import CLAIMS, GITHUB, GITLAB, JENKINS, KUBERNETES
from verifier.statement import REQUESTER, check_annotations

_UID = KUBERNETES["kubernetes.io"]["serviceaccount"]["uid"]


@pytest.fixture
def of(tmp_path: Path) -> Any:
    """Return an issuer of a kind."""

    def made(kind: PresetName | None, *pairs: Pair, **section: Any) -> Offline:
        return Offline(tmp_path, *pairs, preset=kind, **section)

    return made


@pytest.mark.parametrize(
    ("kind", "subject", "stable", "reuse"),
    [
        (
            "github",
            "repository_id:74",
            {
                "repository_id": "74",
                "repository_owner_id": "65",
                "ref": "refs/heads/main",
                "ref_protected": "true",
            },
            "once",
        ),
        (
            "gitlab",
            "project_id:20",
            {"project_id": "20", "namespace_id": "72", "ref": "main", "ref_protected": "true"},
            "once",
        ),
        ("jenkins", JENKINS["sub"], {}, "once"),
        (
            "kubernetes",
            f"serviceaccount:ci:builder:{_UID}",
            {
                "kubernetes.io/namespace": "ci",
                "kubernetes.io/serviceaccount/name": "builder",
                "kubernetes.io/serviceaccount/uid": _UID,
            },
            "minute",
        ),
    ],
)
def test_who(of: Any, kind: PresetName, subject: str, stable: dict[str, str], reuse: str) -> None:
    """
    Of each kind the subject and what goes into statements are ids, protected refs and no person.
    """
    issuer = of(kind)
    found = issuer.verify(issuer.token(**CLAIMS[kind], exp=NOW + 3600))

    assert (subject, stable, reuse) == (found.subject, dict(found.stable), found.reuse)
    assert found.pipeline
    assert 3600 == found.lifetime_s
    assert not {"actor", "user_login", "user_email", "run_id", "job_id"} & found.stable.keys()
    check_annotations({f"requester.{name}": value for name, value in stable.items()})
    assert all(len(REQUESTER + name) < 128 for name in stable)
    assert "\n" not in Principal(found.issuer, found.subject, {}).name


def test_any_issuer(of: Any) -> None:
    """
    Without a preset the subject is the token's own, and a token lives for 15 minutes.
    """
    issuer = of(None)
    found = issuer.verify(issuer.token())

    assert ("job", {}, "once", True) == (
        found.subject,
        dict(found.stable),
        found.reuse,
        found.pipeline,
    )
    issuer.refuses("token-time", issuer.token(exp=NOW + 901))


def test_people(of: Any) -> None:
    """
    An issuer of persons' tokens says so in its section, and its callers are no pipelines.
    """
    issuer = of(None, people=True)
    assert not issuer.verify(issuer.token()).pipeline
    with pytest.raises(ValueError, match="pipelines"):
        of("github", people=True)


@pytest.mark.parametrize("kind", list(PRESETS))
def test_lifetime(of: Any, kind: PresetName) -> None:
    """
    A6: tokens of each kind live for an hour, which GitLab's jobs and Jenkins' builds need.
    """
    issuer = of(kind)
    issuer.refuses("token-time", issuer.token(**CLAIMS[kind], exp=NOW + 3601))


@pytest.mark.parametrize(
    ("kind", "missing"),
    [(kind, name) for kind, one in PRESETS.items() for name in one.needs if "/" not in name],
)
def test_needed(of: Any, kind: PresetName, missing: str) -> None:
    """
    A token without a claim that each token of its kind has, or with an empty one, is refused.
    """
    issuer = of(kind)
    for nothing in (None, ""):
        issuer.refuses("token-claim", issuer.token(**{**CLAIMS[kind], missing: nothing}))


def test_needed_of_kubernetes(of: Any) -> None:
    """
    A token of Kubernetes that is of no service account is refused.
    """
    issuer = of("kubernetes")
    for inside in ({}, {"namespace": "ci"}, {"namespace": "ci", "serviceaccount": {"name": "b"}}):
        issuer.refuses("token-claim", issuer.token(**{**KUBERNETES, "kubernetes.io": inside}))


@pytest.mark.parametrize("value", ["octo-org", "0", "-1", "074", "1e3", "7 4", "٧٤", "9" * 20])
def test_ids_are_numbers(of: Any, value: str) -> None:
    """
    A12: an id that is no number is none of GitHub's or GitLab's.
    """
    for kind in ("github", "gitlab"):
        issuer = of(kind)
        for name in PRESETS[kind].numbers:
            issuer.refuses("token-claim", issuer.token(**{**CLAIMS[kind], name: value}))


def test_a12_name_of_another_owner(of: Any) -> None:
    """
    A12: a repository of the same name, under an owner who took the name over, is somebody else.
    """
    issuer = of("github")
    first = issuer.verify(issuer.token(**GITHUB))
    second = issuer.verify(
        issuer.token(**{**GITHUB, "repository_id": "9074", "repository_owner_id": "9065"})
    )

    assert first.claims["repository"] == second.claims["repository"]
    assert first.subject != second.subject
    assert first.stable != second.stable


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("github", {"event_name": "pull_request"}),
        ("github", {"event_name": "pull_request_target"}),
        ("github", {"event_name": "pull_request_review"}),
        ("github", {"event_name": "pull_request_review_comment"}),
        ("github", {"event_name": "workflow_run"}),
        ("github", {"head_ref": "patch-1"}),
        ("github", {"base_ref": "main"}),
        ("github", {"ref": "refs/pull/7/merge", "ref_protected": "false"}),
        ("gitlab", {"pipeline_source": "merge_request_event"}),
        ("gitlab", {"pipeline_source": "external_pull_request_event"}),
        # A fork's merge request, by a child pipeline of it.
        ("gitlab", {"pipeline_source": "parent_pipeline", "project_id": "666"}),
        ("jenkins", {"sub": "https://jenkins.bank.example/job/payments/job/api/job/PR-7/"}),
        ("jenkins", {"sub": "https://jenkins.bank.example/job/payments/job/api/job/MR-7"}),
        ("jenkins", {"sub": "https://jenkins.bank.example/job/api/job/PR-7-merge/"}),
        (None, {"event_name": "pull_request_target"}),
        (None, {"pipeline_source": "merge_request_event"}),
    ],
    ids=str,
)
def test_a12_proposals(of: Any, kind: PresetName | None, changed: dict[str, str]) -> None:
    """
    A12: tokens of builds of pull and merge requests are refused, unless a section takes them.
    """
    claims = {**(CLAIMS[kind] if kind else {}), **changed}
    issuer = of(kind)
    assert "propose" in issuer.refuses("token-event", issuer.token(**claims)).message
    lax = of(kind, pull_requests=True)
    assert lax.verify(lax.token(**claims)).subject


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("github", {"event_name": event})
        for event in ("push", "release", "schedule", "workflow_dispatch", "merge_group")
    ]
    + [
        ("gitlab", {"pipeline_source": source})
        for source in ("push", "web", "schedule", "trigger", "pipeline", "parent_pipeline")
    ]
    + [("jenkins", {"sub": "https://jenkins.bank.example/job/PRODUCT/job/PR-tools/"})],
)
def test_a12_other_builds(of: Any, kind: PresetName, changed: dict[str, str]) -> None:
    """
    A12: builds of what is there already are taken, whatever started them.
    """
    issuer = of(kind)
    assert issuer.verify(issuer.token(**{**CLAIMS[kind], **changed})).subject


def test_unprotected_ref(of: Any) -> None:
    """
    A ref goes into statements only when it is protected: of another, anybody moves the name.
    """
    issuer = of("gitlab")
    for value in ("false", "True", "", None):
        found = issuer.verify(issuer.token(**{**GITLAB, "ref_protected": value}))
        assert {"project_id", "namespace_id"} == found.stable.keys()


def test_algorithms(of: Any) -> None:
    """
    Each kind signs as it does: GitHub and GitLab by RS256, whatever other key is in the set.
    """
    for kind in ("github", "gitlab", "jenkins"):
        issuer = of(kind, Pair.ec())
        issuer.refuses("token-algorithm", issuer.token(**CLAIMS[kind]))
    issuer = of("kubernetes", Pair.ec())
    assert issuer.verify(issuer.token(**KUBERNETES)).subject
    assert of("github", Pair.ec(), algorithms=["ES256"]).verify(issuer.token(**GITHUB)).subject


def test_headers_of_real_issuers(of: Any) -> None:
    """
    Headers are as GitHub (a thumbprint), Jenkins and Kubernetes (no type) write them.
    """
    for kind, header in (
        ("github", {"typ": "JWT", "alg": "RS256", "x5t": "example", "kid": "one"}),
        ("jenkins", {"kid": "one", "alg": "RS256"}),
        ("kubernetes", {"alg": "RS256", "kid": "one"}),
    ):
        issuer = of(kind)
        claims = {**CLAIMS[kind], "iss": issuer.URL, "iat": NOW, "exp": NOW + 60}
        claims = {"aud": "ledger.example", "jti": "a", **claims}
        kept = {name: value for name, value in claims.items() if value is not None}
        assert issuer.verify(issuer.pair.token(compact(header), compact(kept))).subject


def test_a_token_of_jenkins_counts_once(of: Any) -> None:
    """
    A token without an id of its own is remembered by all that was signed.
    """
    issuer = of("jenkins")
    one = issuer.verify(issuer.token(**JENKINS))
    again = issuer.verify(issuer.token(**JENKINS))
    other = issuer.verify(issuer.token(**{**JENKINS, "build_number": 18}))

    assert one.jti is None
    assert one.used == again.used != other.used
