"""Issuers that nobody here wrote: OpenBao's identity tokens, and npm's oidc-provider."""

from __future__ import annotations

import base64
import time

import pytest

from signer.access.oidc import prechecks
from tests.signer.access.oidc.issuing import Pair, Serving, known
from tests.signer.access.oidc.kinds import GITLAB
from tests.signer.access.oidc.provided import Provided
from tests.signer.access.oidc.workload import Workload
from tests.signer.asking import refused
from tests.signer.openbao.server import Bao

_CA = {"ca": "tls.pem"}
_TEMPLATE = (
    '{"pipeline": {"team": {{identity.entity.metadata.team}}, "id": {{identity.entity.id}} } }'
)


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_openbao(workload: Workload, bao: Bao, patient: None, algorithm: str) -> None:
    """
    A token of OpenBao, by each of its algorithms, is taken for whom it is for.
    """
    role = workload.role(algorithm.lower(), algorithm)
    issuers = known(bao.directory, bao={"issuer": workload.url, **_CA})
    token = workload.token(role)
    found = issuers.verify(token, time.time())

    assert (workload.entity, workload.url) == (found.subject, found.issuer)
    assert "payments" == found.claims["pipeline/team"]
    assert workload.entity == found.claims["pipeline/id"]
    assert algorithm == prechecks.parse(token).algorithm
    assert 600 == found.expires_at - found.issued_at
    assert found.jti is None
    header, payload, signature = token.split(".")
    forged = f"{header}.{payload}.{'A' * len(signature)}"
    refused("token-signature", lambda: issuers.verify(forged, time.time()))


def test_openbao_for_others(workload: Workload, bao: Bao, patient: None) -> None:
    """
    A token of OpenBao that is for another, lives too long, or has ended is refused.
    """
    issuers = known(bao.directory, bao={"issuer": workload.url, **_CA})
    other = workload.token(workload.role("other", client_id="other.example"))
    refused("token-audience", lambda: issuers.verify(other, time.time()))
    long = workload.token(workload.role("long", ttl="16m"))
    refused("token-time", lambda: issuers.verify(long, time.time()))
    good = workload.token(workload.role("good"))
    issuers.verify(good, time.time())
    refused("token-time", lambda: issuers.verify(good, time.time() + 631))
    refused("token-time", lambda: issuers.verify(good, time.time() - 60))


def test_openbao_rotates(workload: Workload, bao: Bao, patient: None) -> None:
    """
    When OpenBao has a new key, its tokens are taken a minute after the last look, and no sooner.
    """
    clock = [1000.0]
    role = workload.role("rotating", "ES256")
    issuers = known(bao.directory, lambda: clock[0], bao={"issuer": workload.url, **_CA})
    issuers.verify(workload.token(role), time.time())
    workload.rotate(role)
    # OpenBao publishes each key before it uses it, so that the next one is known already.
    issuers.verify(workload.token(role), time.time())
    workload.rotate(role)
    token = workload.token(role)
    refused("token-key", lambda: issuers.verify(token, time.time()))
    clock[0] += 60
    assert workload.entity == issuers.verify(token, time.time()).subject


def test_openbao_is_down(workload: Workload, bao: Bao, patient: None) -> None:
    """
    While OpenBao is sealed its tokens go on, for issuers that know its keys, and for no others.
    """
    token = workload.token(workload.role("sealed"))
    section = {"issuer": workload.url, **_CA}
    clock = [1000.0]
    before = known(bao.directory, lambda: clock[0], bao=section)
    before.verify(token, time.time())
    bao.seal()
    try:
        clock[0] += 3600
        assert workload.entity == before.verify(token, time.time()).subject
        after = known(bao.directory, bao=section)
        refused("issuer-unreachable", lambda: after.verify(token, time.time()))
    finally:
        bao.unseal()


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519"])
def test_provider(provided: Provided, patient: None, algorithm: str) -> None:
    """
    A token of oidc-provider, by each of its algorithms, is taken, once by its id.
    """
    issuers = known(provided.directory, idp={"issuer": provided.url, **_CA})
    tokens = [provided.token(alg=algorithm) for _ in range(2)]
    one, two = (issuers.verify(token, time.time()) for token in tokens)

    assert ("ci", provided.url) == (one.subject, one.issuer)
    assert algorithm == prechecks.parse(tokens[0]).algorithm
    assert one.jti is not None
    assert one.used != two.used


def test_provider_as_gitlab(provided: Provided, patient: None) -> None:
    """
    With GitLab's claims, a token of oidc-provider is a project's, and a merge request's is none.
    """
    claims = {name: value for name, value in GITLAB.items() if name != "sub"}
    section = {"issuer": provided.url, "preset": "gitlab", **_CA}
    issuers = known(provided.directory, gitlab=section)
    found = issuers.verify(provided.token(claims=claims, ttl=3600), time.time())

    assert "project_id:20" == found.subject
    proposed = provided.token(claims={**claims, "pipeline_source": "merge_request_event"})
    refused("token-event", lambda: issuers.verify(proposed, time.time()))
    long = provided.token(claims=claims, ttl=3601)
    refused("token-time", lambda: issuers.verify(long, time.time()))


def test_provider_by_type(provided: Provided, patient: None) -> None:
    """
    An access token that bears its own type is none for us: it is for another kind of service.
    """
    issuers = known(provided.directory, idp={"issuer": provided.url, **_CA})
    token = provided.token("urn:typed")
    assert b"at+jwt" in base64.urlsafe_b64decode(token.split(".")[0] + "==")
    refused("bad-token", lambda: issuers.verify(token, time.time()))


def test_one_for_the_other(
    workload: Workload, bao: Bao, provided: Provided, serving: Serving, patient: None
) -> None:
    """
    A token of one issuer is none of another, though it says that it is.
    """
    now = int(time.time())
    only_bao = known(bao.directory, bao={"issuer": workload.url, **_CA})
    only_idp = known(provided.directory, idp={"issuer": provided.url, **_CA})
    refused("token-issuer", lambda: only_bao.verify(provided.token(), now))
    as_idp = serving.token(iss=provided.url, iat=now, nbf=now, exp=now + 60)
    refused("token-key", lambda: only_idp.verify(as_idp, now))
    named = Pair("RS256")
    as_idp = serving.token(named, iss=provided.url, iat=now, nbf=now, exp=now + 60)
    refused("token-signature", lambda: only_idp.verify(as_idp, now))
